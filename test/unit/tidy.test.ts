/**
 * The rules of the house, held against the source tree: who may include and import whom, what the
 * pure parts may not touch, how long a file may be, which words do not belong in one.
 *
 * Each rule is a function over (path, text), and each is first shown something that it must refuse:
 * a rule that sees nothing would pass everything.
 */
import assert from "node:assert/strict";
import {existsSync, readdirSync, readFileSync, statSync} from "node:fs";
import {dirname, join, normalize} from "node:path";
import {test} from "node:test";

const root = join(import.meta.dirname, "../../..");

/** What is wrong with a file; empty: nothing. */
type Rule = (path: string, text: string) => readonly string[];

// ---- the tree ----

const skippedFolders = /^(node_modules|dist|build|build-image|build-test|\.git|\.claude)(\/|$)/;
const binary = /\.(pcap|png|node)$|^test\/fuzz\/corpus\/|^test\/vectors\/.*\.pcap$/;

function walk(folder: string): readonly string[] {
    return readdirSync(join(root, folder), {withFileTypes: true}).flatMap((entry) => {
        const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
        if (skippedFolders.test(path) || entry.isSymbolicLink()) return [];
        return entry.isDirectory() ? walk(path) : [path];
    });
}

const files = walk("")
    .filter((path) => !binary.test(path))
    .sort();
const textOf = (path: string) => readFileSync(join(root, path), "utf8");

function problems(rule: Rule, select: (path: string) => boolean): readonly string[] {
    const selected = files.filter(select);
    return selected.flatMap((path) => rule(path, textOf(path)).map((what) => `${path}: ${what}`));
}

function holds(
    name: string,
    rule: Rule,
    select: (path: string) => boolean,
    refused: readonly [path: string, text: string],
): void {
    test(name, () => {
        assert.notDeepEqual(rule(...refused), [], "the rule sees nothing");
        assert.deepEqual(problems(rule, select), []);
    });
}

function matches(text: string, pattern: RegExp): readonly string[] {
    return [...text.matchAll(pattern)].map((match) => match[1] ?? match[0]);
}

// ---- native: includes ----

/** Headers of the language: no system, no socket, no clock of its own behind them. */
const pureHeaders = new Set(
    `algorithm array bit chrono compare cstddef cstdint cstdio cstdlib cstring deque functional
     initializer_list iterator limits map memory numeric optional queue set span string string_view
     tuple type_traits utility variant vector`.split(/\s+/),
);

interface Layer {
    /** Folders of native/ that it may include from, or single headers. */
    readonly own: readonly string[];
    /** Which <headers>. */
    readonly system: (header: string) => boolean;
}

const isPure = (header: string) => pureHeaders.has(header);
const isNapi = (header: string) => /^(napi|node_api|node|v8|uv)/.test(header);
const anyButNapi = (header: string) => !isNapi(header) && !header.startsWith("openssl/");

const layers: Readonly<Record<string, Layer>> = {
    wire: {own: ["wire/"], system: (header) => isPure(header) || header.startsWith("openssl/")},
    core: {own: ["core/", "wire/"], system: isPure},
    sim: {own: ["sim/", "core/", "wire/"], system: isPure},
    sys: {own: ["sys/", "wire/", "core/time.h"], system: anyButNapi},
    engine: {own: ["engine/", "core/", "sys/", "wire/"], system: anyButNapi},
    binding: {
        own: ["binding/", "engine/", "sim/", "core/", "sys/", "wire/"],
        system: (header) => header === "napi.h" || anyButNapi(header),
    },
};

