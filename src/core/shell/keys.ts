/**
 * Bytes of a terminal, or of a noisy serial line, as keys. Pure.
 *
 * Only printable UTF-8 and the editing keys come through; every other byte is dropped. The state
 * between two bytes is bounded: an escape sequence or a character that does not end is forgotten.
 */
export type Key =
    /** Printable characters. `literal`: typed behind ^V. */
    | {readonly kind: "text"; readonly text: string; readonly literal: boolean}
    /** An editing key, as readline reads it. */
    | {readonly kind: "edit"; readonly sequence: string}
    | {readonly kind: "enter"}
    | {readonly kind: "tab"}
    | {readonly kind: "backspace"}
    | {readonly kind: "interrupt"}
    | {readonly kind: "end"}
    | {readonly kind: "clear-line"}
    | {readonly kind: "clear-screen"}
    /** The terminal's answer to CSI 6n, from 1. */
    | {readonly kind: "position"; readonly row: number; readonly column: number};

/** ^A ^B ^E ^F ^K ^N ^P ^W ^Y: move, kill, yank, history. */
const editBytes = new Set([0x01, 0x02, 0x05, 0x06, 0x0b, 0x0e, 0x10, 0x17, 0x19]);
/** Final bytes of CSI sequences that move or delete: arrows, Home, End, and "~" (Delete). */
const csiFinals = new Set("ABCDFH~");
const longestSequence = 16;

type State =
    | {kind: "ground"}
    | {kind: "escape"}
    | {kind: "csi"; text: string}
    | {kind: "ss3"}
    | {kind: "utf8"; bytes: number[]; needed: number};

export class KeyReader {
    #state: State = {kind: "ground"};
    #literal = false;
    #afterReturn = false;
    #text = "";
    #keys: Key[] = [];

    /** The keys of these bytes; neighbouring characters come as one text. */
    feed(bytes: Uint8Array): Key[] {
        this.#keys = [];
        for (const byte of bytes) this.#byte(byte);
        this.#flush();
        return this.#keys;
    }

    /** Forgets what was begun: the line was dropped and is back. */
    reset(): void {
        this.#state = {kind: "ground"};
        this.#literal = false;
        this.#afterReturn = false;
    }

    #byte(byte: number): void {
        const state = this.#state;
        switch (state.kind) {
            case "ground":
                this.#ground(byte);
                return;
            case "escape":
                this.#escape(byte);
                return;
            case "csi":
                this.#csi(state.text, byte);
                return;
            case "ss3":
                this.#state = {kind: "ground"};
                if (csiFinals.has(String.fromCharCode(byte))) {
                    this.#key({kind: "edit", sequence: `\u001b[${String.fromCharCode(byte)}`});
                }
                return;
            case "utf8":
                this.#continue(state, byte);
                return;
        }
    }

    #ground(byte: number): void {
        const afterReturn = this.#afterReturn;
        this.#afterReturn = byte === 0x0d;
        if (byte >= 0x20 && byte < 0x7f) {
            this.#character(String.fromCharCode(byte));
            return;
        }
        if (byte >= 0x80) {
            this.#lead(byte);
            return;
        }
        // What follows ^V is printable or nothing.
        this.#literal = false;
        switch (byte) {
            case 0x16:
                this.#literal = true;
                return;
            case 0x1b:
                this.#state = {kind: "escape"};
                return;
            case 0x0a:
                // CR LF is one key; a bare LF is Enter too.
                if (!afterReturn) this.#key({kind: "enter"});
                return;
            case 0x0d:
                this.#key({kind: "enter"});
                return;
            case 0x09:
                this.#key({kind: "tab"});
                return;
            case 0x08:
            case 0x7f:
                this.#key({kind: "backspace"});
                return;
            case 0x03:
                this.#key({kind: "interrupt"});
                return;
            case 0x04:
                this.#key({kind: "end"});
                return;
            case 0x15:
                this.#key({kind: "clear-line"});
                return;
            case 0x0c:
                this.#key({kind: "clear-screen"});
                return;
        }
        if (editBytes.has(byte)) {
            this.#key({kind: "edit", sequence: String.fromCharCode(byte)});
        }
    }

    #escape(byte: number): void {
        this.#state = {kind: "ground"};
        if (byte === 0x5b) this.#state = {kind: "csi", text: ""};
        else if (byte === 0x4f) this.#state = {kind: "ss3"};
        else if (byte === 0x62 || byte === 0x66 || byte === 0x64 || byte === 0x7f) {
            // Meta: a word back, forward, deleted forward, deleted back.
            this.#key({kind: "edit", sequence: `\u001b${String.fromCharCode(byte)}`});
        } else if (byte < 0x20) this.#ground(byte);
    }

    #csi(text: string, byte: number): void {
        if (byte >= 0x20 && byte < 0x40) {
            const longer = text + String.fromCharCode(byte);
            const kept = longer.length <= longestSequence;
            this.#state = kept ? {kind: "csi", text: longer} : {kind: "ground"};
            return;
        }
        this.#state = {kind: "ground"};
        // A control byte in the middle is what it is anywhere.
        if (byte < 0x20) {
            this.#ground(byte);
            return;
        }
        const final = String.fromCharCode(byte);
        const [, row, column] = /^(\d{1,4});(\d{1,4})$/.exec(text) ?? [];
        if (final === "R" && row !== undefined && column !== undefined) {
            this.#key({kind: "position", row: Number(row), column: Number(column)});
        } else if (csiFinals.has(final) && /^[\d;]*$/.test(text)) {
            this.#key({kind: "edit", sequence: `\u001b[${text}${final}`});
        }
    }

    #lead(byte: number): void {
        // RFC 3629: C2..DF, E0..EF, F0..F4 begin a character.
        const needed = byte < 0xc2 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : byte < 0xf5 ? 3 : 0;
        if (needed > 0) this.#state = {kind: "utf8", bytes: [byte], needed};
    }

    #continue(state: {bytes: number[]; needed: number}, byte: number): void {
        if ((byte & 0xc0) !== 0x80) {
            this.#state = {kind: "ground"};
            this.#ground(byte);
            return;
        }
        state.bytes.push(byte);
        if (state.bytes.length <= state.needed) return;
        this.#state = {kind: "ground"};
        const character = decode(state.bytes);
        if (character !== "") this.#character(character);
    }

    #character(character: string): void {
        if (this.#literal) {
            this.#literal = false;
            this.#key({kind: "text", text: character, literal: true});
        } else this.#text += character;
    }

    #key(key: Key): void {
        this.#flush();
        this.#keys.push(key);
    }

    #flush(): void {
        if (this.#text === "") return;
        this.#keys.push({kind: "text", text: this.#text, literal: false});
        this.#text = "";
    }
}

/** "" for an overlong form, a surrogate, or a character that is not to be printed. */
function decode(bytes: readonly number[]): string {
    const [lead = 0, ...rest] = bytes;
    const code = rest.reduce((sum, byte) => sum * 64 + (byte & 0x3f), lead & (0x3f >> rest.length));
    const least = [0, 0x80, 0x800, 0x10000][rest.length] ?? 0;
    if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return "";
    const character = String.fromCodePoint(code);
    // Controls, line separators, marks that turn the direction of text around.
    return /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cn}\p{Co}]/u.test(character) ? "" : character;
}
