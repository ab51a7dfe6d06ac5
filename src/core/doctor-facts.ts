/** What the system's settings say: filters, bridges, drops. Pure. */
import type {CarpdevFacts, DoctorInput} from "./doctor.ts";
import type {Findings} from "./doctor-findings.ts";

/** Strict reverse path filtering (RFC 3704): drops what would be answered through another interface. */
const strict = 1;

export function judgeFacts(input: DoctorInput, findings: Findings): void {
    const {facts, config} = input;
    const all = facts.rpFilterAll ?? 0;
    for (const device of facts.carpdevs) {
        const {carpdev} = device;
        const here = config.carp.filter((carp) => carp.carpdev === carpdev);
        if (here.length === 0) continue;
        // The greater one counts; 2 is loose and lets a VIP's traffic through.
        if (Math.max(all, device.rpFilter ?? 0) === strict) {
            const which = device.rpFilter === strict ? carpdev : "all";
            const text = `strict reverse path filtering on ${carpdev} (net.ipv4.conf.${which}.rp_filter=1)`;
            const remedy = `sysctl net.ipv4.conf.${which}.rp_filter=2, or traffic that comes by another way is dropped`;
            findings.hint(carpdev, 0, text, remedy);
        }
        const physical = here.some(({mac}) => mac === "physical");
        judgeArp(device, physical, findings);
        const wantsLinkLocal = here.some(({addresses}) => addresses.some((a) => a.family === 6));
        if (wantsLinkLocal && device.hasLinkLocal === false) {
            const text = `${carpdev} has no IPv6 link-local address`;
            findings.problem(carpdev, 0, text, `ip -6 address show dev ${carpdev} scope link`);
        }
        judgeBridge(device, findings);
        judgeDrops(device, input, findings);
    }
}

/** carpd sets 1, with mac = "physical" 3 (REFERENCE.md); what is less, somebody put there. */
function judgeArp({carpdev, arpIgnore}: CarpdevFacts, physical: boolean, findings: Findings): void {
    const wanted = physical ? 3 : 1;
    if (arpIgnore === null || arpIgnore >= wanted) return;
    const text =
        `net.ipv4.conf.${carpdev}.arp_ignore is ${arpIgnore}, not ${wanted} as carpd set it: ` +
        `the kernel answers for VIPs with the MAC of ${carpdev}`;
    const remedy = `sysctl net.ipv4.conf.${carpdev}.arp_ignore=${wanted}, and find what changed it`;
    findings.problem(carpdev, 0, text, remedy);
}

function judgeBridge({carpdev, bridge}: CarpdevFacts, findings: Findings): void {
    if (bridge === null || !bridge.snooping || bridge.querier) return;
    const text = `the bridge ${bridge.name} filters multicast (snooping) and is no querier`;
    const remedy =
        `without another querier on the segment advertisements stop after minutes: ` +
        `ip link set ${bridge.name} type bridge mcast_querier 1, or mcast_snooping 0`;
    findings.hint(carpdev, 0, text, remedy);
}

function judgeDrops(
    {carpdev, dropped}: CarpdevFacts,
    input: DoctorInput,
    findings: Findings,
): void {
    const before = input.factsBefore.carpdevs.find((other) => other.carpdev === carpdev)?.dropped;
    if (dropped === null || before === null || before === undefined || dropped <= before) return;
    const text = `${dropped - before} received frames on ${carpdev} were dropped or damaged in ${input.seconds} s`;
    findings.hint(carpdev, 0, text, `ip -s link show ${carpdev}; larger rings: ethtool -G`);
}
