/**
 * carp-system with the real RAUC: what is refused is refused before a byte is written, what is good
 * goes into the other slot. See test/support/rauc-bench.ts for what is real here.
 */
import assert from "node:assert/strict";
import {spawnSync} from "node:child_process";
import {chmodSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {after, before, describe, it} from "node:test";
import {readImagesStatus} from "../../src/core/appliance/status-decode.ts";
import {errorOf} from "../../src/core/control-protocol.ts";
import {UsbSticks} from "../../src/io/appliance/usb-sticks.ts";
import {RaucBench, raucProblem} from "../support/rauc-bench.ts";
import {inPath} from "../support/tools.ts";

const problem = raucProblem();
const skip = problem === "" ? false : problem;
const bench = skip === false ? new RaucBench() : undefined;

const zero = (octets: number): Buffer => Buffer.alloc(octets);
const megabytes = 1_048_576;

describe("rauc", {skip, timeout: 180_000}, () => {
    before(async () => {
        bench?.prepare();
        await bench?.start();
    });
    after(() => bench?.end());

    /** No slot and no counter is other than before. */
    function untouched(): void {
        assert.ok(bench !== undefined);
        assert.deepEqual(bench.slot("boot-b"), zero(2 * megabytes));
        assert.deepEqual(bench.slot("root-b"), zero(8 * megabytes));
        assert.equal(bench.environment(), "ORDER=A B\nA_OK=1\nA_TRY=1\nB_OK=0\n");
    }

    const refusals: readonly [string, (bench: RaucBench) => string, RegExp][] = [
        [
            "a foreign signature",
            (b) => b.bundle("foreign", {key: "foreign"}),
            /not signed with a key that this box trusts \(signature verification failed/u,
        ],
        [
            "another kind of box",
            (b) => b.bundle("arm", {compatible: "carpd-arm64"}),
            /the bundle is for carpd-arm64, and this box is a carpd-amd64/u,
        ],
        [
            "an older version",
            (b) => b.bundle("older", {version: "0.3.0~rc1"}),
            /version 0\.3\.0~rc1 is older than the running 0\.3\.0; `force`/u,
        ],
        [
            "an image too large for its slot",
            (b) => b.bundle("large", {octets: 9 * megabytes}),
            /the image rootfs has 9\.0 MiB, and its slot only 8\.0 MiB/u,
        ],
        [
            "a truncated bundle",
            (b) => b.cut(b.bundle("whole")),
            /no bundle, or one that was cut short/u,
        ],
        [
            "a file that is no bundle",
            (b) => b.path("system.conf"),
            /no bundle, or one that was cut short/u,
        ],
        [
            "a file that is not there",
            (b) => b.path("none.raucb"),
            /there is no file .*none\.raucb/u,
        ],
        ["a folder", (b) => b.path("slots"), /is not a file/u],
        [
            "a web server without the file",
            () => "http://127.0.0.1:8080/none.raucb",
            /127\.0\.0\.1:8080: the server answers with status 404/u,
        ],
        [
            "no web server",
            () => "http://127.0.0.1:9/x.raucb",
            /fetching from 127\.0\.0\.1:9 failed/u,
        ],
    ];
    for (const [what, source, rule] of refusals) {
        it(`refuses ${what}, and nothing is written`, async () => {
            assert.ok(bench !== undefined);
            const status = await bench.install(source(bench));
            assert.equal(status.phase, "failed");
            assert.match(status.error, rule);
            assert.match(
                status.error,
                /; the running slot is untouched: this box goes on with slot A \(0\.3\.0\)$/u,
            );
            untouched();
        });
    }

    it("installs a good bundle into the other slot and tells so", async () => {
        assert.ok(bench !== undefined);
        const status = await bench.install(bench.bundle("good"));
        assert.equal(status.error, "");
        assert.deepEqual(
            [status.phase, status.percent, status.version],
            ["installed", 100, "0.4.0"],
        );
        assert.equal(bench.slot("root-b").subarray(0, 20).toString(), "good rootfs.img good");
        assert.deepEqual(bench.slot("root-a"), zero(8 * megabytes));
        assert.match(bench.environment(), /^ORDER=B A\n/u);
        const images = readImagesStatus((await bench.ask("GET", "images")).body);
        const b = images?.images[1];
        assert.deepEqual(
            [b?.version, b?.state, b?.next, b?.running],
            ["0.4.0", "good", true, false],
        );
        assert.match(b?.installed ?? "", /^20\d\d-\d\d-\d\dT.*Z$/u);
        assert.equal(images?.olderSlot, "");
    });

    it("fetches one from a web server, older only by force", async () => {
        assert.ok(bench !== undefined);
        bench.bundle("web", {version: "0.2.0"});
        const url = "http://127.0.0.1:8080/web.raucb";
        assert.match((await bench.install(url)).error, /older than the running/u);
        const status = await bench.install(url, true);
        assert.deepEqual([status.phase, status.version], ["installed", "0.2.0"]);
        assert.equal(bench.slot("root-b").subarray(0, 15).toString(), "web rootfs.img ");
        // The download does not stay.
        assert.equal(bench.run("sh", "-c", "ls data/tmp"), "");
    });

    it("goes back to the other slot and forth by rollback", async () => {
        assert.ok(bench !== undefined);
        bench.run("grub-editenv", "grubenv", "set", "ORDER=A B");
        const reply = await bench.ask("POST", "rollback", {});
        assert.deepEqual(reply.body, {
            text: "slot B (0.2.0) runs after the next reboot: system reboot\n",
        });
        assert.match(bench.environment(), /^ORDER=B A\n/u);
    });

    it("tells of a slot that failed its three starts", async () => {
        assert.ok(bench !== undefined);
        bench.run("grub-editenv", "grubenv", "set", "B_TRY=3");
        const images = readImagesStatus((await bench.ask("GET", "images")).body);
        assert.equal(
            images?.olderSlot,
            "this box runs the older slot A (0.3.0): slot B (0.2.0) was started 3 times and never got ready",
        );
        const refused = await bench.ask("POST", "rollback", {});
        assert.equal(errorOf(refused.body)?.code, "NO_OTHER");
    });

    it("answers root and carpd's user, and nobody else", () => {
        assert.ok(bench !== undefined);
        const socket = bench.path("run/socket");
        for (const folder of [bench.folder, bench.path("run")]) chmodSync(folder, 0o755);
        chmodSync(socket, 0o666);
        const script = `
            import {request} from "node:http";
            request({socketPath: ${JSON.stringify(socket)}, path: "/v1/status"}, (r) => {
                r.setEncoding("utf8");
                r.on("data", (text) => process.stdout.write(r.statusCode + " " + text));
            }).end();`;
        const node = [process.execPath, "--input-type=module", "-e", script];
        const as = (uid: string) => {
            const words = ["--reuid", uid, "--regid", uid, "--clear-groups", ...node];
            return spawnSync("setpriv", words, {encoding: "utf8", cwd: "/"}).stdout;
        };
        assert.match(as("0"), /^200 \{"present":true/u);
        assert.match(as("65534"), /^403 .*only root and carpd may speak to carp-system/u);
        chmodSync(socket, 0o660);
        assert.equal(as("65534"), "");
    });
});

const noStick = skip === false && !inPath("mke2fs") ? "e2fsprogs is not installed" : skip;

describe("USB sticks", {skip: noStick, timeout: 60_000}, () => {
    /** A stick as sysfs shows one, whose device is a loop device. */
    function stick(scratch: RaucBench, names: readonly string[]) {
        const image = scratch.path("stick.img");
        writeFileSync(image, "");
        truncateSync(image, 16 * megabytes);
        const contents = scratch.path("contents");
        mkdirSync(contents, {recursive: true});
        for (const name of names) writeFileSync(join(contents, name), `I am ${name}`);
        scratch.run("mke2fs", "-q", "-t", "ext4", "-d", contents, image);
        const loop = scratch.run("losetup", "--find", "--show", image).trim();
        const entry = scratch.path("block/sdz");
        mkdirSync(entry, {recursive: true});
        writeFileSync(join(entry, "removable"), "1\n");
        writeFileSync(join(entry, "size"), "32768\n");
        writeFileSync(join(entry, "dev"), "8:400\n");
        mkdirSync(scratch.path("dev"), {recursive: true});
        rmSync(scratch.path("dev/sdz"), {force: true});
        symlinkSync(loop, scratch.path("dev/sdz"));
        const sticks = new UsbSticks({
            folder: scratch.path("usb"),
            sysBlock: scratch.path("block"),
            devices: scratch.path("dev"),
        });
        return {sticks, gone: () => scratch.run("losetup", "--detach", loop)};
    }

    const scratch = noStick === false ? new RaucBench() : undefined;
    after(() => scratch?.end());

    it("the only bundle is found, several are listed, one is named; nothing stays mounted", async () => {
        assert.ok(scratch !== undefined);
        const {sticks, gone} = stick(scratch, ["a.raucb", "b.raucb", "note.txt"]);
        try {
            const several = await sticks.open("");
            assert.match(several.ok ? "" : several.error, /name one: usb:a\.raucb, usb:b\.raucb/u);
            const opened = await sticks.open("b.raucb");
            assert.ok(opened.ok);
            assert.equal(scratch.run("cat", opened.value.path), "I am b.raucb");
            const written = spawnSync("touch", [scratch.path("usb/x")], {encoding: "utf8"});
            assert.match(written.stderr, /Read-only file system/u);
            await opened.value.close();
            assert.doesNotMatch(
                scratch.run("cat", "/proc/self/mountinfo"),
                /carpd-rauc-\S*\/usb /u,
            );
        } finally {
            gone();
        }
    });

    it("no stick, and one that cannot be mounted", async () => {
        assert.ok(scratch !== undefined);
        const none = new UsbSticks({
            folder: scratch.path("usb"),
            sysBlock: scratch.path("nowhere"),
        });
        assert.deepEqual(await none.open(""), {ok: false, error: "there is no USB stick"});
        const {sticks, gone} = stick(scratch, []);
        gone();
        const refused = await sticks.open("");
        assert.match(refused.ok ? "" : refused.error, /sdz cannot be mounted: /u);
    });
});
