import { itemPath, stepId } from "../../src/core/places.ts";
import { entryStatus } from "../../src/core/status.ts";
import { checkInvariants, type Query } from "../support/invariants.ts";
import type { SceneDatabase } from "./database.ts";

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
  readonly attempt: number;
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
  /** Places that are taken, and who waits for one. */
  readonly slots: readonly object[];
  readonly waits: readonly object[];
  /** What transactions of workflows have written. */
  readonly ledger: readonly { execution: string; path: string }[];
  /** What the database itself shows of broken invariants. */
  readonly violations: readonly string[];
}

/** Reads it when no process is at work. */
export function snapshotOf(database: SceneDatabase): Promise<Snapshot> {
  return database.lookAtRest(everything);
}

/** Reads it beside the processes that are at work. */
export function read(database: SceneDatabase): Promise<Snapshot> {
  return database.look(everything);
}

async function everything(query: Query, tables: readonly string[]): Promise<Snapshot> {
  const known = new Set(tables);
  const all = async <T>(table: string): Promise<readonly T[]> =>
    known.has(table) ? query<T>(`select * from ${table}`) : [];
  return {
    executions: (await all<ExecutionRow>("stent_executions")).toSorted((a, b) => a.key - b.key),
    journal: (await all<EntryRow>("stent_journal")).toSorted(inJournalOrder),
    items: await all("stent_items"),
    tasks: await all("stent_tasks"),
    arrivals: await all("stent_arrivals"),
    signals: await all("stent_signals"),
    workers: await all("stent_workers"),
    marks: await all("stent_marks"),
    deadLetters: await all("stent_dead_letters"),
    slots: await all("stent_slots"),
    waits: await all("stent_waits"),
    ledger: await all("ledger"),
    violations: known.has("stent_dead_letters") ? await checkInvariants(query) : [],
  };
}

function inJournalOrder(a: EntryRow, b: EntryRow): number {
  return a.execution - b.execution || a.run - b.run || a.seq - b.seq;
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
export function howFar(
  database: SceneDatabase,
): Promise<{ readonly unfinished: number; readonly steps: number }> {
  return database.look(async (query) => {
    const count = async (what: string): Promise<number> => {
      const [row] = await query<{ count: number }>(`select count(*) as count from ${what}`);
      return row?.count ?? 0;
    };
    return {
      unfinished: await count("stent_executions where ended_at is null"),
      steps: await count("stent_journal where status = 1"),
    };
  });
}

/** Names an entry. */
export function place(row: {
  readonly execution: number;
  readonly run: number;
  readonly seq: number;
}): string {
  return `${row.execution}/${row.run}/${row.seq}`;
}
