/** A router that takes BSD commands: the real editor of the file and the real reader of it. */
import assert from "node:assert/strict";
import {
    type BsdOutcome,
    type BsdPending,
    type BsdWorld,
    formatBsdRefusal,
    nothingPending,
    runBsdLine,
} from "../../src/core/bsd/run.ts";
import type {BsdInterface} from "../../src/core/bsd/world.ts";
import type {CarpConfig, Config} from "../../src/core/config.ts";
import {applyEdits} from "../../src/core/config-edit.ts";
import {parseConfig} from "../../src/core/config-parse.ts";
import {formatDiagnostics} from "../../src/core/diagnostic.ts";
import type {CarpStatus} from "../../src/core/status.ts";

export const twoSegments: readonly BsdInterface[] = [
    {name: "lo", addresses: ["127.0.0.1/8"], mac: "", up: true},
    {
        name: "eth1",
        addresses: ["192.168.1.2/24", "fe80::1/64", "2001:db8:1::2/64"],
        mac: "02:00:00:00:00:01",
        up: true,
    },
    {
        name: "eth2",
        addresses: ["192.168.2.2/24", "fe80::2/64"],
        mac: "02:00:00:00:00:02",
        up: true,
    },
];

/** A file without [[carp]] is read by what is in it beside a block that is taken away again. */
export function readConfig(text: string): Config {
    const block = '\n[[carp]]\nname = "x"\ncarpdev = "x0"\nvhid = 1\n';
    const empty = !text.includes("[[carp]]");
    const parsed = parseConfig([{file: "carpd.toml", text: empty ? text + block : text}]);
    assert.ok(parsed.ok, parsed.ok ? "" : `${formatDiagnostics(parsed.error)}\n---\n${text}`);
    const {config} = parsed.value;
    return empty ? {...config, carp: []} : config;
}

/** The status of a vhid that the engine has just taken up. */
export function statusOf(carp: CarpConfig, state: CarpStatus["state"]): CarpStatus {
    return {
        name: carp.name,
        carpdev: carp.carpdev,
        vhid: carp.vhid,
        state,
        handingOver: false,
        enabled: carp.enabled,
        advbase: carp.advbase,
        advskew: carp.advskew,
        effectiveAdvskew: carp.advskew,
        group: carp.group,
        demotion: 0,
        addresses: [],
        virtualMac: "",
        since: "",
        cause: "none",
        master: null,
        next: "",
        preempt: false,
        peers: carp.peers,
        transitions: 0,
    };
}

export class Router {
    text: string;
    pending: BsdPending = nothingPending;
    interfaces: readonly BsdInterface[];
    state: CarpStatus["state"] = "MASTER";
    appliance = false;
    demotion = {total: 0, groups: [{group: "carp", total: 0}]};

    constructor(text = "", interfaces: readonly BsdInterface[] = twoSegments) {
        this.text = text;
        this.interfaces = interfaces;
    }

    get config(): Config {
        return readConfig(this.text);
    }

    world(): BsdWorld {
        const {config} = this;
        return {
            config,
            carps: config.carp.map((carp) => statusOf(carp, carp.enabled ? this.state : "INIT")),
            interfaces: this.interfaces,
            demotion: this.demotion,
            pending: this.pending,
            appliance: this.appliance,
            hostname: "box",
        };
    }

    /** Types a line that must be accepted, and commits it. */
    run(line: string): BsdOutcome {
        const outcome = runBsdLine(line, this.world());
        assert.ok(outcome.ok, outcome.ok ? "" : formatBsdRefusal(outcome.error));
        const edited = applyEdits(this.text, outcome.value.edits);
        assert.ok(edited.ok, edited.ok ? "" : `${edited.error.message}: ${edited.error.expected}`);
        this.text = edited.value;
        this.pending = outcome.value.pending;
        assert.doesNotThrow(() => this.config);
        return outcome.value;
    }

    output(line: string): string {
        return this.run(line).output;
    }

    /** Types a line that must be refused; what is said about it. */
    refused(line: string): string {
        const outcome = runBsdLine(line, this.world());
        assert.ok(!outcome.ok, `${line} was accepted`);
        return formatBsdRefusal(outcome.error);
    }

    carp(name: string): CarpConfig {
        const found = this.config.carp.find((carp) => carp.name === name);
        assert.ok(found !== undefined, `no ${name} in\n${this.text}`);
        return found;
    }

    /** One line for each configured interface. */
    summary(): string[] {
        return this.config.carp.map((carp) => {
            const vips = carp.addresses.map((vip) => `${vip.address}/${vip.prefixLength}`);
            const pass = new TextDecoder().decode(carp.pass.reveal());
            return [
                carp.name,
                carp.carpdev,
                carp.vhid,
                `${carp.advbase}/${carp.advskew}`,
                pass,
                ...vips,
            ].join(" ");
        });
    }
}
