/**
 * For test files that need namespaces of their own. The first lines of such a file:
 *
 *     const skip = await inNamespace();
 *     test("...", {skip}, async () => { ... });
 *
 * The file is then run a second time by itself, inside fresh user, network, mount and PID
 * namespaces (src/io/lab/launch.ts); what it reports reaches the runner as if nothing had happened,
 * and every process and interface is gone with its end. Hosts, segments and cables are made by
 * src/io/lab/namespaces.ts.
 */
import {enterNamespaces} from "../../src/io/lab/launch.ts";

/** false inside; a reason for skipping where namespaces are refused. Does not return outside. */
export async function inNamespace(): Promise<string | false> {
    const entry = await enterNamespaces();
    if (entry.kind === "inside") return false;
    const {reason, remedy} = entry.refusal;
    return `namespaces are refused here: ${reason}; what would allow them: ${remedy}`;
}
