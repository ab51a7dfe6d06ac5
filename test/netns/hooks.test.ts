/** The boot hold, and hooks and scripts through real fail-overs. */
import assert from "node:assert/strict";
import {chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {after, describe, it} from "node:test";
import {waitFor} from "../../src/io/lab/namespaces.ts";
import {inNamespace} from "../support/netns.ts";
import {advertsOf} from "../support/pcap.ts";
import {
    buildPair,
    cableOf,
    pairBlock,
    type Router,
    type Scene,
    Testbed,
} from "../support/routers.ts";
import {lanAddress, reasonsOf, untilReasons} from "../support/two-segments.ts";

const skip = await inNamespace();
const bed = skip === false ? new Testbed() : undefined;
const test = (name: string, body: (scene: Scene) => Promise<void>) =>
    it(name, {skip, timeout: 120_000}, bed?.scene(body));

function writeProgram(path: string, text: string): string {
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
    return path;
}

function linesOf(path: string): readonly string[] {
    return existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n") : [];
}

/** Waits until the lines of a file are enough, and gives them. */
async function settled(path: string, enough: (lines: readonly string[]) => boolean) {
    return await waitFor(
        `${path} to be complete`,
        8000,
        () => (enough(linesOf(path)) ? linesOf(path) : undefined),
        () => linesOf(path).join("\n"),
    );
}

describe("boot hold", {concurrency: 4}, () => {
    test("a faster host waits for its delay and its command", async (scene) => {
        const {a, b, segment} = buildPair(scene);
        const flag = join(a.host.directory, "synced");
        a.configure({
            options: {
                preempt: true,
                "boot-delay": "2s",
                "boot-command": ["/usr/bin/test", "-e", flag],
            },
            carp: [pairBlock(0)],
        });
        await b.start();
        await b.until("MASTER");
        const capture = await scene.switches.capture(segment);
        const startedMs = Date.now();
        await a.start();
        assert.deepEqual(await reasonsOf(a), ["boot 240"]);
        const heard = await a.counter("accepted");
        await waitFor("the delay to be over and B to be heard", 9000, async () =>
            (await a.counter("accepted")) >= heard + 3 && Date.now() > startedMs + 3000
                ? true
                : undefined,
        );
        assert.deepEqual(await reasonsOf(a), ["boot 240"], "the command has not succeeded");
        assert.equal(await a.state(), "BACKUP");
        await a.said("boot command failed");
        writeFileSync(flag, "");
        await a.until("MASTER", 1000 + 1391 + 1000);
        assert.deepEqual(await reasonsOf(a), []);
        const adverts = advertsOf(await capture.stop(), {source: lanAddress(2)});
        assert.ok(
            adverts.length > 0 && adverts.every(({advskew}) => advskew === 0),
            "it has not spoken before",
        );
    });

    test("alone, its first adverts are demoted already", async (scene) => {
        const lan = scene.segment();
        const a = scene.router("a", lan, [`${lanAddress(2)}/24`], {
            options: {"boot-delay": "5s"},
            carp: [pairBlock(0)],
        });
        const capture = await scene.switches.capture(lan);
        await a.start();
        await a.until("MASTER");
        await untilReasons(a, []);
        const sent = await a.counter("opackets");
        await waitFor("another advert", 2000, async () =>
            (await a.counter("opackets")) > sent ? true : undefined,
        );
        const skews = advertsOf(await capture.stop()).map(({advskew}) => advskew);
        const first = skews.indexOf(0);
        assert.ok(first > 0, `${skews}`);
        assert.ok(skews.slice(0, first).every((skew) => skew === 240));
        assert.ok(skews.slice(first).every((skew) => skew === 0));
        assert.match(a.log(), /boot hold over after (4\.9|5\.[0-3])/);
    });
});

/** Takes long enough that changes come while it runs. */
const recorder = `echo "begin $# $1 $2" >> "$(dirname "$0")/../hooks.log"
echo "$CARP_NAME $CARP_VHID $CARP_CARPDEV $CARP_STATE $CARP_ADDRESSES $CARP_GROUP" \
    >> "$(dirname "$0")/../environment.log"
echo "said by the hook"
sleep 0.3
echo "end $2" >> "$(dirname "$0")/../hooks.log"`;

function withHooks(scene: Scene): {a: Router; b: Router; file: (name: string) => string} {
    const {a, b} = buildPair(scene);
    const file = (name: string) => join(a.host.directory, name);
    mkdirSync(file("hooks.d"));
    writeProgram(file("hooks.d/10-record"), recorder);
    writeProgram(file("hooks.d/20.bak"), `echo wrong >> ${file("hooks.log")}`);
    const script = (verb: string) =>
        writeProgram(file(verb), `echo "${verb} $# $1 $2 $3" >> ${file("scripts.log")}`);
    const scripts = {upscript: script("up"), downscript: script("down"), xparam: "x y"};
    a.configure({options: {preempt: true}, carp: [pairBlock(0, scripts)]});
    return {a, b, file};
}

const environment = (state: string) => `carp0 1 eth1 ${state} 192.168.1.1/24 carp`;

describe("hooks", {concurrency: 4}, () => {
    test("run for each change of a fail-over and a fail-back", async (scene) => {
        const {a, b, file} = withHooks(scene);
        const told = (...states: string[]) =>
            states.flatMap((state) => [`begin 2 1@eth1 ${state}`, `end ${state}`]);
        const expect = async (...states: string[]) => {
            const lines = await settled(
                file("hooks.log"),
                (l) => l.length >= told(...states).length,
            );
            assert.deepEqual(lines, told(...states));
        };
        await Promise.all([a.start(), b.start()]);
        await a.until("MASTER");
        await expect("BACKUP", "MASTER");
        await a.command("demote", "240");
        await a.until("BACKUP", 3000);
        await expect("BACKUP", "MASTER", "BACKUP");
        await a.command("undemote");
        await a.until("MASTER", 3000);
        await expect("BACKUP", "MASTER", "BACKUP", "MASTER");
        await a.said("said by the hook", 4);
        await a.stop();
        await expect("BACKUP", "MASTER", "BACKUP", "MASTER", "INIT");
        assert.deepEqual(
            linesOf(file("environment.log")),
            ["BACKUP", "MASTER", "BACKUP", "MASTER", "INIT"].map(environment),
        );
        const line = (verb: string) => `${verb} 3 eth1 192.168.1.1 x y`;
        assert.deepEqual(linesOf(file("scripts.log")), ["up", "down", "up", "down"].map(line));
    });

    test("never two at once, and the latest state is told last", async (scene) => {
        const {a, b, file} = withHooks(scene);
        await Promise.all([a.start(), b.start()]);
        await a.until("MASTER");
        for (let flap = 1; flap <= 4; flap += 1) {
            cableOf(a).pull();
            await a.until("INIT", 1000);
            cableOf(a).plug();
            await a.until("BACKUP", 1000);
        }
        await a.until("MASTER");
        // MASTER twice, in the beginning and in the end; the script is the last to be run.
        const ups = (text: readonly string[]) => text.filter((l) => l.startsWith("up")).length;
        await settled(file("scripts.log"), (l) => ups(l) === 2);
        const lines = linesOf(file("hooks.log"));
        assert.equal(lines.at(-1), "end MASTER", "the latest state");
        assert.ok(!lines.includes("wrong"), "a name with a dot is no hook");
        for (const [i, text] of lines.entries()) {
            assert.match(text, i % 2 === 0 ? /^begin / : /^end /, lines.join("\n"));
        }
        const began = lines.length / 2;
        assert.ok(began < a.changes().length, `${began} of ${a.changes().length} changes`);
        const verbs = linesOf(file("scripts.log")).map((text) => text.split(" ")[0]);
        assert.equal(verbs.at(-1), "up");
        for (const [i, verb] of verbs.entries()) assert.equal(verb, i % 2 === 0 ? "up" : "down");
    });

    after(async () => await bed?.end());
});
