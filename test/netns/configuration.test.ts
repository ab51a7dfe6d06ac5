/**
 * Commits on running routers: what they may not disturb, what goes back by itself, and disks that
 * are full or read-only while the router goes on.
 */
import assert from "node:assert/strict";
import {spawnSync} from "node:child_process";
import {
    closeSync,
    existsSync,
    mkdirSync,
    openSync,
    readFileSync,
    renameSync,
    rmSync,
    statSync,
    symlinkSync,
    writeSync,
} from "node:fs";
import {join} from "node:path";
import {after, describe, it} from "node:test";
import {ControlClient} from "../../src/io/control-client.ts";
import {waitFor} from "../../src/io/lab/namespaces.ts";
import {inNamespace} from "../support/netns.ts";
import {type Router, runPair, type Scene, Testbed} from "../support/routers.ts";
import {bothAre, pingsOfBoth, runTwo} from "../support/two-segments.ts";

const skip = await inNamespace();
const bed = skip === false ? new Testbed() : undefined;
const test = (name: string, body: (scene: Scene) => Promise<void>) =>
    it(name, {skip, timeout: 150_000}, bed?.scene(body));

interface Answer {
    readonly status: number;
    readonly body: Readonly<Record<string, unknown>>;
    /** "" unless it is a refusal. */
    readonly code: string;
}

async function ask(router: Router, name: string, body: unknown = {}): Promise<Answer> {
    const client = new ControlClient(join(router.runDir, "control.sock"));
    const reply = await client.request("POST", `/v1/configuration/${name}`, body);
    assert.ok(reply.ok, `${name}: no answer: ${router.log()}`);
    const {status, body: answer} = reply.value;
    assert.ok(typeof answer === "object" && answer !== null);
    const error: unknown = Reflect.get(answer, "error");
    const code = typeof error === "object" && error !== null ? Reflect.get(error, "code") : "";
    return {status, body: {...answer}, code: String(code)};
}

/** The same, which has to succeed. */
async function act(
    router: Router,
    name: string,
    body: unknown = {},
): Promise<Readonly<Record<string, unknown>>> {
    const answer = await ask(router, name, body);
    assert.equal(answer.status, 200, `${name}: ${JSON.stringify(answer.body)}\n${router.log()}`);
    return answer.body;
}

async function edit(router: Router, ...lines: string[]): Promise<void> {
    for (const line of lines) await act(router, "edit", {line, context: []});
}

function must(argv: readonly string[]): void {
    const {status, stderr} = spawnSync(argv[0] ?? "", argv.slice(1), {encoding: "utf8"});
    assert.equal(status, 0, `${argv.join(" ")}: ${stderr}`);
}

const configOf = (router: Router): string => readFileSync(router.configPath, "utf8");

/** Fills a file system to its last octet; the result makes room again. */
function fill(folder: string): () => void {
    const path = join(folder, "filler");
    const file = openSync(path, "w");
    try {
        for (let size = 4096; size >= 1; size = size / 2) {
            try {
                for (;;) writeSync(file, Buffer.alloc(size, "x"));
            } catch (error) {
                assert.match(String(error), /ENOSPC/);
            }
        }
    } finally {
        closeSync(file);
    }
    return () => rmSync(path);
}

