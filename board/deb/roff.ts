/**
 * The reference in Markdown -> manual pages in man(7) macros. Pure: text in, text out.
 *
 * It knows the part of Markdown that REFERENCE.md uses: headings, paragraphs, fenced code, tables,
 * lists, `code`, **bold** and links. A table becomes a list of its first column's terms.
 */
export interface Manual {
    readonly name: string;
    readonly section: number;
    /** What whatis(1) prints behind the name. */
    readonly summary: string;
    /** Of the sources, for the footer: "2026-11-22". */
    readonly date: string;
    /** "carpd 0.3.0" */
    readonly source: string;
    /** Markdown; its first fenced block is the synopsis. */
    readonly body: string;
    /** "carpctl(8)" and the like. */
    readonly seeAlso: readonly string[];
}

/** Characters that mean something to troff; "-" as it is would become a hyphen. */
function plain(text: string): string {
    const escaped = text.replaceAll("\\", "\\e").replaceAll("-", "\\-");
    return /^[.']/u.test(escaped) ? `\\&${escaped}` : escaped;
}

/** Inside a quoted argument of a macro. */
function quoted(text: string): string {
    return `"${inline(text).replaceAll('"', "\\(dq")}"`;
}

function inline(text: string): string {
    const linked = text.replaceAll(/\[([^\]]+)\]\([^)]*\)/gu, "$1");
    const parts = linked.split(/(`[^`]+`|\*\*[^*]+\*\*)/u);
    const shown = parts.map((part) => {
        if (part.startsWith("`")) return `\\fB${plain(part.slice(1, -1))}\\fR`;
        if (part.startsWith("**")) return `\\fB${plain(part.slice(2, -2))}\\fR`;
        return plain(part.replaceAll("\\|", "|"));
    });
    const joined = shown.join("");
    return /^[.']/u.test(joined) ? `\\&${joined}` : joined;
}

/** A bar inside code or behind a backslash belongs to the cell. */
function cells(row: string): readonly string[] {
    const inner = row
        .trim()
        .replace(/^\|/u, "")
        .replace(/(?<!\\)\|$/u, "");
    const found = [""];
    let code = false;
    for (const [i, letter] of [...inner].entries()) {
        if (letter === "`") code = !code;
        if (letter === "|" && !code && inner[i - 1] !== "\\") found.push("");
        else found[found.length - 1] += letter;
    }
    return found.map((cell) => cell.trim());
}

function table(rows: readonly string[]): readonly string[] {
    const [head = "", , ...body] = rows;
    const names = cells(head);
    return body.flatMap((row) => {
        const [term = "", ...rest] = cells(row);
        const described = rest.map((cell, i) =>
            // With several columns each says what it is.
            names.length > 2 && cell !== "" ? `${names[i + 1] ?? ""}: ${cell}` : cell,
        );
        const text = described.filter((cell) => cell !== "").join("; ");
        return [".TP", inline(term === "" ? " " : term), text === "" ? "\\&" : inline(text)];
    });
}

/** Blocks of one section. `heading`: how a `###` heading is set. */
function blocks(markdown: string): readonly string[] {
    const out: string[] = [];
    const lines = markdown.replaceAll(/<!--.*?-->/gsu, "").split("\n");
    let fresh = true;
    for (let i = 0; i < lines.length; i++) {
        const line = lines[i] ?? "";
        if (line.trim() === "") {
            fresh = true;
        } else if (line.startsWith("```")) {
            out.push(".PP", ".nf", ".RS 4");
            for (i++; i < lines.length && !(lines[i] ?? "").startsWith("```"); i++) {
                out.push(plain(lines[i] ?? ""));
            }
            out.push(".RE", ".fi");
            fresh = true;
        } else if (line.startsWith("#")) {
            const level = /^#+/u.exec(line)?.[0].length ?? 0;
            const words = line.slice(level).trim();
            out.push(level <= 2 ? `.SH ${quoted(words.toUpperCase())}` : `.SS ${quoted(words)}`);
            fresh = false;
        } else if (line.startsWith("|")) {
            const rows: string[] = [];
            for (; (lines[i] ?? "").startsWith("|"); i++) rows.push(lines[i] ?? "");
            i--;
            out.push(...table(rows));
            fresh = true;
        } else if (/^(?:[-*]|\d+\.) /u.test(line)) {
            const mark = /^(?:[-*]|\d+\.)/u.exec(line)?.[0] ?? "";
            out.push(`.IP ${/\d/u.test(mark) ? mark : "\\(bu"} 4`);
            out.push(inline(line.slice(mark.length + 1).trim()));
            fresh = false;
        } else {
            if (fresh) out.push(".PP");
            out.push(inline(line.trim()));
            fresh = false;
        }
    }
    return out;
}

export function renderManual(manual: Manual): string {
    const {name, section, summary, date, source, body, seeAlso} = manual;
    const fence = /^```[^\n]*\n(.*?)\n```$/msu.exec(body);
    const synopsis = fence?.[1]?.split("\n").map(plain) ?? [];
    const rest = fence === null ? body : body.replace(fence[0], "");
    const lines = [
        `.TH ${name.toUpperCase()} ${section} ${date} "${source}"`,
        // No hyphenation and no justification: commands are to be copied.
        ".nh",
        ".ad l",
        ".SH NAME",
        `${plain(name)} \\- ${inline(summary)}`,
        ...(synopsis.length === 0 ? [] : [".SH SYNOPSIS", ".nf", ...synopsis, ".fi"]),
        ".SH DESCRIPTION",
        ...blocks(rest),
        ".SH SEE ALSO",
        seeAlso
            .map(
                (page) =>
                    `\\fB${plain(page.replace(/\(.*/u, ""))}\\fR${page.slice(page.indexOf("("))}`,
            )
            .join(",\n"),
        "",
    ];
    return lines.join("\n");
}
