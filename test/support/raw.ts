/**
 * Frames as they are: sending crafted ones into a segment, and recording what one host sends. Both
 * with python3 and a packet socket, so that an error of ours in the addon cannot hide itself.
 */
import {join} from "node:path";
import type {Host, HostProcess} from "../../src/io/lab/namespaces.ts";
import {waitFor} from "../../src/io/lab/namespaces.ts";
import {type Frame, readPcap} from "./pcap.ts";

const sender = `
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for frame in sys.argv[2:]:
    s.send(bytes.fromhex(frame))
`;

/** Sends whole Ethernet frames, in order, and returns when they are out. */
export function sendFrames(host: Host, ifname: string, frames: readonly Uint8Array[]): void {
    const hex = frames.map((frame) => Buffer.from(frame).toString("hex"));
    const result = host.run(["python3", "-c", sender, ifname, ...hex]);
    if (result.status !== 0) throw new Error(`sending frames on ${ifname}: ${result.stderr}`);
}

const flooder = `
import socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
frame = bytes.fromhex(sys.argv[2])
sent = 0
end = time.monotonic() + float(sys.argv[3])
while time.monotonic() < end:
    for _ in range(64):
        try:
            s.send(frame)
            sent += 1
        except OSError:
            pass  # the queue is full: what counts is what went out
print(sent, flush=True)
`;

/** Sends one frame over and over, as fast as python3 can; resolves with how many went out. */
export async function flood(
    host: Host,
    ifname: string,
    frame: Uint8Array,
    seconds: number,
): Promise<number> {
    const hex = Buffer.from(frame).toString("hex");
    const argv = ["python3", "-c", flooder, ifname, hex, String(seconds)];
    const process = host.spawn(argv, {logName: "flood"});
    return await waitFor("the flood to end", (seconds + 30) * 1000, () => {
        const said = /^(\d+)$/m.exec(process.log())?.[1];
        return said === undefined ? undefined : Number(said);
    });
}

/**
 * The sender's MAC (at 6 and 22) and IPv4 address (at 28) of an ARP request are counted up. Frames
 * that a busy machine made late go out in a burst, so that the number a second is kept.
 */
const asker = `
import socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
frame = bytes.fromhex(sys.argv[2])
count, rate, sources = (int(word) for word in sys.argv[3:6])
mac = int.from_bytes(frame[6:12], "big")
ip = int.from_bytes(frame[28:32], "big")
frames = []
for i in range(sources):
    m = (mac + i).to_bytes(6, "big")
    frames.append(frame[:6] + m + frame[12:22] + m + (ip + i).to_bytes(4, "big") + frame[32:])
begin = time.monotonic()
sent = 0
while sent < count:
    due = min(count, int((time.monotonic() - begin) * rate) + 1)
    while sent < due:
        try:
            s.send(frames[sent % sources])
            sent += 1
        except OSError:
            break  # the queue is full: again in a millisecond
    time.sleep(0.001)
print(sent, flush=True)
`;

/** Sends `count` ARP requests, `rate` a second, in turn from `sources` hosts that count up. */
export async function askMany(
    host: Host,
    ifname: string,
    first: Uint8Array,
    {count, rate, sources}: {count: number; rate: number; sources: number},
): Promise<void> {
    const hex = Buffer.from(first).toString("hex");
    const numbers = [count, rate, sources].map(String);
    const argv = ["python3", "-c", asker, ifname, hex, ...numbers];
    const process = host.spawn(argv, {logName: "ask"});
    const end = await process.exited;
    if (end !== "exit 0") throw new Error(`asking on ${ifname}: ${end}: ${process.log()}`);
}

/** 35 is SO_TIMESTAMPNS. Frames that the switch sends towards the host are left out. */
const recorder = `
import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
s.setsockopt(socket.SOL_SOCKET, 35, 1)
s.bind((sys.argv[1], 3))
out = open(sys.argv[2], "wb", buffering=0)
out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
while True:
    data, control, flags, address = s.recvmsg(65535, 64)
    if address[2] == socket.PACKET_OUTGOING:
        continue
    sec, nsec = struct.unpack("qq", control[0][2][:16])
    out.write(struct.pack("<IIII", sec, nsec // 1000, len(data), len(data)) + data)
`;

/** Records what comes out of one host, at the switch's end of its cable. */
export class Recording {
    readonly #process: HostProcess;
    readonly #path: string;

    private constructor(process: HostProcess, path: string) {
        this.#process = process;
        this.#path = path;
    }

    static async start(wire: Host, port: string): Promise<Recording> {
        const path = join(wire.directory, `${port}-sent.pcap`);
        const process = wire.spawn(["python3", "-c", recorder, port, path], {logName: "recorder"});
        await waitFor(
            "the recorder to listen",
            10_000,
            () => {
                try {
                    readPcap(path);
                    return true;
                } catch {
                    return undefined;
                }
            },
            () => process.log(),
        );
        return new Recording(process, path);
    }

    frames(): readonly Frame[] {
        return readPcap(this.#path);
    }

    async stop(): Promise<readonly Frame[]> {
        await this.#process.kill("SIGKILL");
        return this.frames();
    }
}

/** ETH_P_ALL 3; packets that the relay itself sent come back as PACKET_OUTGOING (4). */
const relayer = `
import os, select, socket, sys, time
try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
except OSError:
    pass  # it then waits its turn, and the segment is slower at times
ports = []
for name in sys.argv[2:4]:
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((name, 3))
    ports.append(s)
print("relaying", flush=True)
while True:
    for s in select.select(ports, [], [])[0]:
        frame, address = s.recvfrom(65535)
        if address[2] == socket.PACKET_OUTGOING:
            continue
        time.sleep(float(sys.argv[1]))
        ports[1 - ports.index(s)].send(frame)
`;

/** Joins two segments by a slow switch, which holds each frame for a while; ends with the test. */
export async function joinSlowly(
    wire: Host,
    segments: readonly [string, string],
    delayMs: number,
): Promise<HostProcess> {
    const ends = segments.map((segment) => {
        const [port, end] = [`${segment}-j`, `${segment}-k`];
        wire.ip("link", "add", port, "type", "veth", "peer", "name", end);
        wire.ip("link", "set", port, "master", segment, "addrgenmode", "none", "up");
        wire.ip("link", "set", end, "addrgenmode", "none", "promisc", "on", "up");
        return end;
    });
    const argv = ["python3", "-c", relayer, String(delayMs / 1000), ...ends];
    const process = wire.spawn(argv, {logName: `${segments[0]}-relay`});
    await waitFor(
        "the slow switch",
        10_000,
        () => (process.log().includes("relaying") ? true : undefined),
        () => process.log(),
    );
    return process;
}
