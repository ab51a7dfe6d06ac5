/** Manifests and facts from folders, what they mean for systemd, and the program of the boot. */
import assert from "node:assert/strict";
import {spawnSync} from "node:child_process";
import {
    existsSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    rmSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import {tmpdir} from "node:os";
import {dirname, join} from "node:path";
import {describe, it, type TestContext} from "node:test";
import type {Board} from "../../src/core/board.ts";
import {
    consoleWord,
    environmentText,
    linkFiles,
    modulesOf,
    portsOf,
    recognisedLine,
} from "../../src/core/board-links.ts";
import {decodeSystem, showSystem} from "../../src/core/show-operations.ts";
import {
    hardwareFacts,
    pciEthernet,
    readBoards,
    recogniseMachine,
} from "../../src/io/board-files.ts";
import {applyBoard, environmentFile, linkFolder, planBoard} from "../../src/io/board-setup.ts";

const project = join(import.meta.dirname, "../../..");
const manifests = join(project, "board");

/** A folder that stands for "/"; `files` are paths and texts. */
function tree(t: TestContext, files: Readonly<Record<string, string>>): string {
    const root = mkdtempSync(join(tmpdir(), "carpd-board-"));
    t.after(() => rmSync(root, {recursive: true}));
    for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(root, path)), {recursive: true});
        writeFileSync(join(root, path), text);
    }
    return root;
}

const apu2 = {
    "sys/class/dmi/id/sys_vendor": "PC Engines\n",
    "sys/class/dmi/id/product_name": "apu2\n",
    "sys/class/dmi/id/board_name": "apu2\n",
    "proc/cmdline": "BOOT_IMAGE=/vmlinuz quiet carpd.slot=A\n",
};

function boardOf(id: string): Board {
    const board = readBoards(manifests).boards.find((each) => each.id === id);
    assert.ok(board, id);
    return board;
}

describe("hardwareFacts", () => {
    it("reads DMI, the device tree and the kernel's command line", (t) => {
        assert.deepEqual(hardwareFacts(tree(t, apu2), "x64"), {
            arch: "amd64",
            dmi: {sys_vendor: "PC Engines", product_name: "apu2", board_name: "apu2"},
            compatible: [],
            named: "",
        });
        const arm = tree(t, {
            "proc/device-tree/compatible": "friendlyarm,nanopi-r5s\0rockchip,rk3568\0",
            "proc/cmdline": "carpd.board=sim carpd.board=nanopi-r4s\n",
        });
        assert.deepEqual(hardwareFacts(arm, "arm64"), {
            arch: "arm64",
            dmi: {},
            compatible: ["friendlyarm,nanopi-r5s", "rockchip,rk3568"],
            named: "nanopi-r4s",
        });
    });

    it("finds the device tree where a service is not shown /proc", (t) => {
        const path = "sys/firmware/devicetree/base/compatible";
        const {compatible} = hardwareFacts(tree(t, {[path]: "linux,dummy-virt\0"}), "arm64");
        assert.deepEqual(compatible, ["linux,dummy-virt"]);
    });

    it("takes an empty machine as it is", (t) => {
        const none = {dmi: {}, compatible: [], named: ""};
        assert.deepEqual(hardwareFacts(tree(t, {}), "riscv64"), {arch: null, ...none});
        assert.deepEqual(hardwareFacts(tree(t, {}), "arm"), {arch: "armhf", ...none});
    });
});

describe("readBoards", () => {
    it("tells of a damaged manifest and keeps the others", (t) => {
        const good = readFileSync(join(manifests, "sim/board.json"), "utf8");
        const root = tree(t, {
            "sim/board.json": good,
            "bad/board.json": `${good.slice(0, 40)}\n`,
            "moved/board.json": good,
            "schema.json": "{}",
            "examples/README.md": "",
        });
        const {boards, problems} = readBoards(root);
        assert.deepEqual(
            boards.map(({id}) => id),
            ["sim"],
        );
        assert.equal(problems.length, 2);
        assert.match(problems[0] ?? "", /\/bad\/board\.json:\d+:\d+: /);
        assert.match(problems[1] ?? "", /\/moved\/board\.json:\d+:\d+: the id is not/);
        assert.match(readBoards(join(root, "none")).problems[0] ?? "", /ENOENT/);
    });

    it("recognises a machine from its folder tree", (t) => {
        const {board, why, problems} = recogniseMachine(tree(t, apu2), manifests, "x64");
        assert.equal(board?.id, "pcengines-apu2");
        assert.equal(why, 'sys_vendor is "PC Engines", board_name is "apu2"');
        assert.deepEqual(problems, []);
    });
});

