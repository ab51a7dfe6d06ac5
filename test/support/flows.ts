/**
 * TCP flows through the test network, with the kernels' own stacks: an echo server that says which
 * host it is, and connections that send a numbered block, wait until it has come back, and go on.
 */
import {type Host, type HostProcess, waitFor} from "../../src/io/lab/namespaces.ts";

const port = "7777";

/** A thread for each connection; the name goes out first, then everything comes back. */
const echo = `
import socket, sys, threading
def serve(c):
    try:
        c.sendall(sys.argv[1].encode() + b"\\n")
        while True:
            data = c.recv(65536)
            if not data:
                return
            c.sendall(data)
    except OSError:
        pass
s = socket.create_server(("::", int(sys.argv[2])), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
print("listening", flush=True)
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
`;

/** Prints the server's name, then a line for each block that came back: CLOCK_REALTIME in ms. */
const connect = `
import socket, sys, time
try:
    c = socket.create_connection((sys.argv[2], int(sys.argv[3])), timeout=20, source_address=(sys.argv[1], 0))
    f = c.makefile("rb")
    print(f.readline().decode().strip(), flush=True)
    n = 0
    while True:
        n += 1
        block = n.to_bytes(8, "big") * 500
        c.sendall(block)
        if f.read(len(block)) != block:
            raise OSError("the server has closed, or sent something else")
        print("at %.3f" % (time.time() * 1000), flush=True)
        time.sleep(0.005)
except OSError as error:
    print("error: %s" % error, flush=True)
`;

/** Listens on every address of a host, those that come later too; ends with the host. */
export async function serveEcho(host: Host, name: string): Promise<void> {
    const server = host.spawn(["python3", "-c", echo, name, port], {logName: "echo"});
    await waitFor(
        "the server to listen",
        10_000,
        () => (server.log().includes("listening") ? true : undefined),
        () => server.log(),
    );
}

export class Flow {
    readonly #process: HostProcess;
    readonly #from: number;

    private constructor(process: HostProcess) {
        this.#process = process;
        this.#from = process.log().length;
    }

    /** Connects from `source`, an address of the host, to a server, and has the first block back. */
    static async open(host: Host, source: string, target: string, name: string): Promise<Flow> {
        const argv = ["python3", "-c", connect, source, target, port];
        const flow = new Flow(host.spawn(argv, {logName: `flow-${name}`}));
        await waitFor(
            `a flow from ${source} to ${target}`,
            10_000,
            () => (flow.blocks().length > 0 ? true : undefined),
            () => flow.#log(),
        );
        return flow;
    }

    #log(): string {
        return this.#process.log().slice(this.#from);
    }

    /** The name of the host that serves it. */
    get server(): string {
        return this.#log().split("\n")[0] ?? "";
    }

    /** "" while the connection lives. */
    get error(): string {
        return /^error: (.*)$/m.exec(this.#log())?.[1] ?? "";
    }

    /** When each block was back, milliseconds since 1970. */
    blocks(): readonly number[] {
        return [...this.#log().matchAll(/^at (\S+)$/gm)].map(([, at]) => Number(at));
    }

    /** Resolves when `count` more blocks have come back. */
    async advances(count = 5, deadlineMs = 8000): Promise<void> {
        const from = this.blocks().length;
        await waitFor(
            `${count} more blocks of ${this.#process.argv.slice(3).join(" ")}`,
            deadlineMs,
            () => (this.blocks().length >= from + count ? true : undefined),
            () => `${this.blocks().length - from} blocks; ${this.error}`,
        );
    }

    /** The longest time without a block since `fromMs`, until now or until the flow was closed. */
    longestGapMs(fromMs = 0): number {
        const at = this.blocks().filter((ms) => ms >= fromMs);
        return at.reduce((most, ms, i) => Math.max(most, ms - (at[i - 1] ?? ms)), 0);
    }

    async close(): Promise<void> {
        await this.#process.kill("SIGKILL");
    }
}