const includes: Rule = (path, text) => {
    const layer = layers[path.split("/")[1] ?? ""];
    if (layer === undefined) return ["is in no layer"];
    const own = matches(text, /^\s*#\s*include\s+"([^"]+)"/gm)
        .filter((header) => !layer.own.some((allowed) => header.startsWith(allowed)))
        .map((header) => `must not include "${header}"`);
    const system = matches(text, /^\s*#\s*include\s+<([^>]+)>/gm)
        .filter((header) => !layer.system(header))
        .map((header) => `must not include <${header}>`);
    return [...own, ...system];
};

const isNative = (path: string) => /^native\/.*\.(cc|h)$/.test(path);

holds("native layers include only what is below them", includes, isNative, [
    "native/core/host.cc",
    '#include "sys/clock.h"\n#include <sys/socket.h>\n',
]);

test("the rule of the layers knows each direction that is forbidden", () => {
    const forbidden: readonly [string, string][] = [
        ["wire", '"core/time.h"'],
        ["wire", "<unistd.h>"],
        ["core", "<thread>"],
        ["core", "<openssl/sha.h>"],
        ["core", '"../sys/clock.h"'],
        ["sim", '"sys/clock.h"'],
        ["sys", '"core/host.h"'],
        ["sys", "<napi.h>"],
        ["engine", "<napi.h>"],
        ["engine", '"binding/convert.h"'],
        ["binding", "<uv.h>"],
    ];
    for (const [layer, header] of forbidden) {
        const found = includes(`native/${layer}/x.cc`, `#include ${header}\n`);
        assert.equal(found.length, 1, `${layer} includes ${header}`);
    }
});

const impureNative: Rule = (_path, text) =>
    matches(
        withoutComments(text),
        /\b(\w*_clock::now|clock_gettime|gettimeofday|time\(|usleep|nanosleep|getenv|std::cout|std::cerr|printf\(|malloc\(|new \w+[[({])/g,
    )
        .filter((name) => name !== "printf(" || /[^n]printf\(/.test(text))
        .map((name) => `must not use ${name}`);

holds(
    "wire and core read no clock, log nothing and allocate by no hand",
    impureNative,
    // check.h says the last words of a process that found a bug.
    (path) => /^native\/(wire|core)\/.*\.(cc|h)$/.test(path) && path !== "native/core/check.h",
    ["native/core/host.cc", "const auto now = std::chrono::steady_clock::now();"],
);

holds(
    "native sources throw nothing",
    (_path, text) => matches(withoutComments(text), /\b(throw\b|catch \(|dynamic_cast)/g),
    (path) => isNative(path),
    ["native/core/host.cc", "throw 1;"],
);

holds(
    "headers are guarded by #pragma once",
    (_path, text) => (/^#pragma once$/m.test(text) ? [] : ["has no #pragma once"]),
    (path) => path.endsWith(".h"),
    ["native/core/host.h", "int x;"],
);

// ---- src: imports ----

/** Packages without input or output of their own. */
const purePackages = new Set([
    "@decimalturn/toml-patch",
    "ip-address",
    "toml-eslint-parser",
    "valibot",
]);

function importsOf(text: string): readonly {readonly from: string; readonly type: boolean}[] {
    const found = text.matchAll(
        /\b(import|export)\s+(type\s+)?(?:[\w*{}\s,$]+?\s+from\s+)?"([^"]+)"|\bimport\("([^"]+)"\)/g,
    );
    return [...found].map((match) => ({
        from: match[3] ?? match[4] ?? "",
        type: match[2] !== undefined,
    }));
}

const imports: Rule = (path, text) => {
    const folder = path.split("/")[1] ?? "";
    return importsOf(text).flatMap(({from, type}) => {
        const no = [`must not import ${from}`];
        if (!from.startsWith(".")) {
            if (folder === "core") return purePackages.has(from) ? [] : no;
            if (folder !== "app") return [];
            // Arguments and text: no device behind it.
            return purePackages.has(from) || from === "node:util" ? [] : no;
        }
        const target = normalize(join(dirname(path), from)).split("/");
        if (target[0] === "board" || target[0] === "test") return no;
        if (target[0] !== "src") return [];
        if (folder === "core") return target[1] === "core" ? [] : no;
        if (folder === "app") return target[1] === "core" || target[1] === "app" ? [] : no;
        // An adapter may know the interface that it fills.
        if (folder === "io" && target[1] === "app") return type ? [] : no;
        // The programs are the top: nothing below imports one.
        return folder === "io" && target.length === 2 ? no : [];
    });
};

const isSource = (path: string) => /^src\/.*\.ts$/.test(path);

holds("src imports only downwards", imports, isSource, [
    "src/core/config.ts",
    'import {readFileSync} from "node:fs";\n',
]);

test("the rule of the imports knows each direction that is forbidden", () => {
    const forbidden: readonly [string, string][] = [
        ["src/core/x.ts", 'import type {Stats} from "node:fs";'],
        ["src/core/x.ts", 'import {\n    a,\n    b,\n} from "../io/addon.ts";'],
        ["src/core/x.ts", 'export * from "../app/daemon.ts";'],
        ["src/core/x.ts", 'const x = await import("node:os");'],
        ["src/core/lab/x.ts", 'import "serialport";'],
        ["src/app/x.ts", 'import {a} from "../io/addon.ts";'],
        ["src/app/x.ts", 'import {a} from "node:child_process";'],
        ["src/app/x.ts", 'import {a} from "../../test/support/netns.ts";'],
        ["src/io/x.ts", 'import {a} from "../app/daemon.ts";'],
        ["src/io/x.ts", 'import {a} from "../carpd.ts";'],
    ];
    for (const [path, text] of forbidden) {
        assert.equal(imports(path, text).length, 1, `${path}: ${text}`);
    }
});

function withoutComments(text: string): string {
    return text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|\s)\/\/.*$/gm, "$1");
}

holds(
    "src/core knows no clock, no timer and no process",
    (_path, text) =>
        matches(
            withoutComments(text),
            /\b(Date\.now|new Date\(\)|setTimeout|setInterval|setImmediate|queueMicrotask|performance\.now|Math\.random|process\.|globalThis|console\.|fetch\()/g,
        ),
    (path) => path.startsWith("src/core/"),
    ["src/core/next.ts", "const now = Date.now();"],
);

// ---- board ----

holds(
    "board/ takes nothing from src",
    (_path, text) => matches(text, /(?:from|import|require\()\s*\(?"([^"]*\bsrc\/[^"]*)"/g),
    (path) => path.startsWith("board/"),
    ["board/image/make.mjs", 'import {a} from "../../src/core/config.ts";'],
);

// ---- every file ----

const isCode = (path: string) => /\.(ts|mjs|cc|h)$/.test(path);

holds(
    "no file is longer than 500 lines",
    (_path, text) => {
        const lines = text.split("\n").length - 1;
        return lines > 500 ? [`has ${lines} lines`] : [];
    },
    isCode,
    ["src/core/config.ts", "\n".repeat(501)],
);

holds(
    "each file opens with what it is",
    (_path, text) => {
        const first = text.replace(/^#!.*\n/, "");
        // A .cc file may leave the word to its header, which it then includes first.
        return /^(\/\/|\/\*|#include "[\w/]+\.h")/.test(first) ? [] : ["begins without a comment"];
    },
    isCode,
    ["src/core/config.ts", 'import {a} from "./b.ts";'],
);

// Put together here so that this file does not hold them.
const forbiddenWords = new RegExp(
    `\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|")})\\b`,
    "gi",
);

holds(
    "no notes to self",
    (_path, text) => matches(text, forbiddenWords).map((word) => `holds ${word}`),
    (path) => path !== "package-lock.json",
    ["src/core/config.ts", `// ${"TO" + "DO"}: later`],
);

// A path of one machine: a home folder, a scratch folder of a build.
const machinePath = /(?<![\w.])(\/(?:home|Users|root|work|workspace)\/[\w.-]+)/g;

holds(
    "no path of one machine",
    (_path, text) => matches(text, machinePath),
    (path) => path !== "package-lock.json",
    ["test/run.ts", `"${"/ho"}me/somebody/carpd"`],
);

holds(
    "no blank at the end of a line, no tab but in a Makefile, a line feed at the end",
    (path, text) => [
        ...(/[ \t]+$/m.test(text) ? ["blanks at the end of a line"] : []),
        ...(/\t/.test(text) && !path.endsWith("Makefile") ? ["a tab"] : []),
        ...(text !== "" && !text.endsWith("\n") ? ["no line feed at the end"] : []),
        ...(/\r/.test(text) ? ["a carriage return"] : []),
    ],
    (path) => isCode(path) || path.endsWith(".md") || path.endsWith(".json"),
    ["README.md", "a \n"],
);

// ---- documents ----

function anchorsOf(text: string): ReadonlySet<string> {
    const headings = matches(text, /^#{1,6} +(.*)$/gm);
    return new Set(
        headings.map((heading) =>
            heading
                .toLowerCase()
                .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
                .trim()
                .replaceAll(" ", "-"),
        ),
    );
}

const links: Rule = (path, text) => {
    const outside = text.replaceAll(/```[\s\S]*?```/g, "");
    return matches(outside, /\]\(([^)\s]+)\)/g).flatMap((link) => {
        if (/^[a-z]+:/.test(link)) return [];
        const [file = "", anchor] = link.split("#");
        const target = file === "" ? path : normalize(join(dirname(path), file));
        if (!existsSync(join(root, target))) return [`links to ${link}, which is not there`];
        if (anchor === undefined || statSync(join(root, target)).isDirectory()) return [];
        const headings = file === "" ? anchorsOf(text) : anchorsOf(textOf(target));
        return headings.has(anchor) ? [] : [`links to ${link}, which has no such heading`];
    });
};

holds("links in documents lead somewhere", links, (path) => path.endsWith(".md"), [
    "README.md",
    "[x](no-such-file.md)",
]);
