/** The tty that a program was started on: raw while a shell runs, as it was afterwards. */
import type {ReadStream, WriteStream} from "node:tty";

export interface RawTerminal {
    /** As the kernel knows it; absent: to be asked for. */
    readonly size?: {readonly columns: number; readonly rows: number};
    readonly restore: () => void;
}

type Input = NodeJS.ReadStream | ReadStream;
type Output = NodeJS.WriteStream | WriteStream;

/** Keys come one by one and without an echo; what is no tty is left as it is. */
export function rawTerminal(input: Input, output: Output): RawTerminal {
    const raw = input.isTTY === true;
    if (raw) input.setRawMode(true);
    const restore = (): void => {
        if (raw) input.setRawMode(false);
    };
    process.once("exit", restore);
    const {columns = 0, rows = 0} = output;
    return columns >= 20 && rows >= 5 ? {size: {columns, rows}, restore} : {restore};
}
