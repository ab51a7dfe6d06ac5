/** Board manifests: every one in the tree, and which one matches a machine. */
import assert from "node:assert/strict";
import {existsSync, readFileSync} from "node:fs";
import {join} from "node:path";
import {describe, it} from "node:test";
import {Ajv2020} from "ajv/dist/2020.js";
import {type Board, type HardwareFacts, noBoard, recogniseBoard} from "../../src/core/board.ts";
import {readBoards} from "../../src/io/board-files.ts";

const folder = join(import.meta.dirname, "../../../board");
const parse = (text: string): unknown => JSON.parse(text);
const schema = parse(readFileSync(join(folder, "schema.json"), "utf8"));
assert.ok(typeof schema === "object" && schema !== null);
const validate = new Ajv2020({allErrors: true, strict: true}).compile(schema);

const wanted = [
    "generic-x86_64",
    "nanopi-r4s",
    "nanopi-r5s",
    "pcengines-apu2",
    "qemu-arm64",
    "qemu-x86_64",
    "raspberrypi-4",
    "sim",
    "turris-omnia",
];
const {boards, problems} = readBoards(folder);
const boardOf = (id: string): Board => {
    const board = boards.find((each) => each.id === id);
    assert.ok(board, id);
    return board;
};

describe("the manifests in the tree", () => {
    it("are all read, without a complaint", () => {
        assert.deepEqual(problems, []);
        const ids = boards.map(({id}) => id);
        for (const id of wanted) assert.ok(ids.includes(id), id);
        assert.ok(boardOf("pcengines-apu2").leds.size >= 3);
    });

    for (const {id} of boards) {
        it(`${id} fits the schema and says what was verified`, () => {
            const value = parse(readFileSync(join(folder, id, "board.json"), "utf8"));
            assert.ok(validate(value), JSON.stringify(validate.errors));
            assert.ok(existsSync(join(folder, id, "notes.md")));
            const notes = readFileSync(join(folder, id, "notes.md"), "utf8");
            assert.match(notes, /^## Verified in emulation$/m);
            assert.match(notes, /^## Verified on hardware$/m);
        });
    }

    it("do not compete: no two match equally well", () => {
        const firmware = boards.filter(({match}) => match.kind === "firmware");
        for (const board of firmware) {
            const {match} = board;
            assert.ok(match.kind === "firmware");
            for (const name of match.compatible) {
                const found = recogniseBoard(boards, facts({arch: board.arch, compatible: [name]}));
                assert.equal(found.board?.id, board.id);
                const claims = firmware.filter(
                    (other) =>
                        other.match.kind === "firmware" && other.match.compatible.includes(name),
                );
                assert.equal(claims.length, 1, name);
            }
        }
        const generic = boards.filter(({match}) => match.kind === "arch").map(({arch}) => arch);
        assert.equal(new Set(generic).size, generic.length);
    });
});

function facts(change: Partial<HardwareFacts>): HardwareFacts {
    return {arch: "amd64", dmi: {}, compatible: [], named: "", ...change};
}

describe("recogniseBoard", () => {
    const id = (change: Partial<HardwareFacts>) =>
        recogniseBoard(boards, facts(change)).board?.id ?? null;
    const apu = (name: string) => ({
        sys_vendor: "PC Engines",
        product_name: name,
        board_name: name,
    });
    const q35 = {sys_vendor: "QEMU", product_name: "Standard PC (Q35 + ICH9, 2009)"};

    it("knows the variants of the APU by their DMI names", () => {
        for (const name of ["apu2", "APU2", "PC Engines apu2", "APU3", "apu4"]) {
            assert.equal(id({dmi: apu(name)}), "pcengines-apu2", name);
        }
        assert.equal(id({dmi: apu("apu9")}), "generic-x86_64");
        assert.equal(id({dmi: {...apu("apu2"), sys_vendor: "QEMU"}}), "generic-x86_64");
    });

    it("knows QEMU's machines, by DMI and by device tree", () => {
        assert.equal(id({dmi: q35}), "qemu-x86_64");
        assert.equal(
            id({dmi: {...q35, product_name: "Standard PC (i440FX + PIIX, 1996)"}}),
            "generic-x86_64",
        );
        assert.equal(id({arch: "arm64", compatible: ["linux,dummy-virt"]}), "qemu-arm64");
        const virt = {sys_vendor: "QEMU", product_name: "QEMU Virtual Machine"};
        assert.equal(id({arch: "arm64", dmi: virt}), "qemu-arm64");
    });

    it("prefers what stands first in the device tree, whatever order manifests have", () => {
        const compatible = ["friendlyarm,nanopi-r4s", "linux,dummy-virt"];
        assert.equal(id({arch: "arm64", compatible}), "nanopi-r4s");
        assert.equal(id({arch: "arm64", compatible: compatible.toReversed()}), "qemu-arm64");
        const turned = boards.toReversed();
        const found = recogniseBoard(turned, facts({arch: "arm64", compatible}));
        assert.equal(found.board?.id, "nanopi-r4s");
        assert.equal(found.why, 'the device tree is compatible with "friendlyarm,nanopi-r4s"');
    });

    it("says why, and falls back on the architecture's manifest or on none", () => {
        const apu2 = recogniseBoard(boards, facts({dmi: apu("apu2")}));
        assert.equal(apu2.why, 'sys_vendor is "PC Engines", board_name is "apu2"');
        assert.equal(id({}), "generic-x86_64");
        const none = recogniseBoard(boards, facts({arch: "arm64"}));
        assert.deepEqual(none, {board: null, why: noBoard});
        assert.equal(id({arch: null, dmi: q35}), null);
        assert.equal(id({arch: "arm64", dmi: q35}), null, "the architecture counts");
        assert.equal(id({compatible: ["friendlyarm,nanopi-r4s"]}), "generic-x86_64");
    });

    it("takes the one that is named, and tells of a name that is none", () => {
        assert.equal(id({dmi: q35, named: "sim"}), "sim");
        const typo = recogniseBoard(boards, facts({dmi: q35, named: "smi"}));
        assert.equal(typo.board?.id, "qemu-x86_64");
        assert.match(typo.why, /carpd\.board=smi: there is no such manifest/);
        assert.ok(boards.every(({id: each}) => each === "sim" || id({named: each}) === each));
    });

    it("prefers more DMI fields to fewer", () => {
        const base = boardOf("qemu-x86_64");
        assert.ok(base.match.kind === "firmware");
        const dmi = {...base.match.dmi, board_name: ["special"]};
        const special: Board = {...base, id: "special", match: {...base.match, dmi}};
        const all = [base, special];
        const at = (board_name: string) =>
            recogniseBoard(all, facts({dmi: {...q35, board_name}})).board?.id;
        assert.equal(at("special"), "special");
        assert.equal(at("other"), "qemu-x86_64");
    });
});