describe("commits", {concurrency: 4}, () => {
    test("advskew and one more VIP: no MASTER lets go, no ping is lost", async (scene) => {
        const {a, clients} = await runTwo(scene);
        const changesBefore = a.changes("carp0").length + a.changes("carp1").length;
        await act(a, "open");
        const reports = await pingsOfBoth(scene, clients, async () => {
            await edit(
                a,
                "set carp carp0 advskew 20",
                "set carp carp0 addresses 192.168.1.51/24",
                'comment carp carp0 "one more address"',
            );
            const {changes} = await act(a, "commit", {remark: "ticket 7"});
            assert.deepEqual(changes, [
                "carp0: advskew 0 -> 20",
                "carp0: address 192.168.1.51/24 added",
            ]);
            // Two advertisements later the peer has heard of it and still lets A be.
            const sent = await a.counter("opackets");
            await waitFor("two adverts", 4000, async () =>
                (await a.counter("opackets")) >= sent + 2 ? true : undefined,
            );
        });
        for (const {lost, sent} of reports) assert.equal(lost, 0, `${lost} of ${sent} pings lost`);
        await bothAre(a, "MASTER", 100);
        assert.equal(a.changes("carp0").length + a.changes("carp1").length, changesBefore);
        const {addresses, effectiveAdvskew} = await a.carp();
        assert.deepEqual([addresses.length, effectiveAdvskew], [2, 20]);
        assert.match(configOf(a), /#: one more address/);
        assert.match(a.log(), /commit by .*: carp0: advskew 0 -> 20; .* \(ticket 7\)/);
    });

    test("without one vhid the other stays MASTER", async (scene) => {
        const {a, b, clients} = await runTwo(scene);
        await act(a, "open");
        const [lan] = await pingsOfBoth(scene, clients, async () => {
            await edit(a, "delete carp carp1");
            assert.deepEqual((await act(a, "commit")).changes, ["carp1 removed"]);
            await b.until("MASTER", 8000, "carp1");
        });
        assert.equal(lan?.lost, 0, `${lan?.lost} of ${lan?.sent} pings to carp0 lost`);
        assert.equal(await a.state(), "MASTER");
        assert.equal(a.changes("carp0").at(-1)?.to, "MASTER");
        assert.equal((await a.carps()).length, 1);
        // And back, as it was.
        await act(a, "rollback", {number: 1});
        assert.deepEqual((await act(a, "commit")).changes, ["carp1 added"]);
        assert.equal(a.changes("carp0").at(-1)?.to, "MASTER");
        assert.equal((await a.carps()).length, 2);
    });

    test("from an empty file to the first MASTER, and back to none", async (scene) => {
        const a = scene.router("a", scene.segment(), ["192.168.1.2/24"], {carp: []});
        await a.start();
        assert.deepEqual(await a.carps(), []);
        await act(a, "open");
        await edit(
            a,
            "set carp carp0 carpdev eth1",
            "set carp carp0 vhid 1",
            "set carp carp0 pass mekmitasdigoat",
            "set carp carp0 addresses 192.168.1.1/24",
        );
        assert.deepEqual((await act(a, "commit")).changes, ["carp0 added"]);
        await a.until("MASTER");
        await edit(a, "delete carp carp0");
        assert.deepEqual((await act(a, "commit")).changes, ["carp0 removed"]);
        assert.deepEqual(await a.carps(), []);
        assert.deepEqual(a.macvlans(), []);
        assert.doesNotMatch(a.log(), /mekmitasdigoat/);
        await a.stop();
    });

    test("commit confirmed outlives no restart, and no kill", async (scene) => {
        const {a} = await runPair(scene);
        const before = configOf(a);
        for (const end of ["SIGKILL", "SIGTERM"] as const) {
            await act(a, "open");
            await edit(a, "set carp carp0 advskew 200", "set carp carp0 advbase 3");
            const {confirmBy} = await act(a, "commit", {confirmedMinutes: 10});
            assert.ok(Date.parse(String(confirmBy)) > Date.now());
            assert.equal((await a.carp()).advskew, 200);
            await a.process.kill(end, 15_000);
            assert.notEqual(configOf(a), before);
            await a.start();
            const {advskew, advbase} = await a.carp();
            assert.deepEqual([advskew, advbase], [0, 1], `after ${end}`);
            assert.equal(configOf(a), before);
            assert.match(a.log(), /was not confirmed before carpd ended: went back/);
        }
        // A torn file is no reason to be down.
        await act(a, "open");
        await edit(a, "set carp carp0 advskew 5");
        await act(a, "commit");
        await a.process.kill("SIGKILL");
        must(["truncate", "-s", "0", a.configPath]);
        await a.start();
        assert.equal((await a.carp()).advskew, 5);
        assert.match(a.log(), /is torn: went on with the commit of/);
        await a.until("MASTER");
    });

    test("commit confirmed goes back by itself after its minute", async (scene) => {
        const {a, b} = await runPair(scene);
        const before = configOf(a);
        await act(a, "open");
        await edit(a, "delete carp carp0", "set carp carp9 vhid 9", "set carp carp9 carpdev eth1");
        await edit(a, "set carp carp9 addresses 192.168.1.99/24");
        await act(a, "commit", {confirmedMinutes: 1});
        await b.until("MASTER");
        await waitFor("carp0 to come back", 70_000, async () =>
            (await a.carps()).some(({name}) => name === "carp0") ? true : undefined,
        );
        await a.until("MASTER");
        await a.said("was not confirmed: went back to the configuration before it");
        assert.equal(configOf(a), before);
        assert.ok(!existsSync(join(a.stateDir, "unconfirmed.toml")));
    });

    test("a full disk, a read-only disk: refused, told, and the router goes on", async (scene) => {
        const {a, clients} = await runTwo(scene, {
            prepare: (router) => {
                // The file and the state on small disks of their own.
                const conf = join(router.host.directory, "conf");
                mkdirSync(conf);
                for (const folder of [conf, router.stateDir]) {
                    must(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", folder]);
                }
                must(["cp", router.configPath, join(conf, "carpd.toml")]);
                renameSync(router.configPath, `${router.configPath}.old`);
                symlinkSync("conf/carpd.toml", router.configPath);
            },
        });
        const conf = join(a.host.directory, "conf");
        const before = configOf(a);
        await act(a, "open");
        await edit(a, "set carp carp0 advskew 20");
        const refused = async (reason: string): Promise<void> => {
            for (const confirmedMinutes of [null, 5]) {
                const answer = await ask(a, "commit", {confirmedMinutes});
                assert.equal(answer.code, "STORE_FAILED", JSON.stringify(answer.body));
                assert.match(JSON.stringify(answer.body), new RegExp(reason));
            }
            assert.equal(configOf(a), before);
            assert.equal((await a.carp()).advskew, 0);
            assert.deepEqual((await ask(a, "confirm")).code, "NOT_WAITING");
        };
        const reports = await pingsOfBoth(
            scene,
            clients,
            async () => {
                for (const folder of [conf, a.stateDir]) {
                    const makeRoom = fill(folder);
                    await refused("ENOSPC");
                    makeRoom();
                    must(["mount", "-o", "remount,ro", folder]);
                    await refused("EROFS");
                    must(["mount", "-o", "remount,rw", folder]);
                }
            },
            10_000,
        );
        for (const {lost, sent} of reports) assert.equal(lost, 0, `${lost} of ${sent} pings lost`);
        assert.deepEqual((await act(a, "commit")).changes, ["carp0: advskew 0 -> 20"]);
        assert.equal((await a.carp()).advskew, 20);
        assert.ok(statSync(a.configPath).isFile());
        assert.match(readFileSync(join(conf, "carpd.toml"), "utf8"), /advskew = 20/);

        // Unconfirmed on a disk that becomes read-only: the next start goes back all the same.
        await edit(a, "set carp carp0 advskew 30");
        await act(a, "commit", {confirmedMinutes: 5});
        await a.process.kill("SIGKILL");
        must(["mount", "-o", "remount,ro", conf]);
        await a.start();
        assert.equal((await a.carp()).advskew, 20);
        assert.match(a.log(), /carpd\.toml could not be put back/);
        await bothAre(a, "MASTER");

        // A failed disk does not keep a router from starting.
        const makeRoom = fill(a.stateDir);
        for (const code of ["ENOSPC", "EROFS"]) {
            await a.process.kill("SIGKILL");
            if (code === "EROFS") must(["mount", "-o", "remount,ro", a.stateDir]);
            await a.start();
            await bothAre(a, "MASTER");
            assert.match(a.log(), new RegExp(`counter-epoch: ${code}; went on with one`));
        }
        must(["mount", "-o", "remount,rw", a.stateDir]);
        makeRoom();
        await a.stop();
        for (const folder of [conf, a.stateDir]) must(["umount", folder]);
    });

    after(async () => await bed?.end());
});
