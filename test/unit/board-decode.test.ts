/** The decoder of board manifests against the schema: what one refuses the other refuses. */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {join} from "node:path";
import {describe, it} from "node:test";
import {Ajv2020} from "ajv/dist/2020.js";
import {decodeBoard} from "../../src/core/board-decode.ts";
import {formatDiagnostics} from "../../src/core/diagnostic.ts";

const parse = (text: string): unknown => JSON.parse(text);
const file = join(import.meta.dirname, "../../../board/schema.json");
const schema = parse(readFileSync(file, "utf8"));
assert.ok(typeof schema === "object" && schema !== null);
const validate = new Ajv2020({allErrors: true, strict: true}).compile(schema);

/** Complete and correct; what is damaged below is damaged in this. */
const sound = `{
    "schema": 1,
    "id": "box",
    "name": "A box",
    "arch": "amd64",
    "match": {"dmi": {"sys_vendor": ["Maker"], "board_name": ["box"]}},
    "console": {"tty": "ttyS0", "baud": 115200, "flow": "none"},
    "serial": [{"tty": "ttyS1", "baud": 9600}],
    "nics": [
        {"name": "lan0", "label": "LAN", "paths": ["pci-0000:01:00.0"]},
        {"name": "wan0", "label": "WAN"}
    ],
    "leds": {
        "status": {"name": "green:status", "colors": ["green"]},
        "role": {"name": "rgb:role", "kind": "multicolor", "colors": ["red", "green", "blue"]},
        "vhid:7": {"name": "green:seven"},
        "port:lan0": {"name": "green:lan"}
    },
    "buttons": {"reset": {"input": "gpio-keys", "code": "KEY_RESTART", "holdSec": 10}},
    "watchdog": {"module": "iTCO_wdt", "timeoutSec": 20},
    "storage": {"media": ["sd", "emmc"], "minMiB": 1024},
    "boot": {"method": "uboot-efi", "dtb": "vendor/box.dtb", "cmdline": ["quiet"]},
    "modules": ["leds-box"]
}
`;

interface Damage {
    readonly what: string;
    readonly from: string;
    readonly to: string;
    /** Of the printed diagnostics. */
    readonly says: RegExp;
    /** The schema cannot see it: it relates two places to each other. */
    readonly decoderOnly?: true;
}

