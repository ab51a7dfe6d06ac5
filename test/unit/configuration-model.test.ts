/**
 * Random commands of several sessions to the real control server, on a real folder: after every
 * step all that can be seen is what a simple model says. Time, hand edits and restarts in between.
 */
import assert from "node:assert/strict";
import {test} from "node:test";
import type {Session} from "../../src/core/control-session.ts";
import {meant, randomFile, randomLine, readTree, secretMark} from "./model-edits.ts";
import {ModelStand, member, type Reply} from "./model-stand.ts";
import {type Dice, dice, weighted} from "./seeded.ts";

const firstText = [
    "# the LAN gateway",
    "[[carp]]",
    'carpdev = "eth1"   # the switch in the rack',
    "vhid = 1",
    `pass = "${secretMark}first"`,
    'addresses = ["192.168.1.1/24"]',
    "",
    "[[carp]]",
    'name = "dmz"',
    'carpdev = "eth2"',
    "vhid = 1",
    "",
].join("\n");

const weights = {
    open: 14,
    edit: 60,
    validate: 5,
    commit: 22,
    confirm: 7,
    rollback: 6,
    load: 3,
    merge: 3,
    discard: 3,
    close: 3,
    bsd: 8,
    logOut: 2,
    advance: 7,
    restart: 3,
    byHand: 3,
    look: 6,
};

class Driver {
    readonly stand: ModelStand;
    readonly roll: Dice;
    readonly sessions: Session[];
    /** How often each reply came: a test in which nothing succeeds proves nothing. */
    readonly tally = new Map<string, number>();
    told = "";

    constructor(stand: ModelStand, roll: Dice) {
        this.stand = stand;
        this.roll = roll;
        this.sessions = [
            stand.logIn("admin", "admin", "ttyS0"),
            stand.logIn("bea", "admin", "ssh"),
            stand.logIn("vic", "operator", "ttyS1"),
        ];
    }

    async step(): Promise<void> {
        // Little can be done while no candidate is open.
        const opens = this.stand.model.candidate === null && this.roll.oneIn(3);
        const what = opens ? "open" : weighted(this.roll, weights);
        const session = this.who();
        this.told = `${what} by ${session.user}`;
        await this.act(what, session);
        const looking = this.sessions[0];
        assert.ok(looking !== undefined);
        await this.stand.check(looking, this.roll.below(6));
    }

    /** Mostly the one who holds the candidate. */
    who(): Session {
        const {below, oneIn, pick} = this.roll;
        const holder = this.stand.model.candidate?.holder;
        if (holder !== undefined && below(5) > 0) return holder;
        return pick(oneIn(3) ? this.sessions : this.sessions.slice(0, 2));
    }

    expect(what: string, reply: Reply, expected: string): void {
        const key = `${what} ${reply.said}`;
        this.tally.set(key, (this.tally.get(key) ?? 0) + 1);
        assert.equal(reply.said, expected, JSON.stringify(reply.body));
    }

    async act(what: string, session: Session): Promise<void> {
        const {stand, roll} = this;
        const {model} = stand;
        switch (what) {
            case "open":
                return this.expect(what, await stand.ask(session, what), model.open(session));
            case "edit":
                return this.edit(session);
            case "validate": {
                const reply = await stand.ask(session, what);
                const none = model.candidate === null ? "409 NO_CANDIDATE" : "200";
                return this.expect(what, reply, session.role === "admin" ? none : "403 FORBIDDEN");
            }
            case "commit":
                return this.commit(session, roll.oneIn(6));
            case "confirm":
                return this.expect(what, await stand.ask(session, what), model.confirm(session));
            case "rollback": {
                const number = roll.below(5);
                const reply = await stand.ask(session, what, {number});
                return this.expect(what, reply, model.rollback(session, number));
            }
            case "load":
                return this.load(session);
            case "merge":
                return this.merge(session);
            case "discard":
                return this.expect(what, await stand.ask(session, what), model.discard(session));
            case "close":
                return this.expect(what, await stand.ask(session, what), model.close(session));
            case "bsd":
                return this.bsd(session);
            case "logOut":
                return this.logOut(session);
            case "advance":
                return stand.advance(roll.below(40) * 30_000);
            case "restart":
                return stand.restart();
            case "byHand":
                return this.byHand(session);
            default:
                return this.look(session);
        }
    }

    async text(session: Session): Promise<string> {
        return String(member(await this.stand.ask(session, "save"), "text"));
    }

    async edit(session: Session): Promise<void> {
        const {line, context, apply} = randomLine(this.roll);
        this.told += ` ${JSON.stringify({line, context})}`;
        const reply = await this.stand.ask(session, "edit", {line, context});
        await this.changed("edit", session, reply, (tree) => apply(tree));
    }

