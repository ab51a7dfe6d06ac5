/**
 * carpd and carp-system together, as real processes: going down as MASTER, handing over to a real
 * peer, the proof of a boot, what carpctl says. The service manager is a script that writes down
 * what it was asked: nothing here may ever reach that of the machine.
 */
import assert from "node:assert/strict";
import {spawnSync} from "node:child_process";
import {
    chmodSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    rmSync,
    writeFileSync,
} from "node:fs";
import {createServer, type ServerResponse} from "node:http";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, describe, it} from "node:test";
import type {ApplianceStatus} from "../../src/core/appliance/status.ts";
import {readApplianceStatus} from "../../src/core/appliance/status-decode.ts";
import {download} from "../../src/io/appliance/download.ts";
import {ControlClient} from "../../src/io/control-client.ts";
import {type HostProcess, waitFor} from "../../src/io/lab/namespaces.ts";
import {projectRoot} from "../../src/io/version.ts";
import {inNamespace} from "../support/netns.ts";
import {pairBlock, type Router, runPair, type Scene, Testbed} from "../support/routers.ts";

const skip = await inNamespace();
const bed = skip === false ? new Testbed() : undefined;
const test = (name: string, body: (scene: Scene) => Promise<void>) =>
    it(name, {skip, timeout: 150_000}, bed?.scene(body));

const program = join(projectRoot(), "dist/src/carp-system.js");

/** carp-system of a router; RAUC is a script too, since no bus runs in these hosts. */
class Helper {
    readonly folder: string;
    readonly #router: Router;
    #process: HostProcess | undefined;

    constructor(router: Router) {
        this.#router = router;
        this.folder = join(router.host.directory, "appliance");
        mkdirSync(join(this.folder, "data"), {recursive: true});
        const release = {version: "0.3.0", compatible: "carpd-amd64", schema: 1};
        writeFileSync(this.path("release.json"), JSON.stringify(release));
        writeFileSync(this.path("cmdline"), "quiet carpd.slot=A\n");
        const block = "# GRUB Environment Block\nORDER=B A\nA_OK=1\nA_TRY=1\nB_OK=1\nB_TRY=3\n";
        writeFileSync(this.path("grubenv"), block.padEnd(1024, "#"));
        writeFileSync(this.path("system.conf"), `[system]\ngrubenv=${this.path("grubenv")}\n`);
        this.script("systemctl", `echo "$@" >> ${this.path("orders")}`);
        this.script(
            "rauc",
            `echo "$@" >> ${this.path("rauc-calls")}\n` +
                'case "$*" in *--output-format*) echo "{}" ;; *mark-active*) echo "no bus" >&2; exit 1 ;; esac',
        );
    }

    path(name: string): string {
        return join(this.folder, name);
    }

    get socket(): string {
        return this.path("socket");
    }

    /** A program of the appliance. */
    script(name: string, body: string): void {
        writeFileSync(this.path(name), `#!/bin/sh\n${body}\n`);
        chmodSync(this.path(name), 0o755);
    }

    said(name: string): string {
        return existsSync(this.path(name)) ? readFileSync(this.path(name), "utf8") : "";
    }

    async start(): Promise<void> {
        const {host, runDir} = this.#router;
        const words = [
            ...["--socket", this.socket, "--run-dir", runDir],
            ...["--config-dir", host.directory, "--data", this.path("data")],
            ...["--release", this.path("release.json"), "--command-line", this.path("cmdline")],
            ...["--rauc-config", this.path("system.conf"), "--rauc", this.path("rauc")],
            ...["--systemctl", this.path("systemctl"), "--boot-dir", this.path("none")],
        ];
        // It writes /etc/hostname and /etc/resolv.conf and names the host: never those of the machine
        // that runs the test.
        const own =
            'mkdir -p "$1/upper" "$1/work" && mount -t overlay overlay ' +
            '-o "lowerdir=/etc,upperdir=$1/upper,workdir=$1/work" /etc && shift && exec "$@"';
        const inner = [
            "sh",
            "-ec",
            own,
            "sh",
            `/run/etc-${host.name}`,
            process.execPath,
            program,
            ...words,
        ];
        this.#process = host.spawn(["unshare", "--mount", "--uts", ...inner], {
            logName: "carp-system",
        });
        await waitFor("carp-system", 20_000, () => (existsSync(this.socket) ? true : undefined));
    }

    log(): string {
        return this.#process?.log() ?? "";
    }
}

async function statusOf(router: Router): Promise<ApplianceStatus | null> {
    const client = new ControlClient(join(router.runDir, "control.sock"));
    const reply = await client.request("GET", "/v1/appliance");
    return reply.ok ? readApplianceStatus(reply.value.body) : null;
}

/** carpd of `router` finds the helper by its socket. */
const beside = (helper: Helper): readonly string[] => ["--system-socket", helper.socket];

