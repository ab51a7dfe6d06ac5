/** Builds the benchmark's own C++ programs into build-test/bench, and runs them in hosts. */
import {mkdirSync} from "node:fs";
import {join, resolve} from "node:path";
import type {Host} from "../../src/io/lab/namespaces.ts";
import {projectRoot} from "../../src/io/version.ts";
import {run} from "../support/command.ts";

/**
 * Compiles `test/bench/NAME.cc` with `more` sources of the project and returns the program's path;
 * throws with the first line that the compiler said.
 */
export async function buildProgram(
    name: string,
    more: {readonly sources?: readonly string[]; readonly libraries?: readonly string[]} = {},
): Promise<string> {
    const root = projectRoot();
    const folder = join(root, "build-test/bench");
    const program = join(folder, name);
    mkdirSync(folder, {recursive: true});
    // Headers of node's libcrypto, the system's library: as in test/native/Makefile.
    const headers = resolve(process.execPath, "../../include/node");
    const sources = [`test/bench/${name}.cc`, ...(more.sources ?? [])];
    const {code, output} = await run([
        ...["g++", "-std=c++20", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"],
        ...["-fno-exceptions", "-fno-rtti", "-isystem", headers, "-I", join(root, "native")],
        ...["-o", program, ...sources.map((path) => join(root, path)), ...(more.libraries ?? [])],
    ]);
    if (code !== 0) throw new Error(`g++: exit ${code}: ${output.trim().split("\n")[0] ?? ""}`);
    return program;
}

/** Runs a program in a host to its end, at most 10 s; returns what it printed. */
export function runIn(host: Host, argv: readonly string[]): string {
    const {status, stdout, stderr} = host.run(argv);
    if (status !== 0) {
        throw new Error(`${argv.join(" ")} in ${host.name}: exit ${status}: ${stderr.trim()}`);
    }
    return stdout;
}
