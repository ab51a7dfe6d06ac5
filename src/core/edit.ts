/**
 * Edits of the configuration file, as data: what the console, the BSD commands and `load` make, and
 * what config-edit.ts does to the text without touching comments and layout. Pure.
 *
 * Paths name keys of carpd.toml:
 *   ["options", KEY]           a key of [options]; ["system", KEY] of [system]
 *   ["carp", NAME]             the [[carp]] block that is called so (its name or its default name)
 *   ["carp", NAME, KEY]        a key of it; a block that is not there is made
 *   ["track", NAME], ["track", NAME, KEY]; ["interface", NAME], ["interface", NAME, KEY]
 */
export type EditValue = string | number | boolean | readonly string[];

export type Edit =
    /** Sets a key; an array is replaced as a whole. */
    | {readonly op: "set"; readonly path: readonly string[]; readonly value: EditValue}
    /** Adds an element to an array; one that is there already is left alone. */
    | {readonly op: "add"; readonly path: readonly string[]; readonly value: string}
    /** Removes an element of an array, by its canonical value. */
    | {readonly op: "drop"; readonly path: readonly string[]; readonly value: string}
    /** Removes a key or a block. */
    | {readonly op: "delete"; readonly path: readonly string[]}
    /** Gives a block another name. */
    | {readonly op: "rename"; readonly path: readonly string[]; readonly to: string}
    | {readonly op: "copy"; readonly path: readonly string[]; readonly to: string}
    /** Puts a comment line above a key or block; "" removes it. */
    | {readonly op: "comment"; readonly path: readonly string[]; readonly text: string};

/** Why an edit was refused. */
export interface EditRefusal {
    readonly message: string;
    readonly expected: string;
}