const damages: readonly Damage[] = [
    {
        what: "schema 2",
        from: '"schema": 1',
        to: '"schema": 2',
        says: /^box\.json:2:15: schema must be 1\.\.1\n {4}"schema": 2,\n {14}\^ expected an integer from 1/,
    },
    {what: "no schema", from: '"schema": 1,', to: "", says: /1:1: the manifest lacks "schema"/},
    {what: "an id with blanks", from: '"id": "box"', to: '"id": "a box"', says: /3:11: id must be/},
    {what: "an empty name", from: '"A box"', to: '""', says: /4:13: name must be/},
    {
        what: "an unknown architecture",
        from: '"amd64"',
        to: '"amd46"',
        says: /5:13: arch must be one of .*\n.*\n.*\nhint: did you mean amd64\?/,
    },
    {
        what: "an unknown key",
        from: '"modules"',
        to: '"moduls"',
        says: /unknown key "moduls" in the manifest\n.*\n.*\nhint: did you mean modules\?/,
    },
    {
        what: "no match",
        from: '"match": {"dmi": {"sys_vendor": ["Maker"], "board_name": ["box"]}},',
        to: "",
        says: /lacks "match"/,
    },
    {
        what: "an empty match",
        from: '{"dmi": {"sys_vendor": ["Maker"], "board_name": ["box"]}}',
        to: "{}",
        says: /6:14: match says nothing/,
    },
    {
        what: "a match of an unknown word",
        from: '{"dmi": {"sys_vendor": ["Maker"], "board_name": ["box"]}}',
        to: '"all"',
        says: /6:14: match must not be/,
    },
    {
        what: "an unknown DMI field",
        from: '"board_name"',
        to: '"board_nam"',
        says: /unknown key "board_nam" in match\.dmi/,
    },
    {
        what: "a DMI field without values",
        from: '["Maker"]',
        to: "[]",
        says: /sys_vendor must be an array that is not empty/,
    },
    {
        what: "a DMI value that is no string",
        from: '["Maker"]',
        to: "[1]",
        says: /each element of sys_vendor must be a string/,
    },
    {
        what: "a compatible string without a vendor",
        from: '{"dmi": {"sys_vendor": ["Maker"], "board_name": ["box"]}}',
        to: '{"compatible": ["box"]}',
        says: /compatible must be/,
    },
    {
        what: "a console with a path",
        from: '"ttyS0"',
        to: '"/dev/ttyS0"',
        says: /tty must be a serial port without \/dev\//,
    },
    {what: "a speed that is none", from: "115200", to: "115201", says: /baud must be a speed/},
    {
        what: "a speed in quotes",
        from: "115200",
        to: '"115200"',
        says: /baud must be an integer, not a string/,
    },
    {
        what: "the console without a speed",
        from: '"baud": 115200, ',
        to: "",
        says: /a serial port lacks "baud"/,
    },
    {
        what: "serial not as a list",
        from: '[{"tty": "ttyS1", "baud": 9600}]',
        to: '{"tty": "ttyS1", "baud": 9600}',
        says: /serial must be an array, not an object/,
    },
    {
        what: "no ports",
        from: '"nics": [',
        to: '"nic": [',
        says: /the manifest lacks "nics"/,
    },
    {
        what: "a port with a long name",
        from: '"wan0"',
        to: '"wan0123456789012"',
        says: /name must be a letter and at most 14/,
    },
    {
        what: "a port without a label",
        from: ', "label": "WAN"',
        to: "",
        says: /11:9: a port lacks "label"/,
    },
    {
        what: "a path with a glob",
        from: '"pci-0000:01:00.0"',
        to: '"pci-0000:*"',
        says: /paths must be/,
    },
    {
        what: "a path of another kind",
        from: '"pci-0000:01:00.0"',
        to: '"0000:01:00.0"',
        says: /paths must be/,
    },
    {
        what: "an unknown role",
        from: '"status":',
        to: '"statsu":',
        says: /14:9: there is no LED role "statsu"\n.*\n {8}\^{8} expected status, role, fault.*\nhint: did you mean status\?/,
    },
    {what: "vhid 0", from: "vhid:7", to: "vhid:0", says: /no LED role "vhid:0"/},
    {what: "vhid 256", from: "vhid:7", to: "vhid:256", says: /no LED role "vhid:256"/},
    {what: "vhid with a zero", from: "vhid:7", to: "vhid:07", says: /no LED role "vhid:07"/},
    {
        what: "a port that there is not",
        from: "port:lan0",
        to: "port:lan1",
        says: /17:9: the LED "port:lan1" is for a port that nics does not name\n.*\n.*expected one of port:lan0, port:wan0\nhint: did you mean lan0\?/,
        decoderOnly: true,
    },
    {
        what: "an LED with a path",
        from: '"green:status"',
        to: '"../green"',
        says: /name must be the folder's name/,
    },
    {
        what: "an LED without a name",
        from: '"name": "green:seven"',
        to: "",
        says: /an LED lacks "name"/,
    },
    {
        what: "an unknown colour",
        from: '"colors": ["green"]',
        to: '"colors": ["gren"]',
        says: /colors must be an array of "white"/,
    },
    {
        what: "a single LED with two colours",
        from: '"colors": ["green"]',
        to: '"colors": ["green", "red"]',
        says: /a single LED has one colour/,
    },
    {
        what: "a multicolor LED without colours",
        from: ', "colors": ["red", "green", "blue"]',
        to: "",
        says: /a multicolor LED has several colours/,
    },
    {what: "an unknown kind", from: '"multicolor"', to: '"rgb"', says: /kind must be one of/},
    {
        what: "an unknown key of an LED",
        from: '"kind"',
        to: '"type"',
        says: /unknown key "type" in an LED/,
    },
    {
        what: "an unknown button",
        from: '"reset"',
        to: '"power"',
        says: /unknown key "power" in buttons/,
    },
    {
        what: "a button held for 0 s",
        from: '"holdSec": 10',
        to: '"holdSec": 0',
        says: /holdSec must be 1\.\.60/,
    },
    {what: "a key that is none", from: "KEY_RESTART", to: "RESTART", says: /code must be a key/},
    {
        what: "a watchdog of 0 s",
        from: '"timeoutSec": 20',
        to: '"timeoutSec": 0',
        says: /timeoutSec must be 1\.\.600/,
    },
    {
        what: "a watchdog with a fraction",
        from: '"timeoutSec": 20',
        to: '"timeoutSec": 20.5',
        says: /timeoutSec must be an integer, not a number with a fraction/,
    },
    {
        what: "a module with a path",
        from: '"leds-box"',
        to: '"leds/box"',
        says: /modules must be an array of kernel modules/,
    },
    {
        what: "a module twice",
        from: '["leds-box"]',
        to: '["a", "a"]',
        says: /modules must be an array without repeats/,
    },
    {
        what: "an unknown medium",
        from: '"emmc"]',
        to: '"floppy"]',
        says: /media must be an array of "sd"/,
    },
    {
        what: "storage without a size",
        from: ', "minMiB": 1024',
        to: "",
        says: /storage lacks "minMiB"/,
    },
    {
        what: "an unknown boot method",
        from: '"uboot-efi"',
        to: '"lilo"',
        says: /method must be one of/,
    },
    {
        what: "a device tree of another kind",
        from: "box.dtb",
        to: "box.dts",
        says: /dtb must be a device tree/,
    },
    {
        what: "a kernel word with a blank",
        from: '["quiet"]',
        to: '["quiet splash"]',
        says: /cmdline must be an array of words/,
    },
    {
        what: "two ports of one name",
        from: '"wan0"',
        to: '"lan0"',
        says: /the port "lan0" is here a second time/,
        decoderOnly: true,
    },
    {
        what: "two ports of one label",
        from: '"WAN"',
        to: '"LAN"',
        says: /the label "LAN" is here a second time/,
        decoderOnly: true,
    },
    {
        what: "two ports of one path",
        from: '"label": "WAN"',
        to: '"label": "WAN", "paths": ["pci-0000:01:00.0"]',
        says: /the path "pci-0000:01:00\.0" is another port's/,
        decoderOnly: true,
    },
    {
        what: "an LED with two roles",
        from: '"green:seven"',
        to: '"green:status"',
        says: /the LED "green:status" is here a second time/,
        decoderOnly: true,
    },
    {
        what: "a serial port twice",
        from: '"ttyS1"',
        to: '"ttyS0"',
        says: /the serial port "ttyS0" is here a second time/,
        decoderOnly: true,
    },
    {
        what: "a key twice",
        from: '"vhid:7"',
        to: '"status"',
        says: /16:9: the key "status" is here a second time/,
        decoderOnly: true,
    },
];

