/**
 * Maintainer scripts of the Debian package (Debian policy, chapter 6), and its control file. Pure.
 *
 * carpd is enabled by installation and starts when there is an /etc/carpd/carpd.toml, so a fresh
 * installation shares nothing until somebody has said what. Removing or upgrading stops carpd as
 * `systemctl stop` does: it hands over to its peer first.
 */

/** Enabled by installation; the others are for who wants them, or for images only. */
const enabled = "carpd.service carp-panel.service";
const running = "carpd.service carpd-hold.service carp-panel.service";

export const postinst = `#!/bin/sh
# $1: what dpkg wants; $2: the version that was configured before, "" for a first installation.
set -e

if [ "$1" = configure ]; then
    systemd-sysusers carpd.conf
    # A commit writes here, so it is carpd's own.
    install -d -o carpd -g carpd -m 0750 /etc/carpd
    if [ -z "$2" ] && [ -f /etc/carpd/carpd.toml ]; then
        chown carpd:carpd /etc/carpd/carpd.toml
        chmod 0640 /etc/carpd/carpd.toml
    fi
fi

case "$1" in
configure | abort-upgrade | abort-deconfigure | abort-remove)
    for unit in ${enabled}; do
        deb-systemd-helper unmask "$unit" >/dev/null || :
        # Who has disabled it keeps it disabled.
        if deb-systemd-helper --quiet was-enabled "$unit"; then
            deb-systemd-helper enable "$unit" >/dev/null || :
        else
            deb-systemd-helper update-state "$unit" >/dev/null || :
        fi
    done
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload >/dev/null || :
        udevadm control --reload >/dev/null 2>&1 || :
        udevadm trigger --subsystem-match=leds --action=change >/dev/null 2>&1 || :
        if [ -n "$2" ]; then
            deb-systemd-invoke restart ${enabled} >/dev/null || :
            systemctl try-restart 'carp-console@*.service' >/dev/null || :
        else
            deb-systemd-invoke start ${enabled} >/dev/null || :
        fi
    fi
    ;;
esac
exit 0
`;

export const prerm = `#!/bin/sh
# Hands over and stops, while the program that does it is still there.
set -e

if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl stop 'carp-console@*.service' >/dev/null 2>&1 || :
    deb-systemd-invoke stop ${running} >/dev/null || :
fi
exit 0
`;

export const postrm = `#!/bin/sh
set -e

if [ "$1" = remove ] || [ "$1" = purge ]; then
    # A port that had a console gets its getty back.
    for link in /etc/systemd/system/serial-getty@*.service; do
        case "$(readlink "$link" || :)" in
        */carp-console@.service) rm -f "$link" ;;
        esac
    done
fi
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || :
fi
if [ "$1" = purge ]; then
    if command -v deb-systemd-helper >/dev/null; then
        deb-systemd-helper purge ${enabled} >/dev/null || :
    fi
    rm -f /etc/systemd/system/multi-user.target.wants/carp-console@*.service
    # The configuration and its history, users, the counters' epoch, histories of the console.
    rm -rf /etc/carpd /var/lib/carpd /var/lib/carp-console /run/carpd
fi
exit 0
`;

export interface ControlFields {
    readonly version: string;
    readonly arch: string;
    /** KiB on the disk. */
    readonly installedSize: number;
}

export function controlFile({version, arch, installedSize}: ControlFields): string {
    return `Package: carpd
Version: ${version}
Architecture: ${arch}
Maintainer: the carpd authors <carpd@localhost>
Installed-Size: ${installedSize}
Depends: nodejs (>= 20.17), libc6 (>= 2.36), libstdc++6 (>= 12), libgcc-s1, libssl3t64 | libssl3, systemd (>= 254), init-system-helpers
Suggests: conntrackd, nftables
Section: net
Priority: optional
Description: CARP failover for Linux routers
 Shares virtual IP addresses between hosts by CARP, the protocol of FreeBSD,
 OpenBSD, NetBSD, OPNsense, pfSense and UCarp. The host that is MASTER answers;
 when it fails, a BACKUP takes its addresses over.
 .
 carpd is the daemon, carpctl looks at it and controls it, carp-console is a
 console for a serial port, carp-panel drives the LEDs of boards that it knows.
`;
}

function wrap(text: string, width: number): readonly string[] {
    const lines = [""];
    for (const word of text.split(" ")) {
        const last = lines.at(-1) ?? "";
        if (last !== "" && last.length + word.length >= width) lines.push(word);
        else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
    }
    return lines;
}

/** Debian's own changelog: the newest entry of the project's. */
export function changelogFile(changelog: string, version: string, date: Date): string {
    const newest = changelog.split(/^## /mu)[1] ?? "";
    const items = newest
        .split(/^- /mu)
        .slice(1)
        .map((item) => item.replaceAll(/\s+/gu, " ").trim().replaceAll("`", ""));
    const lines = (items.length === 0 ? ["See NEWS.gz."] : items).flatMap((item) => {
        const [first = "", ...more] = wrap(item, 72);
        return [`  * ${first}`, ...more.map((line) => `    ${line}`)];
    });
    // RFC 5322 in UTC.
    const when = date.toUTCString().replace("GMT", "+0000");
    return [
        `carpd (${version}) stable; urgency=medium`,
        "",
        ...lines,
        "",
        ` -- the carpd authors <carpd@localhost>  ${when}`,
        "",
    ].join("\n");
}
