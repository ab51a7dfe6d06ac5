/**
 * Where bundles come from: a file, a USB stick, a web server. Main thread of carp-system.
 */
import {constants} from "node:fs";
import {access, stat} from "node:fs/promises";
import type {Bundles, OpenBundle, Progress} from "../../app/appliance/ports.ts";
import type {InstallSource} from "../../core/appliance/install-source.ts";
import {err, ok, type Result} from "../../core/result.ts";
import {codeOf} from "../system-error.ts";
import {download} from "./download.ts";
import type {UsbSticks} from "./usb-sticks.ts";

export interface BundleOptions {
    readonly sticks: UsbSticks;
    /** Where a bundle from a web server waits; on the data partition. */
    readonly folder: string;
}

export class SystemBundles implements Bundles {
    readonly #options: BundleOptions;

    constructor(options: BundleOptions) {
        this.#options = options;
    }

    async open(source: InstallSource, progress: Progress): Promise<Result<OpenBundle, string>> {
        const {sticks, folder} = this.#options;
        switch (source.kind) {
            case "file": {
                const problem = await unreadable(source.path);
                if (problem !== "") return err(problem);
                return ok({path: source.path, close: () => Promise.resolve()});
            }
            case "usb": {
                const opened = await sticks.open(source.name);
                if (!opened.ok) return opened;
                const problem = await unreadable(opened.value.path);
                if (problem === "") return opened;
                await opened.value.close();
                return err(problem);
            }
            case "url":
                return download(source.url, folder, progress);
        }
    }
}

/** "" or why this is no file that can be read. */
async function unreadable(path: string): Promise<string> {
    try {
        const info = await stat(path);
        if (!info.isFile()) return `${path} is not a file`;
        if (info.size === 0) return `${path} is empty`;
        await access(path, constants.R_OK);
        return "";
    } catch (error) {
        const code = codeOf(error);
        return code === "ENOENT" || code === "ENOTDIR"
            ? `there is no file ${path}`
            : `${path} cannot be read: ${code}`;
    }
}
