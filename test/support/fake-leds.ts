/**
 * A folder that looks like /sys/class/leds to a program: files that keep what is written. What the
 * kernel makes of it has to be tested with a kernel (test/image).
 */
import {execFileSync} from "node:child_process";
import {
    closeSync,
    constants,
    mkdirSync,
    openSync,
    readFileSync,
    rmSync,
    statSync,
    writeFileSync,
} from "node:fs";
import {join} from "node:path";

const triggers = "none [none] timer pattern netdev panic";
const attributes = ["delay_on", "delay_off", "pattern", "repeat", "device_name", "link"];

export class FakeLeds {
    readonly root: string;

    /** `root` must not exist yet. */
    constructor(root: string) {
        this.root = root;
        mkdirSync(root, {recursive: true});
    }

    /** `components`: of a multicolor LED, "red green blue". */
    add(name: string, components = "", files: readonly string[] = attributes): void {
        const folder = join(this.root, name);
        mkdirSync(folder);
        const write = (file: string, text: string): void => {
            writeFileSync(join(folder, file), `${text}\n`);
        };
        write("max_brightness", "255");
        write("brightness", "0");
        write("trigger", triggers.replace("none ", ""));
        for (const file of files) write(file, "");
        if (components === "") return;
        write("multi_index", components);
        write("multi_intensity", components.replaceAll(/\S+/gu, "0"));
    }

    /** Its driver is unloaded. */
    remove(name: string): void {
        rmSync(join(this.root, name), {recursive: true});
    }

    path(name: string, file: string): string {
        return join(this.root, name, file);
    }

    read(name: string, file: string): string {
        return readFileSync(this.path(name, file), "utf8").trim();
    }

    write(name: string, file: string, text: string): void {
        writeFileSync(this.path(name, file), `${text}\n`);
    }

    /** When a file was written last, nanoseconds. */
    writtenAt(name: string, file: string): bigint {
        return statSync(this.path(name, file), {bigint: true}).mtimeNs;
    }

    /** What is shown: the trigger and what belongs to it, as text. */
    shown(name: string): string {
        const trigger = this.read(name, "trigger");
        const files: Readonly<Record<string, readonly string[]>> = {
            none: ["brightness"],
            timer: ["delay_on", "delay_off"],
            pattern: ["pattern", "repeat"],
            netdev: ["device_name", "link"],
        };
        const texts = (files[trigger] ?? []).map((file) => this.read(name, file));
        return [trigger, ...texts].join(" ");
    }

    /** From now on a write to this file does not return, until `release`. */
    hang(name: string, file: string): void {
        rmSync(this.path(name, file));
        execFileSync("mkfifo", [this.path(name, file)]);
    }

    /** The writes that hang return, and the file is an ordinary one again. */
    release(name: string, file: string): void {
        const path = this.path(name, file);
        const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
        rmSync(path);
        writeFileSync(path, "");
        closeSync(reader);
    }
}
