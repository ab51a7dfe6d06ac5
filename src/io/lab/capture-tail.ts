/** Reads a capture while somebody else writes it. Main thread of the lab. */
import {closeSync, openSync, readSync} from "node:fs";
import {type Heard, hear, PcapReader} from "../../core/lab/capture.ts";

const pieceOctets = 1024 * 1024;

export class CaptureTail {
    readonly #file: number;
    readonly #reader = new PcapReader();
    readonly #piece = Buffer.alloc(pieceOctets);

    /** The file exists. */
    constructor(path: string) {
        this.#file = openSync(path, "r");
    }

    /** What has come since the last call. */
    read(): readonly Heard[] {
        const heard: Heard[] = [];
        for (;;) {
            const length = readSync(this.#file, this.#piece);
            if (length === 0) return heard;
            for (const frame of this.#reader.push(this.#piece.subarray(0, length))) {
                const something = hear(frame);
                if (something !== null) heard.push(something);
            }
        }
    }

    close(): void {
        closeSync(this.#file);
    }
}
