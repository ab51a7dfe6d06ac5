/**
 * The network of the virtual machines: two switches and the taps that are plugged into them, in the
 * network namespace of this program. It stands on both segments itself, as 192.168.1.9 and
 * 192.168.2.9, and is the client. Use it inside `enterNamespaces()` only.
 */
import {spawn, spawnSync} from "node:child_process";
import {HarnessError, waitFor} from "../../src/io/lab/namespaces.ts";

export const segments = ["lan", "wan"] as const;
export type Segment = (typeof segments)[number];

/** The client's own addresses. */
export const clientAddress: Readonly<Record<Segment, string>> = {
    lan: "192.168.1.9",
    wan: "192.168.2.9",
};

function must(...argv: string[]): string {
    const result = spawnSync(argv[0] ?? "", argv.slice(1), {encoding: "utf8", timeout: 20_000});
    if (result.status !== 0) {
        const said = result.error?.message ?? result.stderr.trim();
        throw new HarnessError("COMMAND_FAILED", `${argv.join(" ")}: ${said}`);
    }
    return result.stdout;
}

/** Switches without spanning tree and snooping. */
export function makeSegments(): void {
    for (const name of segments) {
        const bridge = ["type", "bridge", "stp_state", "0", "forward_delay", "0"];
        must("ip", "link", "add", name, ...bridge, "mcast_snooping", "0");
        must("ip", "link", "set", name, "addrgenmode", "none", "up");
        must("ip", "addr", "add", `${clientAddress[name]}/24`, "dev", name);
    }
}

/** A tap on a segment; one that exists already is used again. At most 15 octets of name. */
export function makeTap(name: string, segment: Segment): void {
    if (spawnSync("ip", ["link", "show", "dev", name]).status === 0) return;
    must("ip", "tuntap", "add", "dev", name, "mode", "tap");
    must("ip", "link", "set", name, "master", segment, "addrgenmode", "none", "up");
}

/** Whether one ping is answered within a second. */
export function answers(address: string): boolean {
    return spawnSync("ping", ["-c1", "-W1", "-n", address]).status === 0;
}

export async function untilAnswers(address: string, deadlineMs: number): Promise<void> {
    await waitFor(`${address} to answer pings`, deadlineMs, () =>
        answers(address) ? true : undefined,
    );
}

/** Asks for an address anew; the MAC that answered, or null. */
export function macOf(address: string, segment: Segment): string | null {
    spawnSync("ip", ["neigh", "del", address, "dev", segment]);
    answers(address);
    const shown = must("ip", "neigh", "show", address, "dev", segment);
    return / lladdr (\S+)/u.exec(shown)?.[1] ?? null;
}

/** The tap behind which the switch has last seen a MAC, or null. */
export function tapOf(mac: string, segment: Segment): string | null {
    const line = must("bridge", "fdb", "show", "br", segment)
        .split("\n")
        .find((entry) => entry.startsWith(`${mac} `));
    return line === undefined ? null : (/ dev (\S+)/u.exec(line)?.[1] ?? null);
}

/** ARP as a client sees it: the virtual MAC of `vhid` answers, and which tap it lives behind. */
export function holderOf(address: string, vhid: number, segment: Segment): string | null {
    const mac = `00:00:5e:00:01:${vhid.toString(16).padStart(2, "0")}`;
    return macOf(address, segment) === mac ? tapOf(mac, segment) : null;
}

export interface Stream {
    /** Ends it; what the longest silence was, in milliseconds, and how many answers came. */
    readonly stop: () => Promise<{readonly answers: number; readonly silenceMs: number}>;
}

/** Pings ten times a second until it is stopped. */
export function pingStream(address: string): Stream {
    const child = spawn("ping", ["-n", "-i", "0.1", "-D", "-O", address], {
        stdio: ["ignore", "pipe", "ignore"],
    });
    let text = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (chunk) => {
        text += String(chunk);
    });
    const begin = Date.now();
    return {
        stop: async () => {
            const closed = new Promise((resolve) => {
                child.on("close", resolve);
            });
            child.kill("SIGINT");
            await closed;
            const times = [...text.matchAll(/^\[([\d.]+)\] \d+ bytes from/gmu)].map(
                (match) => Number(match[1]) * 1000,
            );
            const marks = [begin, ...times, Date.now()];
            const gaps = marks.slice(1).map((at, i) => at - (marks[i] ?? at));
            return {answers: times.length, silenceMs: Math.round(Math.max(...gaps))};
        },
    };
}
