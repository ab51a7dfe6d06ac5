/**
 * Makes QEMU's `virt` machine look like a real arm board to the kernel: the board's compatible
 * string, its LEDs on three lines of the machine's own GPIO chip (a PL061), and its reset button
 * where `virt` has its power button. Pure but for the two programs that read and write device trees.
 */
import {spawnSync} from "node:child_process";
import {readFileSync, writeFileSync} from "node:fs";
import {join} from "node:path";

export interface ImitatedBoard {
    /** First of the root's compatible strings; the machine's own stays behind it. */
    readonly compatible: string;
    readonly model: string;
    /** LED names and the lines of the PL061 (0..7) that they hang on; active high. */
    readonly leds: readonly {readonly name: string; readonly line: number}[];
    /** Linux input code that QMP `system_powerdown` presses for 0.1 s: 0x198 is KEY_RESTART. */
    readonly button: number;
}

/** KEY_RESTART of linux/input-event-codes.h. */
export const keyRestart = 0x198;

/** Writes the device tree for the machine that `qemu` (program and arguments) would be; its path. */
export function imitate(qemu: readonly string[], board: ImitatedBoard, folder: string): string {
    const plain = join(folder, "virt.dtb");
    const [program = "", ...rest] = qemu;
    run(program, [...rest, "-machine", `dumpdtb=${plain}`]);
    const source = join(folder, "board.dts");
    run("dtc", ["-q", "-I", "dtb", "-O", "dts", "-o", source, plain]);
    writeFileSync(source, imitation(readFileSync(source, "utf8"), board));
    const tree = join(folder, "board.dtb");
    run("dtc", ["-q", "-I", "dts", "-O", "dtb", "-o", tree, source]);
    return tree;
}

/** The source of `virt`'s tree with the board's nodes. Throws when QEMU's tree has changed. */
export function imitation(source: string, board: ImitatedBoard): string {
    const chip = /pl061@[0-9a-f]+ \{\s*phandle = <(0x[0-9a-f]+)>;/u.exec(source)?.[1];
    if (chip === undefined) throw new Error("the machine's device tree has no PL061");
    const leds = board.leds.map(
        ({name, line}) =>
            `\t\tled-${line} {\n\t\t\tlabel = "${name}";\n\t\t\tgpios = <${chip} ${line} 0>;\n\t\t};\n`,
    );
    const node = `\tleds {\n\t\tcompatible = "gpio-leds";\n${leds.join("")}\t};\n\n`;
    let text = replaced(
        source,
        /^(\s*)compatible = ("linux,dummy-virt");/mu,
        (_, space, own) => `${space}compatible = "${board.compatible}", ${own};`,
    );
    text = replaced(text, /model = "linux,dummy-virt";/u, () => `model = "${board.model}";`);
    text = replaced(text, /linux,code = <0x74>;/u, () => `linux,code = <${board.button}>;`);
    return replaced(text, /^\tgpio-keys \{/mu, (all) => `${node}${all}`);
}

function replaced(text: string, what: RegExp, by: (...groups: string[]) => string): string {
    if (!what.test(text)) throw new Error(`the machine's device tree has no ${what.source}`);
    return text.replace(what, by);
}

function run(program: string, args: readonly string[]): void {
    const {status, stderr, error} = spawnSync(program, args, {encoding: "utf8"});
    if (status !== 0) throw new Error(`${program}: ${error?.message ?? stderr}`);
}
