/**
 * Where a bundle comes from, as the operator names it: a path, "usb", "usb:FILE", or a URL. Pure.
 */
import {err, ok, type Result} from "../result.ts";

export type InstallSource =
    | {readonly kind: "file"; readonly path: string}
    /** `name`: a path below the top of the stick; "" for the only bundle there. */
    | {readonly kind: "usb"; readonly name: string}
    | {readonly kind: "url"; readonly url: string};

const expected = "a path such as /data/carpd.raucb, usb, usb:FILE, or an http:// or https:// URL";
const longest = 4096;

/** The error is one sentence. */
export function parseInstallSource(text: string): Result<InstallSource, string> {
    const shown = JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
    const refuse = (why: string): Result<never, string> =>
        err(`${shown} ${why}; expected ${expected}`);
    if (text === "" || text.length > longest) return refuse("names no bundle");
    if (text.includes("\0") || text.includes("\n")) return refuse("is no file name");
    if (text === "usb") return ok({kind: "usb", name: ""});
    if (text.startsWith("usb:")) {
        const name = text.slice("usb:".length).replace(/^\/+/u, "");
        const climbs = name.split("/").includes("..");
        return name === "" || climbs
            ? refuse("names no file of the stick")
            : ok({kind: "usb", name});
    }
    if (/^https?:\/\//iu.test(text)) {
        return URL.canParse(text) ? ok({kind: "url", url: text}) : refuse("is no URL");
    }
    if (/^[a-z][a-z0-9+.-]*:\/\//iu.test(text)) return refuse("is a URL of another kind");
    return text.startsWith("/") ? ok({kind: "file", path: text}) : refuse("is no absolute path");
}

/** Which of a stick's bundles is meant. The error is one sentence that lists them. */
export function chooseBundle(names: readonly string[], wanted: string): Result<string, string> {
    const bundles = names.filter((name) => name.endsWith(".raucb") && !name.startsWith("."));
    if (wanted !== "") return ok(wanted);
    const [only] = bundles;
    if (only === undefined) return err("there is no bundle (*.raucb) at the top of the USB stick");
    if (bundles.length === 1) return ok(only);
    const list = bundles
        .toSorted()
        .slice(0, 20)
        .map((name) => `usb:${name}`);
    return err(
        `there are ${bundles.length} bundles on the USB stick; name one: ${list.join(", ")}`,
    );
}
