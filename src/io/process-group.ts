/**
 * Runs one program in a process group of its own, with a time limit that holds for everything it
 * started. Main thread; nothing here waits on anything but events and timers.
 *
 * The program that exits by itself may leave processes behind on purpose (a daemon that it
 * started); they are left alone, only their end of the output pipe is closed. The program that is
 * stopped takes its whole group along.
 */
import {type ChildProcessByStdio, spawn} from "node:child_process";
import {readdirSync, readFileSync} from "node:fs";
import type {Readable} from "node:stream";
import {OutputBudget, OutputLines} from "../core/hook-output.ts";
import {codeOf} from "./system-error.ts";

export interface Program {
    readonly path: string;
    readonly args: readonly string[];
    /** The whole environment. */
    readonly environment: Readonly<Record<string, string>>;
    /** Milliseconds from start to SIGTERM. */
    readonly limitMs: number;
    /** One line of output; at most `mostLines` and `mostOctets` of src/core/hook-output.ts. */
    readonly line: (text: string) => void;
}

export interface ProgramEnd {
    /**
     * failed: it could not be started; late: stopped at its time limit; cancelled: stopped by the
     * caller.
     */
    readonly kind: "exited" | "killed" | "failed" | "late" | "cancelled";
    /** Exit status, or what an error or a signal is called; "not begun" when cancelled before. */
    readonly detail: string;
    /** More was printed than `line` was told. */
    readonly cut: boolean;
    /** Some of it lives on after SIGKILL: stuck in the kernel, or of another user. */
    readonly survived: boolean;
}

/** From SIGTERM to SIGKILL, and from SIGKILL to giving up. Milliseconds. */
const graceMs = 1000;
const pollMs = 20;
/** How long the output of a process that has exited is waited for. */
const drainMs = 200;
/** Beyond the budget, output is thrown away a pipe's content at a time: 64 KiB each 5 ms. */
const throttleMs = 5;

type Child = ChildProcessByStdio<null, Readable, Readable>;

function delay(ms: number): Promise<void> {
    return new Promise((resolve) => {
        setTimeout(resolve, ms);
    });
}

/** false: nobody was there to hear it. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
    try {
        process.kill(-group, signal);
        return true;
    } catch (error) {
        // EPERM: the group lives, but every member of it belongs to somebody else.
        if (codeOf(error) === "EPERM") return true;
        if (codeOf(error) === "ESRCH") return false;
        throw error;
    }
}

/** Whether one process of the group is more than a zombie that waits to be reaped. */
function groupRuns(group: number): boolean {
    return readdirSync("/proc").some((entry) => {
        if (!/^\d+$/u.test(entry)) return false;
        try {
            const text = readFileSync(`/proc/${entry}/stat`, "utf8");
            // proc(5): pid (name) state ppid pgrp ...; the name may hold anything, even ")".
            const [state, , pgrp] = text.slice(text.lastIndexOf(")") + 2).split(" ");
            return Number(pgrp) === group && state !== "Z" && state !== "X";
        } catch (error) {
            // It ended between the two calls.
            if (codeOf(error) === "ENOENT" || codeOf(error) === "ESRCH") return false;
            throw error;
        }
    });
}

async function groupEnds(group: number, limitMs: number): Promise<boolean> {
    const end = performance.now() + limitMs;
    while (signalGroup(group, 0)) {
        if (performance.now() >= end) return !groupRuns(group);
        await delay(pollMs);
    }
    return true;
}

/** SIGTERM, then SIGKILL. false: something lives on. */
async function stopGroup(group: number): Promise<boolean> {
    signalGroup(group, "SIGTERM");
    if (await groupEnds(group, graceMs)) return true;
    signalGroup(group, "SIGKILL");
    return groupEnds(group, graceMs);
}

function readLines(stream: Readable, budget: OutputBudget, line: (text: string) => void): void {
    const lines = new OutputLines(budget);
    stream.on("data", (chunk: Uint8Array) => {
        for (const text of lines.push(chunk)) line(text);
        if (!budget.cut) return;
        // A flood must not occupy the thread, and a writer must not be stopped by SIGPIPE.
        stream.pause();
        setTimeout(() => stream.resume(), throttleMs);
    });
    // Not "end": a process that was left behind may hold the pipe until it is closed here.
    stream.on("close", () => {
        for (const text of lines.end()) line(text);
    });
    stream.on("error", () => stream.destroy());
}

/** Resolves when the program and, if it was stopped, its group has ended. Never rejects. */
export async function runProgram(program: Program, cancel: AbortSignal): Promise<ProgramEnd> {
    const budget = new OutputBudget();
    const end = (kind: ProgramEnd["kind"], detail: string, survived = false): ProgramEnd => ({
        kind,
        detail,
        cut: budget.cut,
        survived,
    });
    if (cancel.aborted) return end("cancelled", "not begun");
    let child: Child;
    try {
        child = spawn(program.path, [...program.args], {
            cwd: "/",
            env: program.environment,
            // A session, and with it a process group, of its own: its number is the pid.
            detached: true,
            stdio: ["ignore", "pipe", "pipe"],
        });
    } catch (error) {
        // Node throws some errors of the system call (E2BIG, ENOMEM) and emits others (ENOENT).
        return end("failed", codeOf(error));
    }
    const failed = new Promise<string>((resolve) => {
        child.once("error", (error) => resolve(codeOf(error)));
    });
    const {pid} = child;
    if (pid === undefined) return end("failed", await failed);
    readLines(child.stdout, budget, program.line);
    readLines(child.stderr, budget, program.line);
    const closed = new Promise<void>((resolve) => {
        child.once("close", () => resolve());
    });
    const exited = new Promise<ProgramEnd["kind"]>((resolve) => {
        child.once("exit", (status) => resolve(status === null ? "killed" : "exited"));
    });

    let stop: (kind: ProgramEnd["kind"]) => void = () => undefined;
    const stopped = new Promise<ProgramEnd["kind"]>((resolve) => {
        stop = resolve;
    });
    const timer = setTimeout(() => stop("late"), program.limitMs);
    const onCancel = (): void => stop("cancelled");
    cancel.addEventListener("abort", onCancel, {once: true});
    const kind = await Promise.race([exited, stopped]);
    clearTimeout(timer);
    cancel.removeEventListener("abort", onCancel);

    const survived = kind === "late" || kind === "cancelled" ? !(await stopGroup(pid)) : false;
    await Promise.race([closed, delay(drainMs)]);
    child.stdout.destroy();
    child.stderr.destroy();
    const detail = kind === "killed" ? String(child.signalCode) : String(child.exitCode ?? "");
    return end(kind, detail, survived);
}
