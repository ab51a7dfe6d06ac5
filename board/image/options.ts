/** The command line of `npm run image`. Pure: the arguments go in, what to build comes out. */
import {parseArgs} from "node:util";

export type Arch = "amd64" | "arm64";

/** What signs the bundle and what the installed system trusts. */
export interface ReleaseKeys {
    readonly key: string;
    readonly cert: string;
    readonly keyring: string;
}

export interface ImageOptions {
    readonly arch: Arch;
    readonly release: boolean;
    readonly test: boolean;
    /** "" means: from this machine's apt configuration. */
    readonly mirror: string;
    /** "" means: as package.json says. */
    readonly version: string;
    /** "" means: build-image in the project. */
    readonly out: string;
    /** null: the development keys of build-image/keys. */
    readonly keys: ReleaseKeys | null;
    /** Do not ask the archive for news; build from what the cache holds. */
    readonly offline: boolean;
    /** Forget the cached base system. */
    readonly refresh: boolean;
}

export const usage = `usage: npm run image -- [options]

  --arch amd64|arm64   processor of the target (default amd64)
  --release            a release: best compression, signed with the keys given below
  --key FILE           private key that signs the bundle (PEM or a PKCS#11 URI)
  --cert FILE          its certificate
  --keyring FILE       certificates that the installed system accepts
  --test               test variant: root shell on the second serial port; never a release
  --version X          version to write into the image (default: package.json)
  --mirror URL         Debian mirror (default: from this machine's apt configuration)
  --offline            use the cached base system, ask no mirror
  --refresh            build the base system anew even if the cache has it
  --out DIR            where the results go (default: build-image)
`;

const versionForm = /^[0-9][0-9A-Za-z.+~-]{0,63}$/u;

/** A string is the complaint, for the user. */
export function parseOptions(args: readonly string[]): ImageOptions | string {
    let values: Record<string, string | boolean | undefined>;
    try {
        ({values} = parseArgs({
            args: [...args],
            options: {
                arch: {type: "string"},
                release: {type: "boolean"},
                test: {type: "boolean"},
                mirror: {type: "string"},
                version: {type: "string"},
                out: {type: "string"},
                key: {type: "string"},
                cert: {type: "string"},
                keyring: {type: "string"},
                offline: {type: "boolean"},
                refresh: {type: "boolean"},
            },
        }));
    } catch (error) {
        return error instanceof Error ? error.message : String(error);
    }
    const text = (name: string): string => {
        const value = values[name];
        return typeof value === "string" ? value : "";
    };
    const arch = text("arch") || "amd64";
    if (arch !== "amd64" && arch !== "arm64") return `--arch ${arch}: expected amd64 or arm64`;
    const version = text("version");
    if (version !== "" && !versionForm.test(version)) {
        return `--version ${version}: expected a version such as 1.2.3 or 1.2.3~rc1`;
    }
    const mirror = text("mirror").replace(/\/+$/u, "");
    if (mirror !== "" && !/^https?:\/\/[^/\s]+/u.test(mirror)) {
        return `--mirror ${mirror}: expected an http or https URL`;
    }
    const release = values.release === true;
    const test = values.test === true;
    if (release && test) {
        return "--test puts a root shell on the second serial port and is never part of a --release";
    }
    const given = ["key", "cert", "keyring"].filter((name) => text(name) !== "");
    if (given.length !== 0 && given.length !== 3) {
        return "--key, --cert and --keyring go together";
    }
    if (release && given.length === 0) {
        return "--release needs --key, --cert and --keyring: a release is signed with the release keys";
    }
    return {
        arch,
        release,
        test,
        mirror,
        version,
        out: text("out"),
        keys:
            given.length === 3
                ? {key: text("key"), cert: text("cert"), keyring: text("keyring")}
                : null,
        offline: values.offline === true,
        refresh: values.refresh === true,
    };
}
