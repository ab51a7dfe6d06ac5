/** What the service manager is told. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {ServiceNotifier} from "../../src/io/notify.ts";

test("datagrams of sd_notify(3)", () => {
    const sent: string[] = [];
    const notifier = new ServiceNotifier((state) => sent.push(state) > 0, {}, 1);
    notifier.ready();
    notifier.status("1 MASTER\nX=1");
    notifier.status("1 MASTER\nX=1");
    notifier.reloading(17n);
    notifier.watchdog();
    notifier.stopping();
    notifier.stopping(20_000);
    assert.deepEqual(sent, [
        "READY=1",
        "STATUS=1 MASTER X=1",
        "RELOADING=1\nMONOTONIC_USEC=17",
        "WATCHDOG=1",
        "STOPPING=1\nSTATUS=handing over",
        "STOPPING=1\nSTATUS=handing over\nEXTEND_TIMEOUT_USEC=20000000",
    ]);
});

test("the watchdog's interval is a third of the limit, and only for the process that is meant", () => {
    const interval = (usec?: string, pid?: string): number | null => {
        const environment = {WATCHDOG_USEC: usec, WATCHDOG_PID: pid};
        return new ServiceNotifier(() => true, environment, 42).watchdogIntervalMs;
    };
    assert.equal(interval("30000000", "42"), 10_000);
    assert.equal(interval("30000000"), 10_000);
    assert.equal(interval("30000000", "43"), null);
    assert.equal(interval(undefined), null);
    assert.equal(interval("abc"), null);
    assert.equal(interval("0"), null);
});
