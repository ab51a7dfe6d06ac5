/** What the benchmark prints: findings as tables for people and as one JSON document. Pure. */

export interface Column {
    /** Key in a row's values and in the JSON. */
    readonly key: string;
    readonly title: string;
    /** Digits behind the point. */
    readonly digits: number;
}

export interface Row {
    readonly label: string;
    /** null: does not apply or could not be measured. */
    readonly values: Readonly<Record<string, number | null>>;
}

/** The outcome of one measurement. */
export interface Finding {
    readonly name: string;
    readonly title: string;
    readonly columns: readonly Column[];
    readonly rows: readonly Row[];
    /** What a reader has to know to judge the numbers. */
    readonly notes: readonly string[];
    /** Could not be done, or not wholly; the notes say why. */
    readonly failed: boolean;
}

/** The machine and its noise. */
export interface Machine {
    readonly kernel: string;
    readonly node: string;
    readonly cores: number;
    readonly cpu: string;
    /** Of the last minute. */
    readonly loadAtStart: number;
    readonly loadAtEnd: number;
    /** carpd's own words: "SCHED_FIFO 50", or what was refused. */
    readonly scheduler: string;
    readonly memory: string;
    readonly seconds: number;
    readonly quick: boolean;
}

export function cell(value: number | null | undefined, digits: number): string {
    return value === null || value === undefined ? "-" : value.toFixed(digits);
}

/** The first column is left-aligned, numbers are right-aligned, two blanks between columns. */
export function table(columns: readonly Column[], rows: readonly Row[]): readonly string[] {
    const grid = [
        ["", ...columns.map(({title}) => title)],
        ...rows.map(({label, values}) => [
            label,
            ...columns.map(({key, digits}) => cell(values[key], digits)),
        ]),
    ];
    const widths = grid.reduce<readonly number[]>(
        (all, line) => line.map((text, i) => Math.max(text.length, all[i] ?? 0)),
        [],
    );
    return grid.map((line) =>
        line
            .map((text, i) =>
                i === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[i] ?? 0),
            )
            .join("  ")
            .trimEnd(),
    );
}

export function findingText({name, title, columns, rows, notes}: Finding): string {
    const body = rows.length === 0 ? [] : table(columns, rows).map((line) => `  ${line}`);
    return [`${name}: ${title}`, ...body, ...notes.map((note) => `  * ${note}`)].join("\n");
}

export function machineText(machine: Machine): string {
    const {kernel, node, cores, cpu, loadAtStart, loadAtEnd, scheduler, memory} = machine;
    const busy = Math.max(loadAtStart, loadAtEnd) > cores / 2 ? " (a busy machine)" : "";
    return [
        `Linux ${kernel}, node ${node}, ${cores} cores (${cpu})`,
        `load average ${cell(loadAtStart, 2)} before, ${cell(loadAtEnd, 2)} after${busy}`,
        `carpd: ${scheduler}, ${memory}`,
        `${machine.quick ? "quick run, few repetitions, " : ""}${cell(machine.seconds, 0)} s`,
    ].join("\n");
}

export function reportText(machine: Machine, findings: readonly Finding[]): string {
    return `${[machineText(machine), ...findings.map(findingText)].join("\n\n")}\n`;
}

/** Keys are API for scripts that compare runs. */
export function reportJson(machine: Machine, findings: readonly Finding[]): string {
    const list = findings.map(({name, title, columns, rows, notes, failed}) => ({
        name,
        title,
        columns: columns.map(({key, title: text}) => ({key, title: text})),
        rows: rows.map(({label, values}) => ({label, ...values})),
        notes,
        failed,
    }));
    return `${JSON.stringify({machine, findings: list}, null, 2)}\n`;
}
