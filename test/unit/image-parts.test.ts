/** The pure parts of the image builder: options, partition table, boot sectors, lists. */
import assert from "node:assert/strict";
import {describe, it} from "node:test";
import {bundleManifest} from "../../board/image/bundle.ts";
import {hashOf} from "../../board/image/cache.ts";
import {environmentBlock, joinBios} from "../../board/image/grub.ts";
import {moduleFiles} from "../../board/image/initramfs.ts";
import {layoutOf, mebibyte, partition, sfdiskScript, tooLarge} from "../../board/image/layout.ts";
import {parseOptions} from "../../board/image/options.ts";
import {BuildProblem} from "../../board/image/problem.ts";
import {releaseOf} from "../../board/image/release.ts";
import {cycloneDx, debianPackages, packageList} from "../../board/image/sbom.ts";
import {barLine} from "../../board/image/stages.ts";

describe("options", () => {
    it("builds an amd64 development image by default", () => {
        const options = parseOptions([]);
        assert.ok(typeof options !== "string");
        assert.equal(options.arch, "amd64");
        assert.equal(options.release, false);
        assert.equal(options.keys, null);
    });

    const refused: readonly (readonly [string, RegExp])[] = [
        ["--arch mips", /amd64 or arm64/u],
        ["--release", /--key, --cert and --keyring/u],
        ["--release --test --key a --cert b --keyring c", /root shell/u],
        ["--key a", /go together/u],
        ["--version ../x", /expected a version/u],
        ["--mirror ftp://old.example/debian", /http or https/u],
        ["--unknown", /--unknown/u],
    ];
    for (const [line, complaint] of refused) {
        it(`refuses ${line}`, () => {
            const said = parseOptions(line.split(" "));
            assert.ok(typeof said === "string");
            assert.match(said, complaint);
        });
    }
});

describe("the partition table", () => {
    const layout = layoutOf();

    it("has seven partitions side by side, aligned to 1 MiB, with room for both tables", () => {
        let end = mebibyte;
        for (const {startBytes, sizeBytes} of layout.partitions) {
            assert.equal(startBytes, end);
            assert.equal(sizeBytes % mebibyte, 0);
            end += sizeBytes;
        }
        assert.equal(layout.partitions.length, 7);
        assert.equal(layout.diskBytes, end + mebibyte);
        assert.equal(new Set(layout.partitions.map(({guid}) => guid)).size, 7);
    });

    it("gives both slots the same room", () => {
        for (const name of ["boot", "root"]) {
            const sizes = ["a", "b"].map((slot) => partition(layout, `${name}-${slot}`).sizeBytes);
            assert.equal(sizes[0], sizes[1]);
        }
    });

    it("tells sfdisk the same numbers in sectors", () => {
        const script = sfdiskScript(layout);
        const {startBytes, sizeBytes} = partition(layout, "root-b");
        assert.match(script, /^label: gpt$/mu);
        assert.ok(script.includes(`start=${startBytes / 512}, size=${sizeBytes / 512},`));
        assert.ok(script.includes('name="root-b"'));
    });

    it("refuses what does not fit, by how much, and takes what just fits", () => {
        const {sizeBytes} = partition(layout, "root-a");
        assert.equal(tooLarge(layout, "root-a", "the root image", sizeBytes), "");
        assert.match(
            tooLarge(layout, "root-a", "the root image", sizeBytes + mebibyte),
            /the root image is 257\.0 MiB .* root-a of 256\.0 MiB \(1\.0 MiB too much\); nothing/u,
        );
    });
});

describe("GRUB for BIOS", () => {
    it("writes where core and boot sector find each other", () => {
        const bootImage = Buffer.alloc(512, 0xaa);
        const coreImage = Buffer.alloc(512 * 3 + 1, 0xbb);
        const {boot, core} = joinBios(bootImage, coreImage, 2048, mebibyte);
        assert.equal(boot.length, 440, "the partition table's part of the sector stays");
        assert.equal(boot.readBigUInt64LE(0x5c), 2048n);
        assert.equal(boot.readUInt16LE(0x66), 0x9090);
        assert.equal(core.length, 512 * 4);
        assert.equal(core.readBigUInt64LE(0x1f4), 2049n);
        assert.equal(core.readUInt16LE(0x1fc), 3);
        assert.equal(core.readUInt16LE(0x1fe), 0x820);
        assert.equal(bootImage[0x66], 0xaa, "the input is not written to");
    });

    it("refuses a core larger than its partition", () => {
        const core = Buffer.alloc(mebibyte + 1);
        assert.throws(() => joinBios(Buffer.alloc(512), core, 2048, mebibyte), BuildProblem);
    });

    it("makes environment blocks of 1024 bytes", () => {
        const block = environmentBlock({ORDER: "A B", A_OK: "1"});
        assert.equal(block.length, 1024);
        assert.ok(
            block.toString("latin1").startsWith("# GRUB Environment Block\nORDER=A B\nA_OK=1\n#"),
        );
    });
});

