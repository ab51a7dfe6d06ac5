/**
 * The users of the console on the disk, `users.json` in the state directory, and their scrypt
 * hashes. Main thread; scrypt runs in libuv's thread pool.
 */
import {randomBytes, scrypt, timingSafeEqual} from "node:crypto";
import {readFile} from "node:fs/promises";
import {join} from "node:path";
import {err, ok, type Result} from "../core/result.ts";
import {type PasswordHash, parseUsers, printUsers, type UserRecord} from "../core/users.ts";
import {writeDurably} from "./durable-file.ts";
import {codeOf} from "./system-error.ts";

const fileName = "users.json";

/** Implements UserStore of src/app/access-ports.ts. */
export class FileUserStore {
    readonly #file: string;

    constructor(stateDir: string) {
        this.#file = join(stateDir, fileName);
    }

    /**
     * No file: no user. A damaged one is an error, never an empty list: that would let whoever sits
     * at the console make the first administrator. There is no older copy to fall back to: it would
     * bring back a password that was changed or a user who was removed.
     */
    async load(): Promise<Result<UserRecord[], string>> {
        try {
            const users = parseUsers(await readFile(this.#file, "utf8"));
            return users.ok ? users : err(`${this.#file} ${users.error}`);
        } catch (error) {
            if (codeOf(error) === "ENOENT") return ok([]);
            return err(`${this.#file} cannot be read: ${codeOf(error)}`);
        }
    }

    /** Mode 0600. The error is a sentence. */
    async save(users: readonly UserRecord[]): Promise<Result<void, string>> {
        try {
            await writeDurably(this.#file, printUsers(users), false);
            return ok(undefined);
        } catch (error) {
            return err(`cannot store the users in ${this.#file}: ${codeOf(error)}`);
        }
    }
}

export interface ScryptCost {
    readonly n: number;
    readonly r: number;
    readonly p: number;
}

/** 32 MiB and about 0.1 s on a small x86 router. */
const defaultCost: ScryptCost = {n: 2 ** 15, r: 8, p: 1};
const saltOctets = 16;
const keyOctets = 32;

/** Implements PasswordHasher of src/app/access-ports.ts. New hashes get `cost`, old ones keep theirs. */
export class ScryptHasher {
    readonly #cost: ScryptCost;
    /** What a password of nobody is compared with: as much work, and no password gives it. */
    readonly #nobody: PasswordHash;

    constructor(cost = defaultCost) {
        this.#cost = cost;
        this.#nobody = this.#record(randomBytes(saltOctets), randomBytes(keyOctets));
    }

    async hash(password: string): Promise<PasswordHash> {
        const salt = randomBytes(saltOctets);
        return this.#record(salt, await derive(password, salt, keyOctets, this.#cost));
    }

    async verify(password: string, hash: PasswordHash | null): Promise<boolean> {
        const known = hash ?? this.#nobody;
        const key = Buffer.from(known.key, "base64");
        const salt = Buffer.from(known.salt, "base64");
        const same = timingSafeEqual(await derive(password, salt, key.length, known), key);
        return same && hash !== null;
    }

    #record(salt: Buffer, key: Buffer): PasswordHash {
        return {
            algorithm: "scrypt",
            ...this.#cost,
            salt: salt.toString("base64"),
            key: key.toString("base64"),
        };
    }
}

function derive(password: string, salt: Buffer, octets: number, cost: ScryptCost): Promise<Buffer> {
    const {n, r, p} = cost;
    // RFC 7914: 128*N*r octets for V and 128*r*p for B; OpenSSL counts a little more.
    const maxmem = 128 * r * (n + p + 16);
    return new Promise((resolve, reject) => {
        scrypt(password, salt, octets, {N: n, r, p, maxmem}, (error, key) => {
            if (error === null) resolve(key);
            else reject(error);
        });
    });
}