    async merge(session: Session): Promise<void> {
        const lines = Array.from({length: this.roll.below(4)}, () => randomLine(this.roll));
        const whole = lines.filter(({context, line}) => context.length === 0 && line !== "");
        const text = ["# pasted", ...whole.map(({line}) => line)].join("\n");
        this.told += ` ${JSON.stringify(text)}`;
        const reply = await this.stand.ask(session, "load", {text, merge: true});
        await this.changed("merge", session, reply, (tree) =>
            whole.every(({apply}) => apply(tree)),
        );
    }

    /** A change of the candidate, of which the model knows the meaning and not the layout. */
    async changed(
        what: string,
        session: Session,
        reply: Reply,
        apply: (tree: ReturnType<typeof readTree>) => boolean,
    ): Promise<void> {
        const {model} = this.stand;
        const may = model.own(session);
        const {candidate} = model;
        if (may !== "200" || candidate === null) return this.expect(what, reply, may);
        const tree = readTree(candidate.text);
        const legal = apply(tree);
        this.expect(what, reply, legal ? "200" : "422 BAD_EDIT");
        if (!legal) return;
        const text = await this.text(session);
        assert.equal(member(reply, "changed"), text !== candidate.text);
        assert.deepEqual(meant(readTree(text)), meant(tree));
        candidate.text = text;
    }

    async load(session: Session): Promise<void> {
        const {model} = this.stand;
        const {text, toml} = randomFile(this.roll);
        const reply = await this.stand.ask(session, "load", {text, merge: false});
        const may = model.own(session);
        this.expect("load", reply, may === "200" && !toml ? "422 BAD_EDIT" : may);
        if (may === "200" && toml && model.candidate !== null) model.candidate.text = text;
    }

    async commit(session: Session, force: boolean): Promise<void> {
        const {roll, stand} = this;
        const confirmedMinutes = roll.oneIn(3) ? null : 1 + roll.below(20);
        const wish = {confirmedMinutes, remark: roll.pick(["", "ticket 7"]), force};
        this.told += ` ${JSON.stringify(wish)}`;
        const reply = await stand.ask(session, "commit", wish);
        const {running} = stand.model;
        this.expect("commit", reply, stand.model.commit(session, wish));
        if (reply.status !== 200) return;
        assert.equal(member(reply, "confirmBy"), stand.model.confirmBy);
        const changes = member(reply, "changes");
        assert.ok(Array.isArray(changes));
        const [before, after] = [readTree(running), readTree(stand.model.running)].map(meant);
        // One that only says what is so without it changes nothing either.
        if (changes.length > 0) assert.notDeepEqual(after, before);
    }

    async bsd(session: Session): Promise<void> {
        const {roll, stand} = this;
        const {model} = stand;
        const name = roll.pick(["carp0", "carp1", "dmz", "lan"]);
        const level = roll.below(3);
        const line = roll.pick([
            `ifconfig ${name} advskew ${level * 100}`,
            `ifconfig ${name} pass ${secretMark}${roll.below(1000)}`,
            `ifconfig ${roll.oneIn(3) ? name : "carp7"} destroy`,
            `sysctl -w net.inet.carp.preempt=${level % 2}`,
            "ifconfig",
            "sysctl net.inet.carp.preempt",
            `ifconfig ${name} advskew 300`,
        ]);
        this.told += ` ${line}`;
        const changing = /=|advskew|pass|destroy/u.test(line);
        const tree = readTree(model.running);
        const before = meant(tree);
        const block = tree.carp.find((one, i) => (one.name ?? `carp${i}`) === name);
        const reply = await stand.type(session, line);
        if (session.role !== "admin" && changing) {
            return this.expect("bsd", reply, "403 FORBIDDEN");
        }
        this.expect("bsd", reply, "200");
        const about =
            !line.startsWith("ifconfig ") || (block !== undefined && !line.includes("7 d"));
        const refused = changing && (!about || line.endsWith("300"));
        const error = String(member(reply, "error"));
        assert.equal(error !== "", refused, error);
        if (refused || !changing) return assert.deepEqual(stand.meaning(), before);
        if (line.includes("preempt")) tree.options.set("preempt", level % 2 === 1);
        else if (line.includes("advskew")) block?.values.set("advskew", level * 100);
        else if (line.includes("pass")) block?.values.set("pass", line.split(" ").at(-1));
        else if (block !== undefined) {
            tree.carp.forEach((one, i) => {
                one.name ??= `carp${i}`;
            });
            tree.carp.splice(tree.carp.indexOf(block), 1);
        }
        assert.deepEqual(stand.meaning(), meant(tree));
        const looking = this.sessions[0];
        assert.ok(looking !== undefined);
        const shown = await stand.ask(looking, "show", {source: "running", secrets: true});
        const text = stand.fileText();
        assert.equal(member(shown, "text"), text);
        model.commitBeside(session, line.replace(/hush-\d+/u, "****"), text);
    }

