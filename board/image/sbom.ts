/** What is inside an image: CycloneDX, from dpkg's list and the lock file. Pure. */
import type {InstalledPackage} from "../program-tree.ts";
import type {Arch} from "./options.ts";
import type {Release} from "./release.ts";

export interface DebianPackage {
    readonly name: string;
    readonly version: string;
    readonly arch: string;
    readonly source: string;
    readonly sourceVersion: string;
}

/** /var/lib/dpkg/status -> the installed packages, sorted by name. */
export function debianPackages(status: string): readonly DebianPackage[] {
    const found: DebianPackage[] = [];
    for (const stanza of status.split("\n\n")) {
        const field = (name: string): string =>
            new RegExp(`^${name}: (.*)$`, "mu").exec(stanza)?.[1]?.trim() ?? "";
        const state = field("Status");
        if (field("Package") === "" || (state !== "" && !state.endsWith(" installed"))) continue;
        const version = field("Version");
        const [, source = field("Package"), sourceVersion = version] =
            /^(\S+)(?: \((.+)\))?$/u.exec(field("Source")) ?? [];
        found.push({
            name: field("Package"),
            version,
            arch: field("Architecture"),
            source,
            sourceVersion,
        });
    }
    return found.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** One line a package: for people, and for comparing two releases with diff. */
export function packageList(
    debian: readonly DebianPackage[],
    npm: readonly InstalledPackage[],
): string {
    const lines = [
        ...debian.map(({name, version, arch}) => `deb ${name} ${version} ${arch}`),
        ...npm.map(({name, version}) => `npm ${name} ${version}`),
    ];
    return `${lines.join("\n")}\n`;
}

function debianUrl({name, version, arch}: DebianPackage): string {
    return `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${arch}&distro=debian-13`;
}

function npmUrl({name, version}: InstalledPackage): string {
    return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

/** RFC 4122 form of a hash, so that equal images have equal serial numbers. */
function serialNumber(id: string): string {
    const hex = id.padEnd(32, "0");
    const groups = [
        hex.slice(0, 8),
        hex.slice(8, 12),
        `8${hex.slice(13, 16)}`,
        `8${hex.slice(17, 20)}`,
        hex.slice(20, 32),
    ];
    return `urn:uuid:${groups.join("-")}`;
}

export function cycloneDx(
    release: Release,
    arch: Arch,
    debian: readonly DebianPackage[],
    npm: readonly InstalledPackage[],
): string {
    const licence = (name: string): readonly unknown[] =>
        /^[\w.+-]+$/u.test(name) ? [{license: {id: name}}] : [{expression: name}];
    const components = [
        ...debian.map((entry) => ({
            type: "library",
            "bom-ref": debianUrl(entry),
            name: entry.name,
            version: entry.version,
            purl: debianUrl(entry),
            properties: [{name: "debian:source", value: `${entry.source} ${entry.sourceVersion}`}],
        })),
        ...npm.map((entry) => ({
            type: "library",
            "bom-ref": `${npmUrl(entry)}#${entry.path}`,
            name: entry.name,
            version: entry.version,
            purl: npmUrl(entry),
            ...(entry.license === "" ? {} : {licenses: licence(entry.license)}),
        })),
    ];
    const bom = {
        bomFormat: "CycloneDX",
        specVersion: "1.5",
        serialNumber: serialNumber(release.id),
        version: 1,
        metadata: {
            timestamp: release.built,
            component: {
                type: "firmware",
                "bom-ref": "image",
                name: `carpd-${arch}`,
                version: release.version,
            },
        },
        components,
    };
    return `${JSON.stringify(bom, null, 2)}\n`;
}
