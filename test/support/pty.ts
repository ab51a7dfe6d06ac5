/**
 * A pseudo terminal as a person's terminal: types, and waits for what is to be read. Python's pty
 * module opens it, because node has none; python is there wherever the addon is built.
 */
import assert from "node:assert/strict";
import {type ChildProcessWithoutNullStreams, spawn} from "node:child_process";
import {once} from "node:events";
import type {TestContext} from "node:test";

/** Without arguments: opens a pair and says the slave's path. With: runs a program on the slave. */
const relay = `
import os, pty, select, sys, tty, fcntl, struct, termios
argv = sys.argv[1:]
if argv:
    pid, master = pty.fork()
    if pid == 0:
        os.execvp(argv[0], argv)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    sys.stderr.write("running\\n")
else:
    pid = 0
    master, slave = pty.openpty()
    tty.setraw(slave)
    sys.stderr.write(os.ttyname(slave) + "\\n")
sys.stderr.flush()
while True:
    ready, _, _ = select.select([0, master], [], [])
    if 0 in ready:
        data = os.read(0, 65536)
        if not data:
            break
        while data:
            data = data[os.write(master, data):]
    if master in ready:
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        while data:
            data = data[os.write(1, data):]
if pid:
    os.close(master)
    _, status = os.waitpid(pid, 0)
    sys.exit(os.waitstatus_to_exitcode(status))
`;

export class Pty {
    /** The slave: "/dev/pts/7"; "running" with a program. */
    readonly path: string;
    readonly #child: ChildProcessWithoutNullStreams;
    /** All that was read so far. */
    text = "";
    #from = 0;

    constructor(child: ChildProcessWithoutNullStreams, path: string) {
        this.path = path;
        this.#child = child;
        // Typing to a program that has ended: the next wait says what is missing.
        child.stdin.on("error", () => undefined);
        child.stdout.on("data", (chunk: Buffer) => {
            this.text += chunk.toString("latin1");
        });
    }

    type(text: string | Uint8Array): void {
        this.#child.stdin.write(text);
    }

    /** All that was typed is on its way. */
    async taken(limitMs = 30_000): Promise<void> {
        const end = performance.now() + limitMs;
        while (this.#child.stdin.writableLength > 0) {
            assert.ok(performance.now() < end, "what is typed is not taken");
            await new Promise((resolve) => {
                setTimeout(resolve, 5);
            });
        }
    }

    /** A terminal that takes nothing more. */
    stopReading(): void {
        this.#child.stdout.pause();
    }

    readAgain(): void {
        this.#child.stdout.resume();
    }

    /** What was read up to now is not looked at again. */
    forget(): void {
        this.#from = this.text.length;
    }

    /** What was read since the last call, up to and with `what`. */
    async until(what: string | RegExp, limitMs = 10_000): Promise<string> {
        const end = performance.now() + limitMs;
        for (;;) {
            const rest = this.text.slice(this.#from);
            const at = typeof what === "string" ? rest.indexOf(what) : rest.search(what);
            if (at >= 0) {
                const length =
                    typeof what === "string" ? what.length : (what.exec(rest)?.[0].length ?? 0);
                this.#from += at + length;
                return rest.slice(0, at + length);
            }
            assert.ok(performance.now() < end, `no ${String(what)} in ${JSON.stringify(rest)}`);
            await new Promise((resolve) => {
                setTimeout(resolve, 5);
            });
        }
    }

    /** Hangs up. */
    async close(): Promise<void> {
        if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
        const gone = once(this.#child, "exit");
        this.#child.kill("SIGKILL");
        await gone;
    }

    /** The exit code of the program. */
    async ended(): Promise<number | null> {
        if (this.#child.exitCode === null) await once(this.#child, "exit");
        return this.#child.exitCode;
    }
}

/** `command`: a program that runs on it, as on the terminal of a log-in. */
export async function openPty(t: TestContext, ...command: string[]): Promise<Pty> {
    const child = spawn("python3", ["-c", relay, ...command], {stdio: "pipe"});
    const [line] = await once(child.stderr, "data");
    const pty = new Pty(child, String(line).trim());
    t.after(() => pty.close());
    return pty;
}
