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
