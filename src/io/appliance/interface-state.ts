/**
 * What addresses and default routes an interface has, asked of ip(8), and their removal.
 * carp-system's main thread.
 */
import {setTimeout as sleep} from "node:timers/promises";
import type {RunProgram} from "./programs.ts";

const pollMs = 50;

function members(value: unknown, key: string): unknown[] {
    const list: unknown =
        typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
    return Array.isArray(list) ? list : [];
}

function member(value: unknown, key: string): unknown {
    return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

function parsed(output: string): unknown[] {
    try {
        const value: unknown = JSON.parse(output || "[]");
        return Array.isArray(value) ? value : [];
    } catch (error) {
        if (error instanceof SyntaxError) return [];
        throw error;
    }
}

export class InterfaceState {
    readonly #run: RunProgram;
    readonly #settleMs: number;

    constructor(run: RunProgram, settleMs: number) {
        this.#run = run;
        this.#settleMs = settleMs;
    }

    /** With prefix length; null: there is no such interface. */
    async #addresses(name: string): Promise<string[] | null> {
        const shown = await this.#run(["ip", "-json", "address", "show", "dev", name]);
        if (!shown.ok) return null;
        return parsed(shown.output).flatMap((link) =>
            members(link, "addr_info").map(
                (info) => `${String(member(info, "local"))}/${String(member(info, "prefixlen"))}`,
            ),
        );
    }

    /** Those of `wanted` that are not there within the time; null: there is no such interface. */
    async missing(name: string, wanted: readonly string[]): Promise<readonly string[] | null> {
        const deadline = performance.now() + this.#settleMs;
        for (;;) {
            const present = await this.#addresses(name);
            if (present === null) return null;
            const missing = wanted.filter((address) => !present.includes(address));
            if (missing.length === 0 || performance.now() >= deadline) return missing;
            await sleep(pollMs);
        }
    }

    /** Removes those that are there; what is not is no problem. The result lists problems. */
    async remove(
        name: string,
        addresses: readonly string[],
        gateways: readonly string[],
    ): Promise<readonly string[]> {
        const problems: string[] = [];
        const act = async (argv: readonly string[]): Promise<void> => {
            const {ok, problem} = await this.#run(argv);
            if (!ok) problems.push(problem);
        };
        for (const gateway of gateways) {
            const family = gateway.includes(":") ? "-6" : "-4";
            const route = ["default", "via", gateway, "dev", name];
            const shown = await this.#run(["ip", "-json", family, "route", "show", ...route]);
            if (shown.ok && parsed(shown.output).length > 0) {
                await act(["ip", family, "route", "delete", ...route]);
            }
        }
        const present = (await this.#addresses(name)) ?? [];
        for (const address of addresses.filter((each) => present.includes(each))) {
            await act(["ip", "address", "delete", address, "dev", name]);
        }
        return problems;
    }
}
