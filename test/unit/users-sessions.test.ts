/** How often one may guess, and how long a session lives: properties over random histories. */
import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {LocalSessions} from "../../src/app/local-sessions.ts";
import {guessLimits, LoginGuard} from "../../src/core/login-guard.ts";
import {SessionTable, sessionLimits} from "../../src/core/session-table.ts";

const second = 1_000_000n;

/** One wrong guess; how long to wait where it was refused. */
function wrong(guard: LoginGuard, origin: string, user: string, now: bigint): number | null {
    const refused = guard.begin(origin, user, now);
    if (refused !== null) return refused.retryAfter;
    guard.failed(origin, user, now);
    return null;
}

test("the delay doubles from one second, ten failures lock for 15 minutes", () => {
    const guard = new LoginGuard();
    let now = 0n;
    const delays: number[] = [];
    for (let i = 0; i < 10; i++) {
        assert.equal(guard.begin("ttyS0", "admin", now), null);
        const {retryAfter, locked, failures} = guard.failed("ttyS0", "admin", now);
        assert.equal(failures, i + 1);
        assert.equal(locked, i === 9);
        delays.push(retryAfter);
        const early = guard.begin("ttyS0", "admin", now + BigInt(retryAfter) * second - 1n);
        assert.equal(early?.why, locked ? "locked" : "delay");
        assert.equal(early?.retryAfter, 1);
        if (!locked) now += BigInt(retryAfter) * second;
    }
    assert.deepEqual(delays, [1, 2, 4, 8, 16, 32, 60, 60, 60, 900]);
    // Another port, and another user of this one after its second, are not locked.
    assert.equal(guard.begin("ttyUSB0", "admin", now), null);
    assert.equal(guard.begin("ttyS0", "ops", now + second), null);
    guard.dropped("ttyS0");
    assert.equal(guard.begin("ttyS0", "admin", now + 899n * second)?.retryAfter, 1);
    assert.equal(guard.begin("ttyS0", "admin", now + 900n * second), null);
    assert.equal(guard.failed("ttyS0", "admin", now + 900n * second).failures, 1);
});

test("success, an administrator and time forget; a refused or dropped guess counts nothing", () => {
    const guard = new LoginGuard();
    assert.equal(wrong(guard, "ttyS0", "admin", 0n), null);
    assert.equal(wrong(guard, "ttyS0", "admin", second), null);
    for (let i = 0; i < 50; i++) assert.equal(wrong(guard, "ttyS0", "admin", second), 2);
    assert.equal(guard.begin("ttyS0", "admin", 3n * second), null);
    guard.passed("ttyS0", "admin");
    assert.equal(guard.size, 0);
    assert.equal(guard.begin("ttyS0", "admin", 3n * second), null);
    guard.dropped("ttyS0");
    assert.equal(guard.size, 0);
    assert.equal(wrong(guard, "ttyS0", "admin", 4n * second), null);
    guard.forgive("admin");
    assert.equal(guard.size, 0);
    assert.equal(wrong(guard, "ttyS0", "admin", 5n * second), null);
    assert.equal(guard.begin("ttyS0", "other", 905n * second), null);
    assert.equal(guard.size, 0);
});

test("parallel guesses: one of an origin is examined, the others are told at once", () => {
    const guard = new LoginGuard();
    assert.equal(guard.begin("ttyS0", "admin", 0n), null);
    for (let i = 0; i < 20; i++) {
        assert.equal(guard.begin("ttyS0", `user${i}`, 0n)?.why, "busy");
    }
    assert.equal(guard.begin("ttyS1", "admin", 0n), null);
    assert.throws(() => guard.failed("ttyS9", "admin", 0n), /did not begin/u);
});

test("never more than ten guesses of one origin and user in 15 minutes; memory is bounded", () => {
    const step = fc.record({
        origin: fc.constantFrom("ttyS0", "ttyS1", "o2", "o3", "o4", "o5", "o6", "o7", "o8", "o9"),
        user: fc.oneof(
            {weight: 4, arbitrary: fc.constantFrom("admin", "ops")},
            {weight: 1, arbitrary: fc.string({maxLength: 4})},
        ),
        // The impatient, the one who waits as told, and the one who waits too long.
        waitMs: fc.oneof(fc.nat(1500), fc.nat(70_000), fc.nat(1_000_000)),
        obedient: fc.boolean(),
        dropped: fc.integer({min: 0, max: 9}),
    });
    fc.assert(
        fc.property(fc.array(step, {maxLength: 300, size: "max"}), (steps) => {
            const guard = new LoginGuard();
            const guesses = new Map<string, bigint[]>();
            let now = 0n;
            let told = 0;
            for (const {origin, user, waitMs, obedient, dropped} of steps) {
                now += obedient ? BigInt(told) * second : BigInt(waitMs) * 1000n;
                const refused = guard.begin(origin, user, now);
                told = refused?.retryAfter ?? 0;
                if (refused !== null) {
                    assert.ok(told >= 1 && told <= guessLimits.lockSeconds);
                    continue;
                }
                if (dropped === 0) {
                    guard.dropped(origin);
                    continue;
                }
                told = guard.failed(origin, user, now).retryAfter;
                const key = `${origin} ${user}`;
                const since = now - BigInt(guessLimits.lockSeconds) * second;
                const recent = [...(guesses.get(key) ?? []), now].filter((at) => at > since);
                guesses.set(key, recent);
                assert.ok(recent.length <= guessLimits.failures, key);
            }
            assert.ok(guard.size <= 8 * 901);
        }),
    );
});

