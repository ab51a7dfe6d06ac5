/** The lock file names versions and hashes and no place to download from: npm's own setting decides. */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";

const root = join(import.meta.dirname, "../../..");
const text = readFileSync(join(root, "package-lock.json"), "utf8");

interface Locked {
    readonly version?: string;
    readonly integrity?: string;
    readonly link?: boolean;
    readonly dependencies?: Readonly<Record<string, string>>;
    readonly devDependencies?: Readonly<Record<string, string>>;
}

const lock = JSON.parse(text) as {packages: Readonly<Record<string, Locked>>};
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Locked;

test("no address to download from", () => {
    assert.doesNotMatch(text, /"resolved"/);
    // Licences and funding may be addresses; packages may not.
    for (const [name, entry] of Object.entries(lock.packages)) {
        assert.doesNotMatch(JSON.stringify(entry.version ?? ""), /:\/\//, name);
        assert.doesNotMatch(JSON.stringify(entry.dependencies ?? {}), /:\/\//, name);
    }
});

test("every package has a version and a hash", () => {
    const entries = Object.entries(lock.packages).filter(([name]) => name !== "");
    assert.ok(entries.length > 10);
    for (const [name, entry] of entries) {
        assert.match(entry.version ?? "", /^\d+\.\d+\.\d+/, name);
        assert.match(entry.integrity ?? "", /^sha512-[A-Za-z0-9+/]+=*$/, name);
    }
});

test("direct dependencies are pinned and locked to what package.json says", () => {
    const locked = lock.packages[""];
    assert.deepEqual(locked?.dependencies, manifest.dependencies);
    assert.deepEqual(locked?.devDependencies, manifest.devDependencies);
    const direct = {...manifest.dependencies, ...manifest.devDependencies};
    for (const [name, version] of Object.entries(direct)) {
        assert.match(version, /^\d+\.\d+\.\d+$/, `${name} is not pinned`);
        assert.equal(lock.packages[`node_modules/${name}`]?.version, version, name);
    }
});
