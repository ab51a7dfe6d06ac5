/**
 * The buttons of the panel: reads /dev/input/event*. carp-panel's main thread.
 *
 * The devices are read without waiting, ten times a second: a read that waits would hold one of the
 * four threads that node has for files, for each device and for ever.
 */
import {closeSync, constants, openSync, readdirSync, readFileSync, readSync} from "node:fs";
import {type ButtonInput, decodeInput, keyCodes} from "../core/buttons.ts";
import {codeOf} from "./system-error.ts";

const pollMs = 100;
/** From one look for new devices to the next. */
const scanMs = 5000;
const bufferOctets = 24 * 64;

export interface ButtonRule {
    /** The name of the input device; "": any. */
    readonly input: string;
    /** "KEY_RESTART" */
    readonly code: string;
}

export interface InputOptions {
    /** "/dev/input" */
    readonly folder: string;
    /** Where the names of the devices are: "/sys/class/input". */
    readonly names: string;
    readonly rule: ButtonRule;
    readonly heard: (input: Exclude<ButtonInput, "tick">) => void;
    readonly warn: (text: string) => void;
}

/** Devices that were opened and read. */
export class InputKeys {
    readonly #options: InputOptions;
    readonly #code: number;
    readonly #files = new Map<string, number>();
    readonly #refused = new Set<string>();
    readonly #buffer = new Uint8Array(bufferOctets);
    readonly #long: 4 | 8 = ["arm", "ia32", "mipsel"].includes(process.arch) ? 4 : 8;
    #timer: NodeJS.Timeout | null = null;
    #untilScan = 0;

    constructor(options: InputOptions) {
        this.#options = options;
        this.#code = keyCodes[options.rule.code] ?? -1;
        if (this.#code < 0) options.warn(`the key ${options.rule.code} is not known`);
    }

    /** The names of the devices that are read. */
    get devices(): readonly string[] {
        return [...this.#files.keys()];
    }

    start(): void {
        this.#scan();
        this.#timer = setInterval(() => this.#turn(), pollMs);
    }

    stop(): void {
        if (this.#timer !== null) clearInterval(this.#timer);
        this.#timer = null;
        for (const name of this.devices) this.#close(name);
    }

    #turn(): void {
        this.#untilScan -= pollMs;
        if (this.#untilScan <= 0) this.#scan();
        for (const [name, file] of this.#files) this.#read(name, file);
    }

    #scan(): void {
        this.#untilScan = scanMs;
        const {folder} = this.#options;
        let found: string[] = [];
        try {
            found = readdirSync(folder).filter((name) => /^event\d+$/u.test(name));
        } catch (error) {
            // A machine without input devices has no folder either; one may come.
            if (codeOf(error) !== "ENOENT") this.#refuse(folder, folder, error);
        }
        for (const name of found) if (!this.#files.has(name) && this.#meant(name)) this.#open(name);
    }

    #meant(name: string): boolean {
        const {names, rule} = this.#options;
        if (rule.input === "") return true;
        try {
            return readFileSync(`${names}/${name}/device/name`, "utf8").trim() === rule.input;
        } catch {
            // No device of this kernel: a stand-in.
            return true;
        }
    }

    #open(name: string): void {
        const path = `${this.#options.folder}/${name}`;
        try {
            const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
            this.#files.set(name, openSync(path, flags));
            this.#refused.delete(name);
        } catch (error) {
            this.#refuse(name, path, error);
        }
    }

    /** Said once. */
    #refuse(name: string, path: string, error: unknown): void {
        if (this.#refused.has(name)) return;
        this.#refused.add(name);
        this.#options.warn(`${path} cannot be read: ${codeOf(error)}`);
    }

    #read(name: string, file: number): void {
        try {
            const count = readSync(file, this.#buffer, 0, bufferOctets, null);
            for (const event of decodeInput(this.#buffer.subarray(0, count), this.#long)) {
                if (event === "dropped") this.#options.heard("lost");
                else if (event.code !== this.#code) continue;
                else if (event.value === 1) this.#options.heard("press");
                else if (event.value === 0) this.#options.heard("release");
            }
        } catch (error) {
            if (codeOf(error) === "EAGAIN") return;
            this.#close(name);
            this.#options.heard("lost");
        }
    }

    #close(name: string): void {
        const file = this.#files.get(name);
        this.#files.delete(name);
        if (file !== undefined) closeSync(file);
    }
}
