/** The prompt, and what goes over the line when a message comes in between. Pure. */

/** A host name as a prompt shows it: without the domain, at most 24 characters. */
export function shortHost(host: string): string {
    const name = (host.split(".")[0] ?? "").replaceAll(/[^\w-]/gu, "");
    return name === "" ? "router" : name.slice(0, 24);
}

/** "carp-a> ", in configuration mode "carp-a# ". */
export function promptText(host: string, editing: boolean): string {
    return `${shortHost(host)}${editing ? "#" : ">"} `;
}

/** The line above the prompt of configuration mode: "[edit carp carp0]". */
export function contextText(context: readonly string[]): string {
    return `[${["edit", ...context].join(" ")}]`;
}

/** Clears the prompt and what is typed; `rowsAbove`: rows of it above the cursor. */
export function clearTyped(rowsAbove: number): string {
    return `${rowsAbove > 0 ? `\u001b[${rowsAbove}A` : ""}\r\u001b[J`;
}

/** Text for a terminal in raw mode. */
export function crlf(text: string): string {
    return text.replaceAll(/\r?\n/gu, "\r\n");
}