    logOut(session: Session): void {
        const {stand, sessions} = this;
        stand.logOut(session);
        const {user, role, origin} = session;
        sessions[sessions.indexOf(session)] = stand.logIn(user, role, origin);
    }

    /** carpd.toml changed behind carpd's back: a commit says so, and a reload takes it over. */
    async byHand(session: Session): Promise<void> {
        const {roll, stand} = this;
        const {running} = stand.model;
        stand.editFile(`${running}# by hand ${roll.below(1000)}\n`);
        if (roll.oneIn(2)) await this.commit(session, roll.oneIn(2));
        await stand.reload();
    }

    async look(session: Session): Promise<void> {
        const {roll, stand} = this;
        const secrets = roll.oneIn(3);
        const source = roll.pick(["running", "candidate", 0, 1, 7]);
        const form = roll.pick(["toml", "commands"]);
        const reply = await stand.ask(session, "show", {source, form, secrets});
        if (secrets && session.role !== "admin") this.expect("look", reply, "403 FORBIDDEN");
        else assert.ok([200, 404, 409, 422].includes(reply.status), reply.said);
        if (!secrets) assert.ok(!JSON.stringify(reply.body).includes(secretMark));
        const compared = await stand.ask(session, "compare", {with: roll.pick(["running", 0, 9])});
        assert.ok(!JSON.stringify(compared.body).includes(secretMark));
    }
}

/** Others can be asked for, to hunt. */
const seeds = (process.env.CARP_MODEL_SEEDS ?? "1,2,3,4,5").split(",").map(Number);
const timeout = 20_000 * seeds.length;

test("2,000 random commands: the server is what the model is", {timeout}, async (t) => {
    const tally = new Map<string, number>();
    for (const seed of seeds) {
        const driver = new Driver(await ModelStand.start(t, firstText), dice(seed));
        for (let step = 0; step < 400; step += 1) {
            try {
                await driver.step();
            } catch (error) {
                const {model} = driver.stand;
                const where = `seed ${seed} step ${step}: ${driver.told}`;
                const why = error instanceof Error ? error.message : String(error);
                throw new Error(`${where}: ${why}\n${JSON.stringify(model, null, 1)}`);
            }
        }
        for (const [key, times] of driver.tally) tally.set(key, (tally.get(key) ?? 0) + times);
    }
    t.diagnostic(JSON.stringify(Object.fromEntries(tally)));
    for (const often of [
        ...["edit 200", "edit 422 BAD_EDIT", "commit 200", "commit 422 BAD_CONFIG"],
        ...["commit 409 OUT_OF_DATE", "confirm 200", "rollback 200", "open 409 CANDIDATE_HELD"],
        ...["merge 200", "load 200", "bsd 200"],
    ]) {
        assert.ok((tally.get(often) ?? 0) >= 3, `${often}: ${tally.get(often) ?? 0} times`);
    }
});

test("everything at once: whatever the order, disk, engine and history agree", {
    timeout,
}, async (t) => {
    const stand = await ModelStand.start(t, firstText);
    const roll = dice(41);
    const admin = stand.logIn("admin", "admin", "ttyS0");
    const other = stand.logIn("bea", "admin", "ssh");
    const viewer = stand.logIn("vic", "operator", "ttyS1");
    const commit = {confirmedMinutes: 1, remark: "", force: true};
    let refused = 0;
    for (let round = 0; round < 40; round += 1) {
        const many = Array.from({length: 12}, () => {
            const skew = roll.below(200);
            const session = roll.pick([admin, admin, other, viewer]);
            const line = `set carp carp0 advskew ${skew}`;
            return roll.pick([
                () => stand.ask(session, "open"),
                () => stand.ask(session, "edit", {line, context: []}),
                () => stand.ask(session, "commit", roll.oneIn(2) ? commit : {force: true}),
                () => stand.ask(session, "confirm"),
                () => stand.ask(session, "rollback", {number: roll.below(3)}),
                () => stand.ask(session, "show", {source: "candidate"}),
                () => stand.ask(session, "close"),
                () => stand.type(session, `ifconfig carp0 advskew ${skew}`),
            ]);
        });
        const replies = Promise.all(many.map((ask) => ask()));
        if (roll.oneIn(2)) await stand.clock.advance(60_000);
        for (const {status, said} of await replies) {
            assert.ok(status < 500, said);
            if (status !== 200) refused += 1;
        }
        await stand.settled(admin);
    }
    assert.ok(refused > 20);
    // What is in force now survives the end of carpd, or what it goes back to does.
    await stand.ask(admin, "open");
    assert.equal((await stand.ask(admin, "commit", {force: true})).said, "200");
    const text = stand.fileText();
    await stand.restart();
    assert.equal(stand.fileText(), text);
});
