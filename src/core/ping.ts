/** The text of `ping`, in the words of ping(8). Pure. */

/** At most, for each request. */
export const mostPings = 20;

/** One echo request; null: no answer in time. */
export interface Echo {
    /** Milliseconds there and back. */
    readonly ms: number | null;
    readonly sent: boolean;
}

/** Ends with a line feed. */
export function pingText(address: string, echoes: readonly Echo[]): string {
    const lines = echoes.map(({ms, sent}, i) => {
        if (ms !== null) return `reply from ${address}: icmp_seq=${i + 1} time=${msText(ms)} ms`;
        return `${sent ? "no answer" : "could not be sent"}: icmp_seq=${i + 1}`;
    });
    const answered = echoes.flatMap(({ms}) => (ms === null ? [] : [ms]));
    const lost = echoes.length - answered.length;
    const percent = echoes.length === 0 ? 0 : Math.round((100 * lost) / echoes.length);
    const summary = `${echoes.length} packets transmitted, ${answered.length} received, ${percent}% packet loss`;
    return [
        `PING ${address}`,
        ...lines,
        `--- ${address} ping statistics ---`,
        summary,
        ...(answered.length === 0 ? [] : [`rtt min/avg/max = ${spread(answered)} ms`]),
        "",
    ].join("\n");
}

function spread(answered: readonly number[]): string {
    const sum = answered.reduce((total, ms) => total + ms, 0);
    const all = [Math.min(...answered), sum / answered.length, Math.max(...answered)];
    return all.map(msText).join("/");
}

function msText(ms: number): string {
    return ms < 10 ? ms.toFixed(3) : ms.toFixed(1);
}
