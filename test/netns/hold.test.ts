/** carpd --hold: everything stays in INIT, nothing is sent, and everybody is told why. */
import assert from "node:assert/strict";
import {writeFileSync} from "node:fs";
import {after, describe, it} from "node:test";
import {waitFor} from "../../src/io/lab/namespaces.ts";
import {inNamespace} from "../support/netns.ts";
import {buildPair, pairBlock, type Router, type Scene, Testbed} from "../support/routers.ts";

const skip = await inNamespace();
const bed = skip === false ? new Testbed() : undefined;
const test = (name: string, body: (scene: Scene) => Promise<void>) =>
    it(name, {skip, timeout: 120_000}, bed?.scene(body));

const held = ["--hold", "carpd has failed too often"];

async function sent(router: Router): Promise<number> {
    const counters = (await router.statistics()).carp[0]?.counters ?? {};
    return (counters.opackets ?? NaN) + (counters.opackets6 ?? NaN);
}

describe("carpd --hold", {concurrency: 2}, () => {
    test("the preferred master stays in INIT, its peer takes over, and a restart ends it", async (scene) => {
        const {a, b, client} = buildPair(scene, {limitMs: 300});
        await a.start({}, held);
        await b.start();
        // T_down of B is 3.4 s: A has had time enough to do what it may not do.
        await b.until("MASTER");
        assert.equal(await a.state(), "INIT");
        assert.equal(await sent(a), 0);
        assert.equal((await b.carp()).master, null, "B has heard nobody");
        // Only B answers for the address.
        assert.equal(client.run(["ping", "-c", "1", "-W", "2", "192.168.1.1"]).status, 0);
        await b.stop();
        client.ip("neigh", "flush", "all");
        assert.notEqual(client.run(["ping", "-c", "1", "-W", "1", "192.168.1.1"]).status, 0);

        const shown = await a.command("show", "carp");
        assert.match(shown, /^held in INIT \(carpd has failed too often\): nothing is sent/);
        assert.match(shown, /next: held in INIT .* until carpd is restarted/);
        const [carp] = await a.carps();
        assert.equal(carp?.enabled, true, "what is configured is told as configured");
        const refused = await a.carpctl("carp0", "up");
        assert.notEqual(refused.code, 0);
        assert.match(refused.stderr, /held in INIT .*HELD/);

        // A changed configuration is taken, and changes nothing of it.
        a.configure({options: {preempt: true}, carp: [pairBlock(7)]});
        await a.command("reload");
        await waitFor("the new advskew", 5000, async () =>
            (await a.carp()).advskew === 7 ? true : undefined,
        );
        assert.equal(await a.state(), "INIT");
        assert.equal(await sent(a), 0);
        assert.match(a.log(), /held in INIT/);
        await a.stop();
        await a.start();
        await a.until("MASTER");
    });

    test("an invalid configuration keeps nobody out of the console", async (scene) => {
        const {a} = buildPair(scene);
        writeFileSync(a.configPath, "[[carp]]\nvhid = 300\n");
        await a.start({}, held);
        const shown = await a.command("show", "carp");
        assert.match(shown, /held in INIT \(carpd has failed too often; the configuration is not/);
        assert.match(a.log(), /vhid must be 1\.\.255/);
        assert.deepEqual(await a.carps(), []);
        // Mended, it is taken; it starts with the next carpd.
        a.configure({carp: [pairBlock(0)]});
        await a.command("reload");
        assert.equal(await a.state(), "INIT");
        await a.stop();
    });

    after(async () => await bed?.end());
});