describe("modules of the initramfs", () => {
    const dependencies = [
        "kernel/fs/squashfs/squashfs.ko.xz:",
        "kernel/drivers/usb/storage/usb-storage.ko.xz: kernel/drivers/usb/core/usbcore.ko.xz",
        "kernel/drivers/usb/core/usbcore.ko.xz:",
        "",
    ].join("\n");

    it("brings what a module depends on, and passes over what this kernel lacks", () => {
        const wanted = ["squashfs", "usb_storage", "dwc3"];
        assert.deepEqual(moduleFiles(dependencies, "kernel/fs/ext4/ext4.ko\n", wanted, ["ext4"]), [
            "kernel/drivers/usb/core/usbcore.ko.xz",
            "kernel/drivers/usb/storage/usb-storage.ko.xz",
            "kernel/fs/squashfs/squashfs.ko.xz",
        ]);
    });

    it("refuses a kernel that could mount nothing", () => {
        assert.throws(() => moduleFiles(dependencies, "", [], ["overlay"]), /no module overlay/u);
    });
});

describe("lists of what is inside", () => {
    const status = [
        "Package: zstd\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.5.7+dfsg-1\nSource: libzstd",
        "Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1",
        "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.41-12+b1\nSource: glibc (2.41-12)",
        "",
    ].join("\n\n");
    const npm = [
        {
            name: "@serialport/stream",
            version: "13.0.0",
            license: "MIT",
            path: "node_modules/@serialport/stream",
        },
    ];
    const release = releaseOf("1.2.3", "amd64", 1_700_000_000, []);

    it("reads dpkg's status: installed packages only, sorted, with their sources", () => {
        assert.deepEqual(
            debianPackages(status).map(({name, source, sourceVersion}) => [
                name,
                source,
                sourceVersion,
            ]),
            [
                ["libc6", "glibc", "2.41-12"],
                ["zstd", "libzstd", "1.5.7+dfsg-1"],
            ],
        );
        assert.equal(
            packageList(debianPackages(status), npm),
            "deb libc6 2.41-12+b1 amd64\ndeb zstd 1.5.7+dfsg-1 amd64\nnpm @serialport/stream 13.0.0\n",
        );
    });

    it("is CycloneDX with package URLs", () => {
        const bom: unknown = JSON.parse(cycloneDx(release, "amd64", debianPackages(status), npm));
        assert.ok(typeof bom === "object" && bom !== null && "components" in bom);
        assert.ok(Array.isArray(bom.components));
        const urls: unknown[] = bom.components.map((entry: {purl: string}) => entry.purl);
        assert.deepEqual(urls, [
            "pkg:deb/debian/libc6@2.41-12%2Bb1?arch=amd64&distro=debian-13",
            "pkg:deb/debian/zstd@1.5.7%2Bdfsg-1?arch=amd64&distro=debian-13",
            "pkg:npm/%40serialport/stream@13.0.0",
        ]);
        assert.ok("bomFormat" in bom && bom.bomFormat === "CycloneDX");
        assert.ok("serialNumber" in bom && typeof bom.serialNumber === "string");
        assert.match(
            bom.serialNumber,
            /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/u,
        );
    });

    it("names the release everywhere alike", () => {
        assert.deepEqual(release.file, {
            version: "1.2.3",
            compatible: "carpd-amd64",
            schema: 1,
            built: "2023-11-14T22:13:20Z",
            id: release.id,
        });
        assert.notEqual(release.id, releaseOf("1.2.3", "amd64", 1_700_000_000, ["other"]).id);
        const manifest = bundleManifest(release);
        assert.match(manifest, /^compatible=carpd-amd64$/mu);
        assert.match(manifest, /^format=verity$/mu);
    });
});

describe("small things", () => {
    it("keeps the progress line inside the terminal", () => {
        assert.equal(barLine(4, 8, "unpack", 3.2, 80), "[############------------] 4/8 unpack 3 s");
        assert.equal(barLine(8, 8, "a long name", 3, 20).length, 19);
    });

    it("hashes lists, not their concatenation", () => {
        assert.notEqual(hashOf(["ab", "c"]), hashOf(["a", "bc"]));
        assert.equal(hashOf(["a"]), hashOf(["a"]));
    });
});
