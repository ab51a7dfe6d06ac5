/**
 * What a build shows: one line per finished stage with its time, and on a terminal a bar while a
 * stage runs.
 */
export interface Screen {
    write(text: string): void;
    readonly isTTY: boolean;
    readonly columns: number;
}

/** What a stage says for itself at the end of its line, such as "from the cache". */
export interface Remarks {
    note(text: string): void;
}

const barWidth = 24;

/** Pure: the line of a running build. Never longer than the terminal. */
export function barLine(
    done: number,
    planned: number,
    name: string,
    seconds: number,
    columns: number,
): string {
    const filled = Math.round((barWidth * done) / Math.max(planned, 1));
    const bar = "#".repeat(filled) + "-".repeat(barWidth - filled);
    return `[${bar}] ${done}/${planned} ${name} ${seconds.toFixed(0)} s`.slice(0, columns - 1);
}

export class Stages {
    private readonly screen: Screen;
    private readonly planned: number;
    private readonly began = performance.now();
    private done = 0;

    constructor(screen: Screen, planned: number) {
        this.screen = screen;
        this.planned = planned;
    }

    async run<T>(name: string, work: (remarks: Remarks) => Promise<T>): Promise<T> {
        const began = performance.now();
        const seconds = (): number => (performance.now() - began) / 1000;
        let remark = "";
        const draw = (): void => {
            const {columns} = this.screen;
            const line = barLine(this.done, this.planned, name, seconds(), columns);
            this.screen.write(`\r\u001b[K${line}`);
        };
        const timer = this.screen.isTTY ? setInterval(draw, 250) : null;
        if (this.screen.isTTY) draw();
        try {
            const value = await work({
                note: (text) => {
                    remark = text;
                },
            });
            this.done += 1;
            this.line(`${name.padEnd(24)} ${seconds().toFixed(1).padStart(6)} s  ${remark}`);
            return value;
        } catch (error) {
            this.line(`${name.padEnd(24)} ${seconds().toFixed(1).padStart(6)} s  FAILED`);
            throw error;
        } finally {
            if (timer !== null) clearInterval(timer);
        }
    }

    finish(): void {
        const seconds = (performance.now() - this.began) / 1000;
        this.line(`${"in all".padEnd(24)} ${seconds.toFixed(1).padStart(6)} s`);
    }

    private line(text: string): void {
        this.screen.write(`${this.screen.isTTY ? "\r\u001b[K" : ""}${text.trimEnd()}\n`);
    }
}
