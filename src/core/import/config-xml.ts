/**
 * config.xml of pfSense and OPNsense: virtual IPs of type CARP and the IP aliases that hang on a
 * vhid, on the interfaces' real names. Pure.
 */
import type {Collector, ImportPlace, VhidDraft} from "./collector.ts";
import {shown} from "./collector.ts";
import {importTunable, isTunableLine} from "./sysctl-conf.ts";
import {childAt, childText, readXml, type XmlElement, type XmlProblem} from "./xml.ts";

/** undefined: read; otherwise why not. */
export function importConfigXml(
    file: string,
    text: string,
    collector: Collector,
): XmlProblem | undefined {
    const read = readXml(text);
    if (!read.ok) {
        return read.error;
    }
    const root = read.value;
    if (root.name !== "pfsense" && root.name !== "opnsense") {
        return {
            line: root.line,
            message: `the root element is <${root.name.slice(0, 40)}>, not <pfsense> or <opnsense>`,
        };
    }
    new Firewall(file, root, collector).read();
    return undefined;
}

class Firewall {
    readonly #file: string;
    readonly #root: XmlElement;
    readonly #collector: Collector;
    /** pfSense's aliases name their CARP address: "_vip" and its uniqid, or "wan_vip1". */
    readonly #byReference = new Map<string, VhidDraft>();

    constructor(file: string, root: XmlElement, collector: Collector) {
        this.#file = file;
        this.#root = root;
        this.#collector = collector;
    }

    read(): void {
        const vips = (childAt(this.#root, "virtualip")?.children ?? []).filter(
            (child) => child.name === "vip",
        );
        const carps = vips.filter((vip) => childText(vip, "mode") === "carp");
        for (const vip of carps) {
            this.#readCarp(vip);
        }
        for (const vip of vips) {
            const mode = childText(vip, "mode");
            if (mode === "ipalias") {
                this.#readAlias(vip);
            } else if (mode !== "carp") {
                const subnet = shown(childText(vip, "subnet"));
                this.#note(vip, `${subnet} is of type ${shown(mode)}: it is no matter of CARP`);
            }
        }
        this.#readSync(carps[0]);
        this.#readTunables();
    }

    #place(element: XmlElement): ImportPlace {
        return {file: this.#file, line: element.line};
    }

    #note(element: XmlElement, text: string): void {
        this.#collector.note(this.#place(element), text);
    }

    /** The real name of wan, lan, opt1; undefined when the file does not have it. */
    #carpdev(vip: XmlElement): string | undefined {
        const name = childText(vip, "interface");
        const mapped = this.#collector.mapped(name);
        const real = childAt(this.#root, "interfaces", name, "if")?.text;
        if (mapped !== undefined || real === undefined || real === "") {
            return mapped;
        }
        return this.#collector.interfaceName(this.#place(vip), real, true);
    }

    #vip(vip: XmlElement): string {
        return `${childText(vip, "subnet")}/${childText(vip, "subnet_bits")}`;
    }

    #readCarp(vip: XmlElement): void {
        const place = this.#place(vip);
        const carpdev = this.#carpdev(vip);
        const vhid = childText(vip, "vhid");
        const name = childText(vip, "interface");
        if (carpdev === undefined) {
            this.#collector.refuse(
                place,
                `vhid ${shown(vhid)}: no <if> of the interface ${shown(name)}: it is left out; --map names one`,
            );
            return;
        }
        const draft = this.#collector.newVhid(place, carpdev, vhid);
        if (draft === undefined) {
            return;
        }
        this.#byReference.set(`_vip${childText(vip, "uniqid")}`, draft);
        this.#byReference.set(`${name}_vip${vhid}`, draft);
        this.#collector.addVip(draft, place, this.#vip(vip));
        const number = (word: "advbase" | "advskew", most: number): void => {
            const text = childText(vip, word);
            if (text !== "") {
                draft[word] = this.#collector.integer(place, word, text, 0, most) ?? draft[word];
            }
        };
        number("advbase", 255);
        number("advskew", 254);
        const password = childText(vip, "password");
        if (password !== "") {
            this.#collector.setPass(draft, place, password);
        }
        for (const word of ["peer", "peer6"]) {
            const peer = childText(vip, word);
            if (peer !== "") {
                this.#collector.addPeer(draft, place, peer);
            }
        }
        this.#describe(vip, `vhid ${draft.vhid} on ${carpdev}`);
    }

    #describe(vip: XmlElement, subject: string): void {
        const description = childText(vip, "descr").replaceAll(/\p{Cc}+/gu, " ");
        if (description !== "") {
            this.#note(vip, `${subject} is ${shown(description)} there`);
        }
    }

    #readAlias(vip: XmlElement): void {
        const place = this.#place(vip);
        const reference = childText(vip, "interface");
        const vhid = childText(vip, "vhid");
        const named = this.#byReference.get(reference);
        if (named !== undefined) {
            this.#collector.addVip(named, place, this.#vip(vip));
            return;
        }
        const subnet = shown(childText(vip, "subnet"));
        const carpdev = vhid === "" || vhid === "0" ? undefined : this.#carpdev(vip);
        if (carpdev === undefined) {
            this.#note(vip, `alias ${subnet} belongs to no vhid: it is left out`);
            return;
        }
        const known = this.#collector.vhids.find(
            (draft) => draft.carpdev === carpdev && String(draft.vhid) === vhid,
        );
        if (known === undefined) {
            this.#note(vip, `alias ${subnet}: there is no vhid ${shown(vhid)} on ${carpdev}`);
        } else {
            this.#collector.addVip(known, place, this.#vip(vip));
        }
    }

    /** Both products preempt whenever there is a CARP address; OPNsense has a switch for it. */
    #readSync(firstCarp: XmlElement | undefined): void {
        if (firstCarp === undefined) {
            return;
        }
        const sync = childAt(this.#root, "hasync");
        const off = sync === undefined ? "" : childText(sync, "disablepreempt");
        this.#collector.options.preempt = off === "" || off === "0";
        this.#note(
            sync ?? firstCarp,
            this.#collector.options.preempt
                ? "preempt = true, as the firewall sets it where there are CARP addresses"
                : "preempt = false: disablepreempt is set",
        );
        const states = sync === undefined ? "" : childText(sync, "pfsyncenabled");
        if (sync !== undefined && (states !== "" || childText(sync, "synchronizetoip") !== "")) {
            this.#note(
                sync,
                "state and configuration synchronisation (pfsync, XMLRPC) is not taken over: on Linux conntrackd does the former",
            );
        }
    }

    #readTunables(): void {
        for (const item of childAt(this.#root, "sysctl")?.children ?? []) {
            const name = childText(item, "tunable");
            const value = childText(item, "value");
            if (isTunableLine(name) && value !== "default") {
                importTunable(`${name}=${value}`, this.#place(item), this.#collector);
            }
        }
    }
}