describe("the ports of a board", () => {
    it("are Ethernet controllers by ascending PCI address, without virtual functions", (t) => {
        const device = (address: string, kind: string) => ({
            [`sys/bus/pci/devices/${address}/class`]: `${kind}\n`,
        });
        const root = tree(t, {
            ...device("0000:02:00.0", "0x020000"),
            ...device("0000:01:00.1", "0x020000"),
            ...device("0000:01:00.0", "0x020000"),
            ...device("0000:01:10.0", "0x020000"),
            ...device("0000:03:00.0", "0x028000"),
            ...device("0000:00:1f.2", "0x010601"),
        });
        symlinkSync("../0000:01:00.0", join(root, "sys/bus/pci/devices/0000:01:10.0/physfn"));
        const found = ["0000:01:00.0", "0000:01:00.1", "0000:02:00.0"];
        assert.deepEqual(pciEthernet(root), found);
        assert.deepEqual(pciEthernet(tree(t, {})), []);
        const ports = portsOf(boardOf("generic-x86_64"), found);
        assert.deepEqual(
            ports.map(({name, paths}) => [name, ...paths]),
            [
                ["net0", "pci-0000:01:00.0"],
                ["net1", "pci-0000:01:00.1"],
                ["net2", "pci-0000:02:00.0"],
            ],
        );
        const own = boardOf("pcengines-apu2");
        assert.equal(portsOf(own, found), own.nics, "a manifest's own ports come first");
    });

    it("become .link files; a port without a path has none", () => {
        const {id, nics} = boardOf("qemu-arm64");
        const [first, ...others] = linkFiles(id, nics);
        assert.equal(first?.name, "10-carpd-lan0.link");
        assert.match(
            first?.text ?? "",
            /\[Match\]\nType=ether\nPath=platform-4010000000\.pcie-pci-0000:00:02\.0 pci-0000:00:02\.0\n\n\[Link\]\nName=lan0\n/,
        );
        assert.deepEqual(
            others.map(({name}) => name),
            ["10-carpd-wan0.link", "10-carpd-lan1.link"],
        );
        const omnia = boardOf("turris-omnia");
        assert.deepEqual(
            linkFiles(omnia.id, omnia.nics).map(({name}) => name),
            ["10-carpd-wan0.link"],
        );
    });
});

describe("the words for the kernel and for units", () => {
    it("name the console, the modules and the board", () => {
        const board = boardOf("pcengines-apu2");
        assert.ok(board.console);
        assert.equal(consoleWord(board.console), "console=ttyS0,115200n8");
        assert.equal(consoleWord({...board.console, flow: "rtscts"}), "console=ttyS0,115200n8r");
        assert.deepEqual(modulesOf(board), ["pcengines-apuv2", "sp5100_tco"]);
        const watchdog = {module: "pcengines-apuv2", timeoutSec: 1};
        assert.deepEqual(modulesOf({...board, watchdog}), ["pcengines-apuv2"]);
        assert.equal(
            environmentText({board, why: ""}),
            "CARP_BOARD=pcengines-apu2\nCARP_CONSOLE_TTY=ttyS0\nCARP_CONSOLE_BAUD=115200\nCARP_WATCHDOG_SEC=20\n",
        );
        assert.equal(environmentText({board: null, why: ""}), "CARP_BOARD=\n");
        assert.equal(
            recognisedLine({board, why: "because"}, board.nics),
            "pcengines-apu2 (PC Engines APU2, APU3, APU4): because; console ttyS0 115200; ports wan0 lan0 lan1; modules pcengines-apuv2 sp5100_tco",
        );
        const sim = boardOf("sim");
        assert.equal(
            recognisedLine({board: sim, why: "named"}, sim.nics),
            "sim (carpd's simulator): named; no serial console; no ports to name",
        );
    });
});