describe("decodeBoard", () => {
    it("reads a sound manifest, as the schema does", () => {
        const decoded = decodeBoard("box.json", sound);
        assert.ok(decoded.ok, decoded.ok ? "" : formatDiagnostics(decoded.error));
        assert.ok(validate(parse(sound)), JSON.stringify(validate.errors));
        const {value} = decoded;
        assert.deepEqual([...value.leds.keys()], ["status", "role", "vhid:7", "port:lan0"]);
        assert.deepEqual(value.leds.get("role")?.colors, ["red", "green", "blue"]);
        assert.deepEqual(value.nics[1], {name: "wan0", label: "WAN", paths: []});
        assert.deepEqual(value.console, {tty: "ttyS0", baud: 115200, flow: "none", label: ""});
        assert.deepEqual(value.boot.cmdline, ["quiet"]);
        assert.equal(value.watchdog?.timeoutSec, 20);
        assert.equal(value.buttons.get("reset")?.holdSec, 10);
    });

    for (const {what, from, to, says, decoderOnly} of damages) {
        it(`refuses ${what}${decoderOnly === true ? " (which the schema cannot)" : ", as the schema does"}`, () => {
            assert.ok(sound.includes(from), from);
            const text = sound.replace(from, to);
            const decoded = decodeBoard("box.json", tidyCommas(text));
            assert.ok(!decoded.ok);
            assert.match(formatDiagnostics(decoded.error), says);
            assert.equal(validate(parse(tidyCommas(text))), decoderOnly === true);
        });
    }

    it("refuses an id that is not the folder's name", () => {
        const wrong = decodeBoard("/somewhere/board/other/board.json", sound);
        assert.ok(!wrong.ok);
        assert.match(
            formatDiagnostics(wrong.error),
            /:3:11: the id is not.*\n.*\n.*expected "other"/,
        );
        assert.ok(decodeBoard("/somewhere/board/box/board.json", sound).ok);
    });

    it("refuses what is not JSON, with the place", () => {
        const cases: readonly (readonly [string, RegExp])[] = [
            ["", /^b:1:1: a value is missing/],
            ["[]", /^b:1:1: this is not an object/],
            ["{}{", /^b:1:3: more text after the object/],
            [
                '{\n  "a": 1\n  "b": 2\n}',
                /^b:3:3: a comma or the end is missing\n {2}"b": 2\n {2}\^ expected , or }/,
            ],
            ['{"a" 1}', /^b:1:6: a key without a value/],
            ['{"a": 01}', /^b:1:8: a comma or the end is missing/],
            ['{"a": "x\n"}', /^b:1:7: the string is not a JSON string/],
            ['{"a": nothing}', /^b:1:7: a value is missing or is not JSON/],
            ['{"a": null}', /^b:1:7: null says nothing/],
            ["{a: 1}", /^b:1:2: something else than a string/],
            ['{"a": [1,]}', /^b:1:10: a value is missing/],
            [`{"a": ${"[".repeat(40)}`, /nested too deeply/],
            ['{"a": 1', /^b:1:8: a comma or the end is missing/],
        ];
        for (const [text, says] of cases) {
            const decoded = decodeBoard("b", text);
            assert.ok(!decoded.ok, text);
            assert.match(formatDiagnostics(decoded.error), says, text);
        }
    });

    it("reports everything that is wrong, in order", () => {
        const text = sound
            .replace('"ttyS0"', "5")
            .replace('"status":', '"x":')
            .replace("1024", "-1");
        const decoded = decodeBoard("box.json", text);
        assert.ok(!decoded.ok);
        assert.deepEqual(
            decoded.error.map(({line}) => line),
            [7, 14, 21],
        );
    });
});

/** A key that was taken out leaves its comma behind. */
function tidyCommas(text: string): string {
    return text.replace(/\{\s*,/u, "{").replace(/,(\s*\})/u, "$1");
}
