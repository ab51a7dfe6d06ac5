/** A flood of forged adverts: counted, and nothing else happens. */
import assert from "node:assert/strict";
import {after, describe, it} from "node:test";
import {loadAddon} from "../../src/io/addon.ts";
import {waitFor} from "../../src/io/lab/namespaces.ts";
import {inNamespace} from "../support/netns.ts";
import {virtualMac} from "../support/pcap.ts";
import {flood} from "../support/raw.ts";
import {type Router, runPair, Testbed} from "../support/routers.ts";

const skip = await inNamespace();
const bed = skip === false ? new Testbed() : undefined;

const floodSeconds = 4;

/** A look-alike that would win against everybody, were its password the right one. */
const forged = () =>
    loadAddon().buildAdvertisement({
        key: Buffer.from("another password"),
        vhid: 1,
        addresses: ["192.168.1.1/24"],
        counter: 1n << 60n,
        form: "all",
        advbase: 1,
        advskew: 0,
        demotion: 0,
        source: "192.168.1.77",
        destination: "224.0.0.18",
        ethernetSource: virtualMac(1),
    });

/** Judged by the engine, or lost in the kernel because the engine did not get the processor. */
const taken = async (router: Router) =>
    (await router.counter("badauth")) + (await router.counter("kernelDrops", "eth1"));

describe("flood", () => {
    it(
        "forged adverts as fast as they come: no change of state, no missed advert",
        {skip, timeout: 120_000},
        bed?.scene(async (scene) => {
            const {a, b, client} = await runPair(scene);
            const before = [a.changes(), b.changes()];
            const accepted = await b.counter("accepted");
            const sent = await flood(client, "eth0", forged(), floodSeconds);
            assert.ok(sent > 10_000, `only ${sent} frames went out`);
            for (const router of [a, b]) {
                await waitFor("the flood to be counted", 10_000, async () =>
                    (await taken(router)) >= sent ? true : undefined,
                );
                assert.equal(await taken(router), sent);
            }
            assert.deepEqual([a.changes(), b.changes()], before);
            const heard = (await b.counter("accepted")) - accepted;
            assert.ok(heard >= floodSeconds - 1, `heard ${heard} adverts of the MASTER`);
        }),
    );

    after(async () => await bed?.end());
});
