/**
 * The configuration when releases of different schema take turns on one data partition. Decided
 * before carpd starts. Pure.
 *
 * A newer release reads what an older one wrote; an older one must never meet what a newer one
 * wrote. So whoever takes a configuration over keeps a copy of what it found, and a release that
 * finds a newer schema goes back to the copy of its own and sets the newer files aside.
 */

export interface SchemaFacts {
    /** The schema of the running release. */
    readonly own: number;
    /** Under which the files were written (the marker beside them); null: there is no marker. */
    readonly written: number | null;
    /** A restoration that was cut off had set the files of this schema aside already; null: none. */
    readonly restoring: number | null;
    /** Schemas of which a copy is kept. */
    readonly kept: readonly number[];
}

export type SchemaPlan =
    /** Files and release belong together. */
    | {readonly kind: "nothing"}
    /** No marker yet: the files are this release's. */
    | {readonly kind: "mark"}
    /** A newer release takes over: a copy of the files is kept as `keepAs`, then they are its own. */
    | {readonly kind: "takeOver"; readonly keepAs: number}
    /**
     * An older release: the files are set aside as `aside` unless that was done before the cut, and
     * the copy of `from` takes their place.
     */
    | {
          readonly kind: "restore";
          readonly from: number;
          readonly aside: number;
          readonly setAside: boolean;
      }
    /** An older release, and nothing that it could go back to: the files stay. */
    | {readonly kind: "tooNew"; readonly written: number};

export function planSchema({own, written, restoring, kept}: SchemaFacts): SchemaPlan {
    if (written === null) return {kind: "mark"};
    if (written === own) return {kind: "nothing"};
    if (written < own) return {kind: "takeOver", keepAs: written};
    const readable = kept.filter((schema) => schema <= own);
    if (readable.length === 0) return {kind: "tooNew", written};
    return {
        kind: "restore",
        from: Math.max(...readable),
        aside: written,
        setAside: restoring !== written,
    };
}

/** What the operator is told, without a full stop; "" where there is nothing to tell. */
export function schemaSentence(plan: SchemaPlan, own: number): string {
    switch (plan.kind) {
        case "nothing":
        case "mark":
        case "takeOver":
            return "";
        case "restore":
            return (
                `the configuration was written by a newer release (schema ${plan.aside}): it is set ` +
                `aside as carpd.toml.schema-${plan.aside}, and the one that was kept before that ` +
                `update is in force`
            );
        case "tooNew":
            return (
                `the configuration was written by a newer release (schema ${plan.written}), this ` +
                `one reads schema ${own}, and no older one was kept: check it`
            );
    }
}

/** "carpd.toml.schema-2" */
export function asideName(name: string, schema: number): string {
    return `${name}.schema-${schema}`;
}

/** What is copied, restored and set aside: the configuration, and nothing that is only beside it. */
export function isConfigurationFile(name: string): boolean {
    return name.endsWith(".toml") && !name.startsWith(".");
}
