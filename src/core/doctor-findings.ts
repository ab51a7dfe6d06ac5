/** What the doctor has found so far, and its order. Pure. */

export const severities = ["problem", "hint", "ok"] as const;
/** problem: something is wrong; hint: worth a look; ok: looked at and fine. */
export type Severity = (typeof severities)[number];

export interface Finding {
    readonly severity: Severity;
    /** The carp interface or carpdev that it is about; "" for the whole host. */
    readonly name: string;
    /** 0 where it is about no vhid. */
    readonly vhid: number;
    readonly text: string;
    /** What to do about it; "" when nothing is to be done. */
    readonly remedy: string;
}

/** More than a person reads; 255 vhids in trouble have one cause. */
const mostFindings = 100;

export class Findings {
    readonly #list: Finding[] = [];

    problem(name: string, vhid: number, text: string, remedy: string): void {
        this.#add({severity: "problem", name, vhid, text, remedy});
    }

    hint(name: string, vhid: number, text: string, remedy: string): void {
        this.#add({severity: "hint", name, vhid, text, remedy});
    }

    #add(finding: Finding): void {
        this.#list.push(finding);
    }

    /** The worst first, each kind in the order in which it was found; never empty. */
    sorted(): Finding[] {
        const rank = (severity: Severity): number => severities.indexOf(severity);
        const sorted = [...this.#list].sort((a, b) => rank(a.severity) - rank(b.severity));
        if (sorted.some(({severity}) => severity === "problem")) {
            return sorted.slice(0, mostFindings);
        }
        const fine: Finding = {
            severity: "ok",
            name: "",
            vhid: 0,
            text: "no problem found",
            remedy: "",
        };
        return [...sorted.slice(0, mostFindings - 1), fine];
    }
}
