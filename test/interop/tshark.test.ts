/** What Wireshark's dissector makes of our adverts: every field, the checksum, no complaint. */
import assert from "node:assert/strict";
import {after, describe, it} from "node:test";
import {waitFor} from "../../src/io/lab/namespaces.ts";
import {inNamespace} from "../support/netns.ts";
import {advertsOf} from "../support/pcap.ts";
import {collect, pairBlock, type Scene, Testbed} from "../support/routers.ts";
import {inPath} from "../support/tools.ts";

const refused = await inNamespace();
const skip = inPath("tshark") ? refused : "tshark is not installed (apt-get install tshark)";
const bed = skip === false ? new Testbed() : undefined;
const test = (name: string, body: (scene: Scene) => Promise<void>) =>
    it(name, {skip, timeout: 120_000}, bed?.scene(body));

const fields = [
    "ip.src",
    "ip.dst",
    "ip.ttl",
    "ipv6.dst",
    "ipv6.hlim",
    "eth.src",
    "eth.dst",
    "carp.version",
    "carp.type",
    "carp.vhid",
    "carp.advskew",
    "carp.authlen",
    "carp.demotion",
    "carp.adver_int",
    "carp.counter",
    "carp.checksum.status",
    "_ws.expert",
    "_ws.malformed",
] as const;
type Decoded = Readonly<Record<(typeof fields)[number], string>>;

/** By default tshark takes protocol 112 for VRRP. */
async function decode(path: string): Promise<readonly Decoded[]> {
    const columns = fields.flatMap((field) => ["-e", field]);
    const output = await collect(
        [
            "tshark",
            ...[
                "-r",
                path,
                "--disable-protocol",
                "vrrp",
                "-Y",
                "ip.proto == 112 || ipv6.nxt == 112",
            ],
            ...["-o", "ip.check_checksum:TRUE", "-T", "fields", "-E", "separator=|", ...columns],
        ],
        {HOME: "/run/test"},
    );
    assert.equal(output.code, 0, output.stderr);
    return output.stdout
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => {
            const values = line.split("|");
            const value = (i: number) => values[i] ?? "";
            // Object.fromEntries forgets the keys; they are those of `fields`.
            return Object.fromEntries(fields.map((field, i) => [field, value(i)])) as Decoded;
        });
}

describe("tshark", () => {
    test("decodes every advert without complaint", async (scene) => {
        const lan = scene.segment();
        const blocks = [
            {vhid: 1, advskew: 0, addresses: ["192.168.1.1/24", "2001:db8::1/64"]},
            {vhid: 2, advskew: 254, advbase: 1, addresses: ["192.168.1.100/24"]},
            {vhid: 3, advskew: 50, advbase: 0, addresses: ["2001:db8::100/64", "fe80::100/64"]},
            {vhid: 255, advskew: 7, pass: "0123456789abcdefghi", addresses: ["192.168.1.101/24"]},
        ].map((more, i) => pairBlock(0, {name: `carp${i}`, ...more}));
        const a = scene.router("a", lan, ["192.168.1.2/24", "2001:db8::2/64"], {
            options: {"handover-limit-ms": 300},
            carp: blocks,
        });
        const capture = await scene.switches.capture(lan);
        await a.start();
        for (const name of ["carp0", "carp1", "carp2", "carp3"])
            await a.until("MASTER", 8000, name);
        await waitFor("some adverts of each", 8000, async () =>
            (await a.counter("opackets", "carp1")) >= 2 ? true : undefined,
        );
        await a.stop();
        const frames = await capture.stop();
        const decoded = await decode(capture.path);
        assert.equal(decoded.length, advertsOf(frames).length, "tshark sees as many as we do");
        for (const advert of decoded) {
            const text = JSON.stringify(advert);
            assert.equal(advert["_ws.malformed"], "", text);
            assert.equal(advert["_ws.expert"], "", text);
            assert.equal(advert["carp.checksum.status"], "1", text);
            assert.deepEqual(
                [advert["carp.version"], advert["carp.type"], advert["carp.authlen"]],
                ["2", "1", "7"],
            );
            const block = blocks.find(({vhid}) => String(vhid) === advert["carp.vhid"]);
            assert.ok(block, text);
            const farewell = advert["carp.adver_int"] === "255";
            // FreeBSD sends 241..254 as 240 (spec 5.1), and so do we.
            const skew = farewell ? 255 : Math.min(Number(block.advskew), 240);
            assert.equal(advert["carp.advskew"], String(skew), text);
            if (!farewell) assert.equal(advert["carp.adver_int"], String(block.advbase ?? 1));
            const hex = Number(block.vhid).toString(16).padStart(2, "0");
            assert.equal(advert["eth.src"], `00:00:5e:00:01:${hex}`);
            const v4 = advert["ip.src"] !== "";
            assert.deepEqual(
                v4
                    ? [advert["ip.dst"], advert["ip.ttl"], advert["eth.dst"]]
                    : [advert["ipv6.dst"], advert["ipv6.hlim"], advert["eth.dst"]],
                v4
                    ? ["224.0.0.18", "255", "01:00:5e:00:00:12"]
                    : ["ff02::12", "255", "33:33:00:00:00:12"],
            );
        }
        const seen = (want: (advert: Decoded) => boolean) => decoded.some(want);
        for (const vhid of ["1", "2", "3", "255"]) {
            assert.ok(
                seen((x) => x["carp.vhid"] === vhid),
                `adverts of vhid ${vhid}`,
            );
            assert.ok(
                seen((x) => x["carp.vhid"] === vhid && x["carp.adver_int"] === "255"),
                `a farewell of vhid ${vhid}`,
            );
        }
        assert.ok(seen((x) => x["carp.vhid"] === "1" && x["ipv6.dst"] !== ""));
    });

    after(async () => await bed?.end());
});