describe("carp-board-setup", () => {
    it("writes links and the environment, takes away older links, loads modules", (t) => {
        const root = tree(t, {
            ...apu2,
            [`${linkFolder}/10-carpd-old0.link`]: "",
            [`${linkFolder}/50-operator.link`]: "kept",
        });
        const plan = planBoard(recogniseMachine(root, manifests, "x64"), pciEthernet(root));
        const loaded: string[] = [];
        const wrong = applyBoard(plan, root, (module) => {
            loaded.push(module);
            return module === "sp5100_tco" ? "not found" : "";
        });
        assert.deepEqual(loaded, ["pcengines-apuv2", "sp5100_tco"]);
        assert.deepEqual(wrong, ["module sp5100_tco: not found"]);
        assert.deepEqual(readdirSync(join(root, linkFolder)).sort(), [
            "10-carpd-lan0.link",
            "10-carpd-lan1.link",
            "10-carpd-wan0.link",
            "50-operator.link",
        ]);
        const written = readFileSync(join(root, linkFolder, "10-carpd-wan0.link"), "utf8");
        assert.match(written, /^Path=pci-0000:01:00\.0$/m);
        assert.match(
            readFileSync(join(root, environmentFile), "utf8"),
            /^CARP_BOARD=pcengines-apu2$/m,
        );
    });

    it("names nothing on a machine that no manifest fits", (t) => {
        const root = tree(t, {});
        const plan = planBoard(recogniseMachine(root, manifests, "riscv64"), []);
        assert.deepEqual(applyBoard(plan, root, assert.fail), []);
        assert.deepEqual(readdirSync(join(root, linkFolder)), []);
        assert.equal(plan.line, "no board manifest matches; ports keep the kernel's names");
        assert.match(readFileSync(join(root, environmentFile), "utf8"), /^CARP_BOARD=$/m);
    });

    const program = join(project, "dist/src/carp-board-setup.js");
    const run = (...words: readonly string[]) =>
        spawnSync(process.execPath, [program, ...words], {encoding: "utf8", timeout: 20_000});

    it("--print says what this machine is and writes nothing", () => {
        const before = existsSync(`/${environmentFile}`);
        const {status, stdout, stderr} = run("--print");
        assert.deepEqual([status, stderr], [0, ""]);
        const {board, why} = recogniseMachine();
        assert.ok(stdout.startsWith(board === null ? why : `${board.id} (`), stdout);
        assert.ok(stdout.includes(why), stdout);
        assert.match(stdout, new RegExp(`^CARP_BOARD=${board?.id ?? ""}$`, "m"));
        assert.equal(existsSync(`/${environmentFile}`), before);
    });

    it("refuses words that it does not know", () => {
        const {status, stderr} = run("--pint");
        assert.equal(status, 64);
        assert.match(stderr, /^usage: carp-board-setup/);
    });
});

describe("show system", () => {
    const body = {
        hostname: "r1",
        versions: {carpd: "1", node: "v20", kernel: "6.12"},
        uptimeSeconds: 1,
        daemonSeconds: 1,
        load: [0, 0, 0],
    };

    it("names the board and why, or that there is none", () => {
        const manifest = {id: "pcengines-apu2", name: "PC Engines APU2", why: "it says so"};
        assert.match(
            showSystem({...body, manifest}) ?? "",
            /^board +pcengines-apu2 \(PC Engines APU2\): it says so$/m,
        );
        const none = {id: "", name: "", why: "no board manifest matches"};
        assert.match(
            showSystem({...body, manifest: none}) ?? "",
            /^board +no board manifest matches$/m,
        );
        assert.match(showSystem(body) ?? "", /^board +not known here$/m);
        assert.deepEqual(decodeSystem({...body, manifest: {id: 5}})?.manifest, {
            id: "",
            name: "",
            why: "",
        });
    });
});
