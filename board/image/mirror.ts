/**
 * Where Debian comes from: the first http(s) address of this machine's apt configuration that
 * serves Debian's own archive. Pure: texts of source files go in.
 *
 * Other vendors' repositories stand in the same files. An entry counts as Debian's when it names
 * Debian's keyring in Signed-By, or when the Release file that apt has downloaded from it says
 * "Origin: Debian".
 */
export interface AptSource {
    readonly uri: string;
    readonly suite: string;
    readonly components: readonly string[];
    /** Path of a keyring, "" when the entry names none. */
    readonly signedBy: string;
}

function oneLineSource(line: string): AptSource | null {
    const match = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+\S+)*)\s*$/u.exec(line);
    if (match === null) return null;
    const [, options = "", uri = "", suite = "", components = ""] = match;
    const signedBy = /(?:^|\s)signed-by=(\S+)/iu.exec(options)?.[1] ?? "";
    return {uri, suite, components: components.split(/\s+/u).filter(Boolean), signedBy};
}

/** sources.list(5), the old form. */
export function oneLineSources(text: string): readonly AptSource[] {
    return text
        .split("\n")
        .map((line) => oneLineSource(line.replace(/#.*$/u, "").trim()))
        .filter((source) => source !== null);
}

function fieldsOf(stanza: string): ReadonlyMap<string, string> {
    const fields = new Map<string, string>();
    let current = "";
    for (const line of stanza.split("\n")) {
        if (line.startsWith("#")) continue;
        const start = /^([A-Za-z0-9-]+):\s*(.*)$/u.exec(line);
        if (start !== null) {
            current = (start[1] ?? "").toLowerCase();
            fields.set(current, start[2] ?? "");
        } else if (/^\s/u.test(line) && current !== "") {
            fields.set(current, `${fields.get(current) ?? ""} ${line.trim()}`);
        }
    }
    return fields;
}

/** sources.list(5), the deb822 form. */
export function deb822Sources(text: string): readonly AptSource[] {
    const found: AptSource[] = [];
    for (const stanza of text.split(/\n(?:[ \t]*\n)+/u)) {
        const fields = fieldsOf(stanza);
        const words = (name: string): readonly string[] =>
            (fields.get(name) ?? "").split(/\s+/u).filter(Boolean);
        if (/^(?:no|false|off|0|without|disable)$/iu.test(fields.get("enabled") ?? "")) continue;
        if (!words("types").includes("deb")) continue;
        for (const uri of words("uris")) {
            for (const suite of words("suites")) {
                const signedBy = fields.get("signed-by")?.trim() ?? "";
                found.push({uri, suite, components: words("components"), signedBy});
            }
        }
    }
    return found;
}

export interface Mirrors {
    /** Main archive and security archive, without a slash at the end. */
    readonly archive: string;
    readonly security: string;
}

/** How apt names the files of a source in its lists folder. */
export function listsName(uri: string, suite: string): string {
    const place = uri.replace(/^https?:\/\//u, "").replace(/\/+$/u, "");
    return `${place.replaceAll("_", "%5f").replaceAll("/", "_")}_dists_${suite}`;
}

function isSecurity(source: AptSource): boolean {
    return source.suite.endsWith("-security") || source.suite.endsWith("/updates");
}

/** The security archive lies beside the main one on nearly all mirrors. */
export function securityBeside(archive: string): string {
    return `${archive.replace(/\/+$/u, "").replace(/\/debian$/u, "")}/debian-security`;
}

/**
 * `origin` gives the Origin of the Release file that apt holds for (uri, suite), "" for none.
 * null: nothing here serves Debian.
 */
export function debianMirrors(
    sources: readonly AptSource[],
    origin: (uri: string, suite: string) => string,
): Mirrors | null {
    const debian = sources.filter(
        ({uri, suite, components, signedBy}) =>
            /^https?:\/\//u.test(uri) &&
            components.includes("main") &&
            (/(?:^|\/)debian-archive-[a-z-]*\.(?:gpg|asc|pgp)$/u.test(signedBy) ||
                origin(uri, suite) === "Debian"),
    );
    const bare = (uri: string): string => uri.replace(/\/+$/u, "");
    const main = debian.find((source) => !isSecurity(source));
    if (main === undefined) return null;
    const security = debian.find(isSecurity);
    return {
        archive: bare(main.uri),
        security: security === undefined ? securityBeside(main.uri) : bare(security.uri),
    };
}
