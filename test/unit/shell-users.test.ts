/** The shell's words about users, against the real log-in behind a real socket. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {Asker} from "../../src/app/shell/asker.ts";
import {changeUsers} from "../../src/app/shell/users.ts";
import {resolve, tableFor} from "../../src/core/cli-resolve.ts";
import {cliTable} from "../../src/core/cli-table.ts";
import {showUsers} from "../../src/core/shell/show-more.ts";
import {ControlClient} from "../../src/io/control-client.ts";
import {accessStand, password} from "./access-stand.ts";

const words = tableFor(cliTable, "shell");

test("user, password and show users", async (t) => {
    const s = await accessStand(t);
    const client = new ControlClient(s.control.socket);
    client.token = await s.first();
    const typed: string[] = [];
    const prompts: string[] = [];
    let printed = "";
    const out = (text: string): void => {
        printed += text;
    };
    const asker = new Asker({
        client,
        socket: s.control.socket,
        version: "",
        prefix: "",
        complain: out,
    });
    const run = async (line: string, ...secrets: string[]): Promise<string> => {
        printed = "";
        typed.push(...secrets);
        const resolved = resolve(words, line.split(" "));
        assert.ok(resolved.ok, resolved.ok ? "" : resolved.message);
        await changeUsers(resolved.command, {
            asker,
            out,
            secret: (prompt) => {
                prompts.push(prompt);
                return Promise.resolve(typed.shift() ?? null);
            },
        });
        assert.equal(typed.length, 0, "every secret was asked for");
        return printed;
    };
    assert.match(await run("user kim operator", "looks and pings", "looks and ping"), /differ/);
    assert.match(await run("user kim operator", "looks and pings"), /nothing was changed/);
    assert.match(
        await run("user kim operator", "looks and pings", "looks and pings"),
        /kim may log in as operator/,
    );
    assert.equal((await s.login("kim", "looks and pings", "ttyS1")).status, 200);
    assert.match(await run("password", "wrong", "another word", "another word"), /wrong/i);
    await s.clock.advance(2000);
    assert.match(await run("password", password, "another word", "another word"), /was changed/);
    const listed = await asker.ask("GET", "users");
    assert.ok("value" in listed);
    assert.equal(showUsers(listed.value), "admin admin, 1 sessions\nkim operator, 1 sessions\n");
    assert.match(await run("user kim delete"), /may not log in any more/);
    assert.match(await run("user admin delete"), /only administrator/);
    assert.ok(prompts.includes("new password of kim: ") && prompts.includes("old password: "));
    for (const name of ["user", "password"]) {
        assert.ok(!resolve(tableFor(cliTable, "carpctl"), [name, "kim", "operator"]).ok);
    }
});
