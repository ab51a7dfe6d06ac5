/**
 * The routes that the parts bring along, asked with bodies, paths and methods that nobody means:
 * each answer is a legal one or a refusal in the form of all refusals, and nothing fails inside.
 */
import assert from "node:assert/strict";
import {request} from "node:http";
import {test} from "node:test";
import {errorOf, parseJson} from "../../src/core/control-protocol.ts";
import {accessStand} from "./access-stand.ts";
import {secretMark} from "./model-edits.ts";
import {ModelStand} from "./model-stand.ts";
import {type Dice, dice} from "./seeded.ts";

/** Right bodies, of which the wrong ones are made. */
const bodies: readonly (readonly [path: string, body: Readonly<Record<string, unknown>>])[] = [
    ["configuration/show", {source: "running", form: "toml", secrets: false}],
    ["configuration/show", {source: 0, form: "commands", secrets: false}],
    ["configuration/open", {}],
    ["configuration/edit", {line: "set carp carp0 advskew 7", context: []}],
    ["configuration/edit", {line: "set vhid 7", context: ["carp", "lan"]}],
    ["configuration/compare", {with: 0}],
    ["configuration/validate", {}],
    ["configuration/commit", {confirmedMinutes: 3, remark: "why", force: false}],
    ["configuration/confirm", {}],
    ["configuration/rollback", {number: 0}],
    ["configuration/load", {text: "[options]\npreempt = true\n", merge: false}],
    ["configuration/load", {text: "set options preempt true", merge: true}],
    ["configuration/save", {}],
    ["configuration/discard", {}],
    ["configuration/close", {}],
    ["configuration/for-peer", {peer: "freebsd", secrets: false, map: {eth1: "em0"}}],
    ["bsd", {line: "ifconfig carp0 advskew 3"}],
    ["bsd", {line: "sysctl net.inet.carp.preempt"}],
    ["import", {files: [{name: "rc.conf", text: 'ifconfig_em0="x"'}], kind: "freebsd", map: {}}],
    ["ping", {address: "192.0.2.1", count: 1}],
    ["doctor", {}],
    ["system", {}],
    ["why", {}],
    ["history", {}],
    ["maintenance", {on: true, untilSeconds: 60}],
    ["demote", {reason: "operator", level: 3, add: false, group: ""}],
];
const accessBodies: typeof bodies = [
    ["login", {user: "admin", password: "correct horse", origin: "ttyS0"}],
    ["login/first", {password: "correct horse", origin: "ttyS0"}],
    ["users", {name: "vic", role: "operator", password: "long enough"}],
    ["session", {}],
    ["logout", {}],
];

const oddTexts = [
    ...[
        "",
        " ",
        "\u0000",
        "\ud800",
        "\udc00x",
        "\u202e",
        "../../etc/passwd",
        "\r\n\r\nHTTP/1.1 200",
    ],
    ...[
        "__proto__",
        "constructor",
        "toString",
        "carp0",
        "carp",
        "1e9",
        "NaN",
        "'\"",
        "\\u12",
        "%00",
    ],
    ...["[[carp]]\n", "a = {b = {c = 1}}", "x = 1\r", "set carp carp0 vhid 256", "ifconfig 'carp0"],
    ...["ifconfig carp0 && ifconfig carp0 down", "sysctl -w net.inet.carp.=1", "ifconfig -g -g"],
    ...["ifconfig carp0 vhid 1 vhid", "ifconfig carp0 192.168.1.1/33", "sysctl", "ifconfig \\\n"],
];
const oddNumbers = [0, -1, 0.5, 1e308, 2 ** 53, -0, 120, 121, 999, 1000];

function anything(roll: Dice, depth = 0): unknown {
    const {below, pick} = roll;
    switch (below(depth > 3 ? 5 : 8)) {
        case 0:
            return pick([null, true, false]);
        case 1:
            return pick(oddNumbers);
        case 2:
        case 3:
            return pick(oddTexts);
        case 4:
            return pick(oddTexts).repeat(1 + below(40));
        case 5:
            return Array.from({length: below(6)}, () => anything(roll, depth + 1));
        default:
            return someObject(roll, depth);
    }
}

function someObject(roll: Dice, depth: number): object {
    const keys = Array.from({length: roll.below(4)}, () =>
        roll.pick([...oddTexts, "name", "text"]),
    );
    return Object.fromEntries(keys.map((key) => [key, anything(roll, depth + 1)]));
}

/** As text: JSON.stringify would not write all that a client can. */
function wrongBody(roll: Dice, body: Readonly<Record<string, unknown>>): Uint8Array {
    const {below, oneIn, pick, octets} = roll;
    const text = (value: unknown) => Buffer.from(JSON.stringify(value));
    const entries = Object.entries(body);
    switch (below(10)) {
        case 0:
            return text(anything(roll));
        case 1:
            return octets(below(200));
        case 2: {
            const whole = text(body);
            return whole.subarray(0, below(whole.length + 1));
        }
        case 3:
            return Buffer.from(`${"[".repeat(below(20_000))}1`);
        case 4: {
            const deep = below(2000);
            const [key = "text"] = entries[0] ?? [];
            return Buffer.from(`{"${key}": ${'{"a":'.repeat(deep)}1${"}".repeat(deep)}}`);
        }
        case 5:
            return Buffer.from(
                `{"__proto__": {"role": "admin"}, ${text(body).toString().slice(1)}`,
            );
        case 6:
        case 7: {
            // One value, and often of the right kind.
            const [key = "", value] = pick(entries.length === 0 ? [["", 0]] : entries);
            const other = typeof value === "string" ? pick(oddTexts) : anything(roll);
            return text({...body, [key]: oneIn(3) ? anything(roll) : other});
        }
        default: {
            const changed = entries.map(([key, value]) => [key, oneIn(2) ? anything(roll) : value]);
            if (oneIn(4)) changed.push([pick(oddTexts), anything(roll)]);
            return text(Object.fromEntries(changed.filter(() => !oneIn(8))));
        }
    }
}

