/** The panel of one box: nothing configured, MASTER, demoted, without link, without daemon. */
import type {ImageCase} from "../case.ts";
import {cycle, off, on} from "../led-edges.ts";
import {panelShows} from "../panel-look.ts";

const limitMs = 60_000;

export const leds: ImageCase = {
    name: "leds",
    form: "short",
    run: async (bench) => {
        const vm = await bench.ready("a");
        // A port without configuration is down, whatever is plugged in.
        await bench.step("nothing configured: status on, role dark", () =>
            panelShows(vm, {status: on, role: off, fault: off, lan: off, wan: off}, limitMs),
        );
        await vm.console.typeAll([
            "ifconfig lan0 inet 192.168.1.2 netmask 255.255.255.0",
            "ifconfig carp0 vhid 1 pass mekmitasdigoat 192.168.1.1/24",
        ]);
        await bench.step("MASTER: role on", () =>
            panelShows(vm, {status: on, role: on, lan: on, wan: off}, limitMs),
        );
        await vm.console.type("demote 10");
        await bench.step("MASTER, but demoted: role with two gaps a second", () =>
            panelShows(vm, {status: on, role: cycle(700, 100, 100, 100)}, limitMs),
        );
        await vm.console.type("undemote");
        await vm.cable("lan", false);
        await bench.step("no link: role flickers, the port is dark", () =>
            panelShows(vm, {role: cycle(200, 200), lan: off}, limitMs),
        );
        await vm.cable("lan", true);
        await bench.step("the cable is back: role on", () =>
            panelShows(vm, {role: on, lan: on}, limitMs),
        );
        await vm.shell.must("systemctl stop carpd");
        await bench.step("carpd stopped: no light says MASTER, fault on", () =>
            panelShows(vm, {status: off, role: off, fault: on}, limitMs),
        );
    },
};
