/** Which section of REFERENCE.md belongs to which manual page. Pure. */
import {type Manual, renderManual} from "./roff.ts";

export interface ReferenceSection {
    readonly title: string;
    readonly text: string;
}

/** The `##` sections, in order; what stands before the first is left out. */
export function referenceSections(markdown: string): readonly ReferenceSection[] {
    return markdown
        .split(/^## /mu)
        .slice(1)
        .map((part) => {
            const end = part.indexOf("\n");
            return {title: part.slice(0, end).trim(), text: part.slice(end + 1)};
        });
}

interface Page {
    readonly name: string;
    readonly section: number;
    readonly summary: string;
    /** The section that begins the page. */
    readonly main: string;
    /** Further sections, under their own headings. */
    readonly more: readonly string[];
}

const pages: readonly Page[] = [
    {
        name: "carpd",
        section: 8,
        summary: "CARP failover daemon for Linux routers",
        main: "carpd",
        more: ["Causes", "Counters", "Exit status", "Files"],
    },
    {
        name: "carpctl",
        section: 8,
        summary: "look at and control carpd",
        main: "carpctl",
        more: ["Exit status", "Differences from ifconfig on a BSD"],
    },
    {
        name: "carp-console",
        section: 8,
        summary: "the console of carpd on a serial port",
        main: "The console",
        more: ["Exit status", "Files"],
    },
    {
        name: "carpd.toml",
        section: 5,
        summary: "configuration of carpd",
        main: "carpd.toml",
        more: ["Files"],
    },
];

/** File name -> text: "man8/carpd.8". A section that no page names is part of carpd(8). */
export function manualPages(
    reference: string,
    version: string,
    date: string,
): ReadonlyMap<string, string> {
    const sections = referenceSections(reference);
    const named = new Set(pages.flatMap(({main, more}) => [main, ...more]));
    const others = sections.filter(({title}) => !named.has(title)).map(({title}) => title);
    const textOf = (title: string): string =>
        sections.find((section) => section.title === title)?.text ?? "";
    const rendered = pages.map(({name, section, summary, main, more}): [string, string] => {
        const wanted = name === "carpd" ? [...others, ...more] : more;
        const following = wanted
            .filter((title) => textOf(title) !== "")
            .map((title) => `## ${title}\n${textOf(title)}`);
        const manual: Manual = {
            name,
            section,
            summary,
            date,
            source: `carpd ${version}`,
            body: [textOf(main), ...following].join("\n"),
            seeAlso: pages
                .filter((page) => page.name !== name)
                .map((page) => `${page.name}(${page.section})`),
        };
        if (textOf(main) === "") throw new Error(`REFERENCE.md has no section "${main}"`);
        return [`man${section}/${name}.${section}`, renderManual(manual)];
    });
    return new Map(rendered);
}