test("a guesser as fast as allowed, with ever new names: ten for admin in 15 minutes", () => {
    const guard = new LoginGuard();
    let examined = 0;
    let forAdmin = 0;
    let largest = 0;
    for (let now = 0n; now < 3600n * second; now += second / 4n) {
        for (const user of ["admin", `name${now}`]) {
            if (wrong(guard, "ttyS0", user, now) !== null) continue;
            examined++;
            if (user === "admin") forAdmin++;
        }
        largest = Math.max(largest, guard.size);
    }
    assert.ok(forAdmin >= 10 && forAdmin <= 40, `${forAdmin}`);
    assert.ok(examined <= 3600, `${examined}`);
    assert.ok(largest <= 901, `${largest}`);
});

const admin = {user: "admin", role: "admin", origin: "ttyS0", uid: 990} as const;

test("a token is for its uid, slides for 5 minutes and ends after 12 hours", () => {
    const table = new SessionTable();
    const {session} = table.open("token", admin, 0n);
    assert.equal(table.find("token", 991, 1n, true), null);
    assert.equal(table.find("Token", 990, 1n, true), null);
    assert.equal(table.find("token", 990, 1n, true), session);
    assert.equal(table.find("token", 990, 299n * second, true), session);
    assert.equal(table.find("token", 990, 598n * second, false), session);
    // Looking without touching did not prolong it.
    assert.equal(table.find("token", 990, 599n * second, true), null);
    assert.deepEqual(table.expire(599n * second), [{session, why: "idle for 5 min"}]);
    assert.equal(table.size, 0);

    table.open("next", admin, 0n);
    let now = 0n;
    while (table.find("next", 990, now, true) !== null) now += 60n * second;
    assert.equal(now, BigInt(sessionLimits.longestSeconds) * second);
    assert.equal(table.expire(now)[0]?.why, "12 h are over");
});

test("sessions: a model of tokens says the same", () => {
    const step = fc.record({
        what: fc.constantFrom("open", "find", "look", "close", "expire"),
        which: fc.nat(40),
        waitS: fc.nat(90),
    });
    fc.assert(
        fc.property(fc.array(step, {maxLength: 200, size: "max"}), (steps) => {
            const table = new SessionTable();
            const model = new Map<string, {id: string; opened: bigint; used: bigint}>();
            const ids = new Set<string>();
            let now = 0n;
            const over = ({opened, used}: {opened: bigint; used: bigint}): boolean =>
                now - used >= 300n * second || now - opened >= 43_200n * second;
            for (const {what, which, waitS} of steps) {
                now += BigInt(waitS) * second;
                const token = `token ${which}`;
                if (what === "open") {
                    if (model.has(token)) continue;
                    for (const [key, entry] of model) if (over(entry)) model.delete(key);
                    const {session, ended} = table.open(token, admin, now);
                    assert.ok(!ids.has(session.id), "an id comes once");
                    ids.add(session.id);
                    const full = ended.filter(({why}) => why === "too many sessions");
                    for (const {session: gone} of full) {
                        const uses = [...model.values()].map(({used}) => used);
                        const [key, entry] = [...model].find(([, {id}]) => id === gone.id) ?? [];
                        assert.ok(entry !== undefined && uses.every((used) => entry.used <= used));
                        model.delete(key ?? "");
                    }
                    model.set(token, {id: session.id, opened: now, used: now});
                } else if (what === "find" || what === "look") {
                    const entry = model.get(token);
                    const alive = entry !== undefined && !over(entry);
                    const found = table.find(token, 990, now, what === "find");
                    assert.equal(found?.id ?? null, alive ? entry.id : null);
                    if (alive && what === "find") entry.used = now;
                } else if (what === "close") {
                    const id = model.get(token)?.id;
                    table.close((session) => session.id === id, "log-out");
                    model.delete(token);
                } else {
                    const gone = table.expire(now).map(({session}) => session.id);
                    const expected = [...model].filter(([, entry]) => over(entry));
                    assert.deepEqual(gone.sort(), expected.map(([, {id}]) => id).sort());
                    for (const [key] of expected) model.delete(key);
                }
                assert.equal(table.size, model.size);
                assert.ok(table.size <= sessionLimits.sessions);
            }
        }),
    );
});

test("local processes: one session each, freed when they are gone, bounded", () => {
    const gone = new Set<number>();
    const locals = new LocalSessions((pid) => !gone.has(pid));
    const first = locals.of({uid: 0, pid: 1}).session;
    assert.equal(locals.of({uid: 0, pid: 1}).session, first);
    assert.notEqual(locals.of({uid: 5, pid: 1}).session.id, first.id);
    gone.add(1);
    assert.equal(locals.sweep().length, 2);
    // The process id came round again: another process, another session.
    gone.delete(1);
    assert.notEqual(locals.of({uid: 0, pid: 1}).session.id, first.id);
    for (let pid = 2; pid <= 64; pid++) assert.deepEqual(locals.of({uid: 0, pid}).ended, []);
    locals.of({uid: 0, pid: 1});
    const [oldest] = locals.of({uid: 0, pid: 65}).ended;
    assert.equal(oldest?.why, "too many sessions");
    assert.equal(locals.size, 64);
    gone.add(7);
    assert.equal(locals.of({uid: 0, pid: 66}).ended[0]?.why, "its process is gone");
    // Of another pid namespace: nothing is known, so it is not taken for gone.
    assert.equal(locals.of({uid: 0, pid: 0}).ended.length, 1);
    gone.add(0);
    assert.deepEqual(locals.sweep(), []);
});
