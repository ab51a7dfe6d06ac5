// Builds the addon and the janitor with node-gyp. Run by `npm ci` (argument: install) and before
// every `npm start` and `npm test`, when a source is newer than what was built.
//
// node-gyp would download Node's headers. Most installations bring them along, beside the program,
// so they are taken from there; only without them is node-gyp left to its own ways.
import {spawnSync} from "node:child_process";
import {existsSync, readdirSync, statSync} from "node:fs";
import {createRequire} from "node:module";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const outputs = ["carp.node", "carp-janitor"].map((name) => join(root, "build/Release", name));

function newest(folder) {
    let latest = 0;
    for (const entry of readdirSync(folder, {withFileTypes: true})) {
        const path = join(folder, entry.name);
        latest = Math.max(latest, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs);
    }
    return latest;
}

function isCurrent() {
    if (!outputs.every((path) => existsSync(path))) return false;
    const built = Math.min(...outputs.map((path) => statSync(path).mtimeMs));
    const sources = Math.max(
        newest(join(root, "native")),
        statSync(join(root, "binding.gyp")).mtimeMs,
    );
    return built > sources;
}

function fail(message) {
    process.stderr.write(`carpd: ${message}\n`);
    process.exit(1);
}

function run(args, options = {}) {
    const result = spawnSync(process.execPath, args, {cwd: root, encoding: "utf8", ...options});
    if (result.error !== undefined) fail(`cannot run node-gyp: ${result.error.message}`);
    return result;
}

function build() {
    for (const tool of ["g++", "make", "python3"]) {
        const found = spawnSync(tool, ["--version"], {stdio: "ignore"});
        if (found.error !== undefined) {
            fail(
                `${tool} is needed to build the addon; on Debian: apt-get install g++ make python3`,
            );
        }
    }
    const gyp = createRequire(import.meta.url).resolve("node-gyp/bin/node-gyp.js");
    const headers = join(dirname(process.execPath), "..");
    const args = [gyp, existsSync(join(root, "build/Makefile")) ? "build" : "rebuild"];
    // New files in a folder are seen by configure only.
    if (args[1] === "build") args.splice(1, 1, "configure", "build");
    if (existsSync(join(headers, "include/node/node_api.h"))) args.push(`--nodedir=${headers}`);
    const jobs = process.env.JOBS ?? "2";
    const env = {...process.env, JOBS: jobs};
    const result = run(args, {env});
    if (result.status === 0) return;
    process.stderr.write(result.stdout + result.stderr);
    fail("the addon could not be built; the compiler's words are above");
}

function format() {
    const files = [];
    const collect = (folder) => {
        for (const entry of readdirSync(folder, {withFileTypes: true})) {
            const path = join(folder, entry.name);
            if (entry.isDirectory()) collect(path);
            else if (/\.(cc|h)$/.test(entry.name)) files.push(path);
        }
    };
    for (const folder of ["native", "test"]) collect(join(root, folder));
    const result = spawnSync("clang-format", ["-i", ...files], {stdio: "inherit"});
    if (result.error !== undefined) fail("clang-format is not installed; the C++ files were left");
}

const command = process.argv[2];
if (command === "format") {
    format();
} else if (command !== undefined && command !== "install") {
    fail(`unknown argument ${command}; expected none, install or format`);
} else if (command === undefined && !existsSync(join(root, "node_modules/typescript"))) {
    fail(
        "TypeScript is not installed; run npm ci --include=dev (NODE_ENV=production leaves it out)",
    );
} else if (!isCurrent()) {
    process.stdout.write("carpd: building the addon (about a minute the first time)\n");
    build();
}
