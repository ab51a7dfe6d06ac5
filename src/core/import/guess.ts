/** Which program's configuration a file is, by its name and then by what is in it. Pure. */

export const importKinds = [
    "rc.conf",
    "sysctl.conf",
    "ifconfig",
    "hostname.if",
    "ifconfig.if",
    "config.xml",
    "ucarp",
    "interfaces",
    "keepalived",
] as const;
export type ImportKind = (typeof importKinds)[number];

/** What each kind is called, for help and messages. */
export const importKindWords: Readonly<Record<ImportKind, string>> = {
    "rc.conf": "FreeBSD's rc.conf, old and new",
    "sysctl.conf": "sysctl.conf or loader.conf of a BSD",
    ifconfig: 'the output of FreeBSD\'s "ifconfig -k"',
    "hostname.if": "OpenBSD's hostname.carpN",
    "ifconfig.if": "NetBSD's ifconfig.carpN",
    "config.xml": "config.xml of pfSense or OPNsense",
    ucarp: "ucarp command lines, in scripts and units too",
    interfaces: "Debian's /etc/network/interfaces with ucarp lines",
    keepalived: "keepalived.conf",
};

const names: readonly (readonly [RegExp, ImportKind])[] = [
    [/(?:^|\/)rc\.conf(?:\.local|\.d\/[^/]+)?$/u, "rc.conf"],
    [/(?:^|\/)(?:sysctl|loader)\.conf(?:\.local)?$/u, "sysctl.conf"],
    [/(?:^|\/)hostname\.[a-z]+[0-9]+$/u, "hostname.if"],
    [/(?:^|\/)ifconfig\.[a-z]+[0-9]+$/u, "ifconfig.if"],
    [/\.xml$/u, "config.xml"],
    [/(?:^|\/)keepalived[^/]*\.conf$/u, "keepalived"],
    [/(?:^|\/)(?:interfaces|interfaces\.d\/[^/]+)$/u, "interfaces"],
];

/** The first that fits: the special ones before those that any script could look like. */
const contents: readonly (readonly [RegExp, ImportKind])[] = [
    [/^\ufeff?\s*</u, "config.xml"],
    [/^[ \t]+carp: [A-Z]+ vhid [0-9]/mu, "ifconfig"],
    [/^[ \t]*vrrp_(?:instance|sync_group)\b/mu, "keepalived"],
    [/^[ \t]*ucarp-[a-z]+[ \t]/mu, "interfaces"],
    [/^(?:ifconfig_\w+|cloned_interfaces)\+?=/mu, "rc.conf"],
    [/(?:^|[\s/=])ucarp[ \t]+-/mu, "ucarp"],
    [/^[ \t]*net\.inet\.carp\.\w+[ \t]*=/mu, "sysctl.conf"],
    [/^[ \t]*(?:inet6?[ \t].*)?\bvhid[ \t]+[0-9]+\b.*\bcarpdev\b/mu, "hostname.if"],
    [/^[^\s:]+: flags=[0-9a-f]+</mu, "ifconfig"],
];

/** What is looked at, in UTF-16 units: beginnings of lines, and not all of a huge file. */
const lookedAt = 256 * 1024;
const longestLine = 512;

/** undefined: neither the name nor the text says. */
export function guessKind(name: string, text: string): ImportKind | undefined {
    const named = names.find(([pattern]) => pattern.test(name))?.[1];
    if (named !== undefined) {
        return named;
    }
    const lines = text.slice(0, lookedAt).split("\n");
    const beginning = lines.map((line) => line.slice(0, longestLine)).join("\n");
    return contents.find(([pattern]) => pattern.test(beginning))?.[1];
}
