/** Where the counters of advertisements begin after a start or a change of the configuration. */
import {exitCodes} from "../core/exit-codes.ts";
import {type Log, note} from "../core/log.ts";
import {err, ok, type Result} from "../core/result.ts";
import type {EpochStore, Failure} from "./ports.ts";

/** The next epoch as the upper half of a counter; what was wrong with the store is logged. */
export async function nextCounter(epochs: EpochStore, log: Log): Promise<Result<bigint, Failure>> {
    const grant = await epochs.advance();
    if (!grant.ok) return err({text: grant.error, exitCode: exitCodes.ioError});
    const {epoch, warning} = grant.value;
    if (warning !== "") log.write(note("warning", "epoch", warning));
    return ok(BigInt(epoch) << 32n);
}