/** A web server on this namespace's own loopback; `answer` is all that it does. */
async function withServer(
    answer: (path: string, response: ServerResponse) => void,
    use: (url: string, folder: string) => Promise<void>,
): Promise<void> {
    spawnSync("ip", ["link", "set", "lo", "up"]);
    const server = createServer((request, response) => answer(request.url ?? "", response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const folder = mkdtempSync(join(tmpdir(), "carpd-fetch-"));
    const address = server.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    try {
        await use(`http://127.0.0.1:${port}`, folder);
    } finally {
        server.closeAllConnections();
        server.close();
        rmSync(folder, {recursive: true, force: true});
    }
}

describe("download", () => {
    it("comes whole or not at all, and never larger than it may be", {skip}, async () => {
        const body = Buffer.alloc(300_000, "x");
        const answer = (path: string, response: ServerResponse): void => {
            if (path === "/whole") response.end(body);
            else if (path === "/moved") response.writeHead(302, {location: "/whole"}).end();
            else if (path === "/round") response.writeHead(302, {location: "/round"}).end();
            else if (path === "/elsewhere") response.writeHead(302, {location: "ftp://x/"}).end();
            else if (path === "/cut") {
                response.writeHead(200, {"content-length": "900000"});
                response.write(body, () => response.destroy());
            } else response.writeHead(503).end();
        };
        await withServer(answer, async (url, folder) => {
            const get = (path: string, limit?: number) =>
                download(`${url}/${path}`, folder, () => undefined, limit);
            for (const path of ["whole", "moved"]) {
                const got = await get(path);
                assert.ok(got.ok, path);
                assert.deepEqual(readFileSync(got.value.path), body);
                await got.value.close();
            }
            const refusals: readonly [string, number | undefined, RegExp][] = [
                ["round", undefined, /redirects to nowhere$/u],
                ["elsewhere", undefined, /redirects to nowhere$/u],
                ["cut", undefined, /^fetching from 127\.0\.0\.1:\d+ failed: /u],
                ["missing", undefined, /the server answers with status 503$/u],
                ["whole", 1000, /^the bundle has .* MiB/u],
            ];
            for (const [path, limit, rule] of refusals) {
                const got = await get(path, limit);
                assert.match(got.ok ? "" : got.error, rule, path);
                assert.deepEqual(readdirSync(folder), [], path);
            }
        });
    });
});

describe("appliance", {concurrency: 2}, () => {
    test("going down as MASTER is refused; with hand-over the peer has it first", async (scene) => {
        const {a, b} = await runPair(scene);
        const helper = new Helper(a);
        await a.stop();
        await helper.start();
        await a.start({}, beside(helper));
        await a.until("MASTER", 12_000);
        await b.until("BACKUP");
        const refused = await a.carpctl("reboot");
        assert.equal(refused.code, 70);
        assert.match(
            refused.stderr,
            /^carpctl: this host is MASTER of carp0 \(vhid 1\); expected `reboot hand-over`/u,
        );
        assert.equal(helper.said("orders"), "");
        const done = await a.carpctl("system", "reboot", "--hand-over");
        assert.equal(done.code, 0, done.stderr);
        assert.match(done.stdout, /^reboot: carp0 is with 192\.168\.1\.\d+, going down\n$/u);
        assert.equal(await b.state(), "MASTER");
        assert.equal(helper.said("orders"), "--no-block --no-ask-password reboot\n");
    });

    test("nobody takes over: this host stays up and MASTER, unless it is forced", async (scene) => {
        const a = scene.router("a", scene.segment(), ["192.168.1.2/24"], {
            options: {"handover-limit-ms": 100},
            carp: [pairBlock(0)],
        });
        const helper = new Helper(a);
        await helper.start();
        await a.start({}, beside(helper));
        await a.until("MASTER");
        const alone = await a.carpctl("power-off", "hand-over");
        assert.equal(alone.code, 70);
        assert.match(
            alone.stderr,
            /no other host has taken over carp0 within 10 s, and this host goes on/u,
        );
        assert.equal(helper.said("orders"), "");
        await a.until("MASTER");
        assert.doesNotMatch(await a.command("show", "demotion"), /operator:reboot/u);
        const forced = await a.carpctl("power-off", "force");
        assert.equal(forced.code, 0, forced.stderr);
        assert.equal(helper.said("orders"), "--no-block --no-ask-password poweroff\n");
    });

    test("the slot is marked good once the protocol runs, and a fall-back is told", async (scene) => {
        const a = scene.router("a", scene.segment(), ["192.168.1.2/24"], {
            options: {"handover-limit-ms": 100},
            carp: [pairBlock(0)],
        });
        const helper = new Helper(a);
        await helper.start();
        await a.start({}, beside(helper));
        await waitFor("carpd to know", 20_000, async () => {
            const status = await statusOf(a);
            return status?.olderSlot.startsWith("this box runs the older slot A (0.3.0)") === true
                ? true
                : undefined;
        });
        assert.doesNotMatch(helper.said("rauc-calls"), /mark-good/u);
        assert.match(await a.command("show", "carp"), /^ALARM: this box runs the older slot A/u);
        const mark = () => helper.said("rauc-calls").includes("status mark-good booted");
        await waitFor(
            "the mark",
            30_000,
            () => (mark() ? true : undefined),
            () => helper.log(),
        );
        const images = await a.command("show", "images");
        assert.match(images, /\*A {2}0\.3\.0 {2}.* {2}running/u);
        assert.match(images, /ALARM: this box runs the older slot A.*started 3 times/u);
        const slots = JSON.parse(readFileSync(helper.path("data/system/slots.json"), "utf8"));
        assert.equal(slots.A.version, "0.3.0");
        // Nothing to go back to; a reset needs its words, and then goes to GRUB.
        const rollback = await a.carpctl("system", "rollback");
        assert.match(rollback.stderr, /slot B holds nothing to go back to: it is failed/u);
        const asked = await a.carpctl("factory-reset");
        assert.match(asked.stderr, /without a terminal: factory-reset confirm erase everything/u);
        const wrong = await a.carpctl("factory-reset", "confirm", "yes");
        assert.match(wrong.stderr, /nothing was erased/u);
        assert.equal(helper.said("orders"), "");
        await a.command("factory-reset", "confirm", "erase everything");
        assert.match(helper.said("grubenv"), /\nB_TRY=3\nFACTORY_RESET=1\n#/u);
        assert.equal(helper.said("grubenv").length, 1024);
        assert.equal(helper.said("orders"), "--no-block --no-ask-password reboot\n");
    });

    test("carpctl shows how an installation goes, and why one failed", async (scene) => {
        const a = scene.router("a", scene.segment(), ["192.168.1.2/24"], {carp: [pairBlock(0)]});
        const helper = new Helper(a);
        const info = '{"compatible":"carpd-amd64","version":"0.4.0","images":[]}';
        // Between two lines of progress it waits until the test lets it go on.
        helper.script(
            "rauc",
            `case "$*" in
            *info*good*|*info*pulled*) echo '${info}' ;;
            *info*) echo "signature verification failed: Verify error" >&2; exit 1 ;;
            *install*pulled*) echo " 60% Copying image to rootfs.1"
                echo "LastError: Failed to copy: Input/output error" >&2; exit 1 ;;
            *install*) echo " 40% Copying image to boot.1"
                while ! [ -e ${helper.path("go")} ]; do sleep 0.05; done
                echo "100% Installing done." ;;
            *) echo "{}" ;;
            esac`,
        );
        for (const name of ["good", "pulled", "foreign"]) {
            writeFileSync(helper.path(`${name}.raucb`), "x");
        }
        await helper.start();
        await a.start({}, beside(helper));
        const install = (name: string) =>
            a.carpctl("system", "install-image", helper.path(`${name}.raucb`));
        const running = install("good");
        await waitFor("the writing", 20_000, async () =>
            (await statusOf(a))?.installing?.phase === "writing" ? true : undefined,
        );
        const second = await install("foreign");
        assert.match(second.stderr, /good\.raucb is being installed already/u);
        const early = await a.carpctl("reboot", "force");
        assert.equal(early.code, 0, early.stderr);
        writeFileSync(helper.path("go"), "");
        const good = await running;
        assert.equal(good.code, 0, good.stderr);
        assert.match(good.stdout, /\n40% Copying image to boot\.1\n/u);
        assert.match(
            good.stdout,
            /0\.4\.0 is installed in slot B: it runs after the next reboot\n$/u,
        );
        const foreign = await install("foreign");
        assert.equal(foreign.code, 74);
        assert.match(foreign.stderr, /not signed with a key.*the running slot is untouched/u);
        const pulled = await install("pulled");
        assert.match(pulled.stderr, /was it pulled out\?.*goes on with slot A \(0\.3\.0\)/u);
        const wrong = await a.carpctl("system", "install-image", "ftp://x/y");
        assert.match(wrong.stderr, /is a URL of another kind; expected a path/u);
    });

    test("a host that is no appliance says so", async (scene) => {
        const a = scene.router("a", scene.segment(), ["192.168.1.2/24"], {carp: [pairBlock(0)]});
        await a.start({}, ["--system-socket", join(a.host.directory, "none")]);
        for (const words of [
            ["show", "images"],
            ["system", "install-image", "/x.raucb"],
            ["system", "rollback"],
            ["factory-reset", "confirm", "erase everything"],
        ]) {
            const said = await a.carpctl(...words);
            assert.notEqual(said.code, 0);
            assert.match(
                said.stderr,
                /^carpctl: this host is not a carpd appliance: /u,
                words.join(" "),
            );
        }
        assert.equal((await statusOf(a))?.present, false);
    });
});

after(() => bed?.end());