function wrongPath({below, pick}: Dice, path: string): string {
    const whole = `/v1/${path}`;
    const odd = [
        "%",
        "%00",
        "%ff",
        "%2e%2e",
        "//",
        "?x=1",
        "#",
        "/",
        ";",
        "%F0%9F%98%80",
        "/:name",
    ];
    const at = below(whole.length + 1);
    return pick([
        whole,
        whole,
        whole,
        whole,
        whole,
        whole,
        whole.slice(0, at) + pick(odd) + whole.slice(at),
    ]);
}

interface Asked {
    readonly status: number;
    readonly text: string;
}

function ask(
    socketPath: string,
    token: string,
    {method, path, body}: {method: string; path: string; body: Uint8Array},
): Promise<Asked> {
    return new Promise((resolve, reject) => {
        // Node gives no length to the body of a GET, which is then another request.
        const headers = {authorization: `Bearer ${token}`, "content-length": body.length};
        const call = request({socketPath, method, path, headers, agent: false}, (response) => {
            const chunks: Buffer[] = [];
            response.on("data", (chunk: Buffer) => chunks.push(chunk));
            response.on("error", reject);
            response.on("end", () => {
                const text = Buffer.concat(chunks).toString("utf8");
                resolve({status: response.statusCode ?? 0, text});
            });
        });
        call.on("error", reject);
        call.end(body);
    });
}

/** `told`: what was asked. Statuses of the 5xx kind are for what the system refuses. */
function legal({status, text}: Asked, told: string): void {
    const body = parseJson(text);
    assert.ok(body !== undefined, `${told}: ${status} ${text.slice(0, 200)}`);
    if (status >= 200 && status < 300) return;
    assert.ok(status >= 400 && status < 500, `${told}: ${status} ${text.slice(0, 300)}`);
    const error = errorOf(body);
    assert.ok(error !== null && /^[A-Z_]+$/u.test(error.code), `${told}: ${text.slice(0, 200)}`);
    assert.ok(error.message !== "" && error.expected !== "", `${told}: ${text.slice(0, 200)}`);
}

const methods = [...Array<string>(12).fill("POST"), "GET", "DELETE", "PUT", "PATCH"];

test("wrong bodies, paths and methods to configuration and operations", {
    timeout: 60_000,
}, async (t) => {
    const text = `[[carp]]\ncarpdev = "eth1"\nvhid = 1\npass = "${secretMark}1"\n`;
    const stand = await ModelStand.start(t, text);
    const roll = dice(4);
    const admin = stand.logIn("admin", "admin", "ttyS0");
    const viewer = stand.logIn("vic", "operator", "ttyS1");
    const statuses = new Map<number, number>();
    for (let i = 0; i < 4000; i += 1) {
        const [name, body] = roll.pick(bodies);
        const asked = {
            method: roll.pick(methods),
            path: wrongPath(roll, name),
            body: roll.oneIn(6) ? Buffer.from(JSON.stringify(body)) : wrongBody(roll, body),
        };
        const session = roll.pick([admin, admin, viewer]);
        const sent = Buffer.from(asked.body).toString("latin1").slice(0, 300);
        const told = `${i} ${session.role} ${asked.method} ${asked.path} ${sent}`;
        const reply = await ask(stand.socket, session.id, asked);
        legal(reply, told);
        if (session === viewer) assert.ok(!reply.text.includes(secretMark), told);
        statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1);
    }
    assert.deepEqual(stand.bugs, []);
    t.diagnostic(JSON.stringify([...statuses].sort(([a], [b]) => a - b)));
    for (const status of [200, 400, 403, 404, 405, 409, 422]) assert.ok(statuses.has(status));
});

test("wrong bodies to log-in and users", {timeout: 60_000}, async (t) => {
    const stand = await accessStand(t);
    const token = await stand.first();
    const roll = dice(5);
    const {socket, bugs} = stand.control;
    for (let i = 0; i < 1500; i += 1) {
        const [name, body] = roll.pick(accessBodies);
        const asked = {
            method: roll.pick(methods),
            path: wrongPath(roll, roll.oneIn(6) ? `users/${encodeURIComponent("vic\n")}` : name),
            body: wrongBody(roll, body),
        };
        const sent = Buffer.from(asked.body).toString("latin1").slice(0, 300);
        const told = `${i} ${asked.method} ${asked.path} ${sent}`;
        legal(await ask(socket, roll.pick([token, token, "", "x"]), asked), told);
        // Guesses cost time; here it costs none.
        await stand.clock.advance(1000 * roll.below(100));
    }
    assert.deepEqual(bugs, []);
});
