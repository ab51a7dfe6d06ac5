// Prints test/vectors/captures.json as the initialisers that test/native/wire_vectors.cc includes.
import {readFileSync} from "node:fs";

const {captures} = JSON.parse(readFileSync(process.argv[2], "utf8"));
const text = (value) => JSON.stringify(value);
const list = (values, print) => `{${values.map(print).join(", ")}}`;

for (const capture of captures) {
    const vhosts = list(
        capture.vhosts,
        (v) => `{${v.vhid}, ${text(v.password)}, ${list(v.addresses, text)}, ${v.verified}}`,
    );
    const deliberate = list(
        capture.deliberate ?? [],
        (d) => `{${d.frame}, ${list(d.oddities, text)}}`,
    );
    process.stdout.write(
        `{${text(capture.file)}, ${capture.adverts}, ${vhosts}, ${deliberate}},\n`,
    );
}
