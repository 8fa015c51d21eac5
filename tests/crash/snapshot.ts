import { copyFileSync, existsSync, rmSync } from "node:fs";
import Database from "better-sqlite3";
import { itemPath, stepId } from "../../src/core/places.ts";
import { entryStatus } from "../../src/core/status.ts";
import { checkInvariants } from "../support/invariants.ts";

interface ExecutionRow {
  readonly key: number;
  readonly id: string;
  readonly kind: "workflow" | "activity";
  readonly name: string;
  readonly state: string;
  readonly result: string | null;
  readonly run: number;
  readonly cut: number;
  readonly not_before: number;
  readonly started_at: number | null;
  readonly ended_at: number | null;
  readonly worker: number | null;
  readonly blocked: string | null;
}
interface EntryRow {
  readonly execution: number;
  readonly run: number;
  readonly cut: number;
  readonly seq: number;
  readonly path: string;
  readonly kind: string;
  readonly name: string | null;
  readonly status: number;
  readonly value: string | null;
  readonly delivery: number | null;
  readonly due_at: number | null;
  readonly ended_at: number | null;
  readonly failures: number;
}
interface ItemRow {
  readonly execution: number;
  readonly run: number;
  readonly seq: number;
  readonly item: number;
  readonly status: number;
  readonly value: string | null;
}
interface WorkRow {
  readonly key: number;
  readonly execution: number;
  readonly run: number;
  readonly seq: number;
  readonly worker: number | null;
  readonly status: number;
}

/** Everything that a database holds at one moment. */
export interface Snapshot {
  readonly executions: readonly ExecutionRow[];
  readonly journal: readonly EntryRow[];
  readonly items: readonly ItemRow[];
  readonly tasks: readonly WorkRow[];
  readonly arrivals: readonly WorkRow[];
  readonly signals: readonly {
    execution: number;
    name: string;
    payload: string;
    consumed_run: number | null;
  }[];
  readonly workers: readonly { key: number; state: "live" | "dead"; pid: number }[];
  readonly marks: readonly {
    execution: number;
    run: number;
    seq: number;
    item: number;
    session: number;
  }[];
  readonly deadLetters: readonly { task: string; execution: number; reason: string }[];
  /** What transactions of workflows have written. */
  readonly ledger: readonly { execution: string; path: string }[];
  /** What the database itself shows of broken invariants. */
  readonly violations: readonly string[];
}

/** Reads a copy, so that the write-ahead log is found by the next process as the killed one left it. No process may be at work. */
export function snapshotOf(path: string): Snapshot {
  const copy = `${path}.copy`;
  for (const suffix of ["", "-wal"]) {
    rmSync(copy + suffix, { force: true });
    if (existsSync(path + suffix)) copyFileSync(path + suffix, copy + suffix);
  }
  return read(copy);
}

/** Reads the database itself, beside the processes that are at work. */
export function read(path: string): Snapshot {
  const database = new Database(path, { timeout: 5_000 });
  try {
    const known = "select 1 from sqlite_master where name = ?";
    database.exec("begin");
    const all = <T>(table: string): T[] => {
      return database.prepare(known).get(table) === undefined
        ? []
        : database.prepare<[], T>(`select * from ${table}`).all();
    };
    return {
      executions: all("stent_executions"),
      journal: all("stent_journal"),
      items: all("stent_items"),
      tasks: all("stent_tasks"),
      arrivals: all("stent_arrivals"),
      signals: all("stent_signals"),
      workers: all("stent_workers"),
      marks: all("stent_marks"),
      deadLetters: all("stent_dead_letters"),
      ledger: all("ledger"),
      violations: [
        ...brokenPages(database),
        ...(database.prepare(known).get("stent_dead_letters") === undefined
          ? []
          : checkInvariants(database)),
      ],
    };
  } finally {
    database.close();
  }
}

function brokenPages(database: Database.Database): string[] {
  const found = String(database.pragma("integrity_check", { simple: true }));
  return found === "ok" ? [] : [found];
}

/** Idempotency keys of the steps whose completion, or failure for good, is committed. */
export function endedSteps(snapshot: Snapshot): Set<string> {
  const executions = new Map(snapshot.executions.map((row) => [row.key, row]));
  const entries = new Map(snapshot.journal.map((row) => [place(row), row]));
  const keys = new Set<string>();
  const add = (entry: EntryRow | undefined, path: (of: EntryRow) => string): void => {
    const execution = entry === undefined ? undefined : executions.get(entry.execution);
    if (entry !== undefined && execution !== undefined) {
      keys.add(stepId({ id: execution.id, run: entry.run, cut: entry.cut }, path(entry)));
    }
  };
  const ended: readonly number[] = [entryStatus.completed, entryStatus.failed];
  for (const entry of snapshot.journal) {
    if (entry.kind === "call" && ended.includes(entry.status)) add(entry, ({ path }) => path);
  }
  for (const arrival of snapshot.arrivals) {
    const entry = entries.get(place(arrival));
    if (entry?.kind === "call") add(entry, ({ path }) => path);
  }
  for (const item of snapshot.items) {
    if (ended.includes(item.status))
      add(entries.get(place(item)), ({ path }) => itemPath(path, item.item));
  }
  for (const row of snapshot.executions) {
    if (row.kind === "activity" && row.ended_at !== null) keys.add(stepId(row, "1"));
  }
  return keys;
}

/** How many executions have not ended, and how many steps have. */
export function howFar(path: string): { readonly unfinished: number; readonly steps: number } {
  const database = new Database(path, { timeout: 5_000 });
  try {
    const count = (what: string): number =>
      Number(database.prepare(`select count(*) from ${what}`).pluck().get());
    return {
      unfinished: count("stent_executions where ended_at is null"),
      steps: count("stent_journal where status = 1"),
    };
  } finally {
    database.close();
  }
}

/** Names an entry. */
export function place(row: {
  readonly execution: number;
  readonly run: number;
  readonly seq: number;
}): string {
  return `${row.execution}/${row.run}/${row.seq}`;
}
