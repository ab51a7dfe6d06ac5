/**
 * Who signs, and whom the installed system trusts. Without keys given, a throw-away authority is
 * made once and kept in build-image/keys: good for trying things, accepted by no release.
 */
import {chmodSync, existsSync, mkdirSync, rmSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import type {ReleaseKeys} from "./options.ts";
import {BuildProblem} from "./problem.ts";
import {run} from "./tools.ts";

const days = "7300";

async function makeAuthority(folder: string, name: string): Promise<void> {
    const at = (file: string): string => join(folder, file);
    await run("openssl", [
        ..."req -x509 -newkey rsa:3072 -nodes -sha256 -days".split(" "),
        days,
        ...["-subj", `/CN=${name} authority`, "-addext", "keyUsage=critical,keyCertSign,cRLSign"],
        ...["-keyout", at("ca.key"), "-out", at("ca.pem")],
    ]);
    await run("openssl", [
        ..."req -newkey rsa:3072 -nodes -sha256".split(" "),
        ...["-subj", `/CN=${name} signer`, "-keyout", at("signer.key"), "-out", at("signer.csr")],
    ]);
    writeFileSync(
        at("signer.ext"),
        "keyUsage=critical,digitalSignature\nextendedKeyUsage=emailProtection\n",
    );
    await run("openssl", [
        ..."x509 -req -sha256 -CAcreateserial -days".split(" "),
        days,
        ...["-in", at("signer.csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key")],
        ...["-extfile", at("signer.ext"), "-out", at("signer.pem")],
    ]);
    rmSync(at("signer.ext"));
    rmSync(at("signer.csr"));
}

/** Makes a folder with ca.pem, signer.key, signer.pem unless it is there. */
export async function developmentKeys(folder: string): Promise<ReleaseKeys> {
    if (!existsSync(join(folder, "signer.pem"))) {
        mkdirSync(folder, {recursive: true});
        chmodSync(folder, 0o700);
        await makeAuthority(folder, "carpd development");
    }
    return {
        key: join(folder, "signer.key"),
        cert: join(folder, "signer.pem"),
        keyring: join(folder, "ca.pem"),
    };
}

export function requireKeys(keys: ReleaseKeys): void {
    for (const [name, path] of Object.entries(keys)) {
        if (path.startsWith("pkcs11:")) continue;
        if (!existsSync(path)) throw new BuildProblem(`--${name} ${path}: no such file`);
    }
}
