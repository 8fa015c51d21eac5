/** A turn of a workflow in the making, the same for both databases but for the keys of what has come to it. */
import { entryStatus } from "../../src/core/status.ts";
import type { EntryChange, NewEntry, NewExecution, TurnRequest } from "../../src/store/store.ts";
import type { Paired, PairedRows, RowOf, Side } from "./paired-rows.ts";
import { change, entry } from "./scene.ts";

/** What a holder sees beside its execution. */
export interface Sight {
  readonly rows: PairedRows;
  readonly now: number;
  /** What the execution of that number is if it is new. */
  execution(number: number): NewExecution;
}

/** An entry that waits. */
export interface OpenEntry {
  readonly seq: number;
  readonly path: string;
  readonly kind: string;
  readonly name: string | undefined;
  readonly dueAt: number | undefined;
  readonly attempt: number;
  readonly failures: number;
  readonly cut: number;
  /** The session in which its attempt runs. */
  readonly worker: number | null;
}

type Lists = Pick<
  TurnRequest,
  | "entries"
  | "changes"
  | "withdrawn"
  | "told"
  | "tasks"
  | "fanouts"
  | "children"
  | "sends"
  | "dispatches"
  | "counters"
  | "state"
  | "deadLetters"
>;

export class TurnDraft {
  readonly sight: Sight;
  readonly row: RowOf<"stent_executions">;
  /** Of its run, in order, as they were before this turn. */
  readonly entries: readonly RowOf<"stent_journal">[];
  readonly open: Map<number, OpenEntry>;
  readonly lists: { readonly [K in keyof Lists]: Lists[K][number][] } = {
    entries: [],
    changes: [],
    withdrawn: [],
    told: [],
    tasks: [],
    fanouts: [],
    children: [],
    sends: [],
    dispatches: [],
    counters: [],
    state: [],
    deadLetters: [],
  };
  readonly arrived: Paired<"stent_arrivals">[] = [];
  readonly consumed: { readonly signal: Paired<"stent_signals">; readonly seq: number }[] = [];
  #delivery: number;
  #seq: number;
  readonly #new = new Set<number>();

  constructor(sight: Sight, row: RowOf<"stent_executions">) {
    this.sight = sight;
    this.row = row;
    this.entries = sight.rows.stent_journal
      .map(([one]) => one)
      .filter((one) => one.execution === row.key && one.run === row.run)
      .toSorted((a, b) => a.seq - b.seq);
    this.open = new Map(
      this.entries
        .filter(({ status }) => status === entryStatus.pending)
        .map((one) => [
          one.seq,
          { ...one, name: one.name ?? undefined, dueAt: one.due_at ?? undefined },
        ]),
    );
    this.#delivery = Math.max(
      0,
      ...this.entries.flatMap(({ reached, delivery }) => [reached, delivery ?? 0]),
    );
    this.#seq = Math.max(0, ...this.entries.map(({ seq }) => seq));
  }

  get delivery(): number {
    return this.#delivery;
  }

  parts(side: Side): Partial<TurnRequest> {
    return {
      ...this.lists,
      arrived: this.arrived.map((pair) => pair[side].key),
      consumed: this.consumed.map(({ signal, seq }) => ({ signal: signal[side].key, seq })),
    };
  }

  /** Those that no effect of this turn has reached, and that still wait. */
  get waiting(): readonly OpenEntry[] {
    return [...this.open.values()].filter(({ seq }) => !this.#new.has(seq));
  }

  deliver(
    seq: number,
    outcome: Partial<Pick<EntryChange, "status" | "value" | "attempt" | "failures">> = {},
  ): void {
    const { status = entryStatus.completed, value = "value", attempt = 1, failures = 0 } = outcome;
    this.#delivery += 1;
    this.lists.changes.push(change(seq, this.#delivery, { status, value, attempt, failures }));
    this.open.delete(seq);
  }

  /** Another attempt, here or in the queue. */
  changeAttempt(
    one: OpenEntry,
    how: Pick<EntryChange, "value" | "attempt" | "failures" | "here">,
  ): void {
    const pending = { status: entryStatus.pending, delivery: undefined, endedAt: undefined };
    this.lists.changes.push(change(one.seq, 0, { ...pending, ...how }));
    this.open.set(one.seq, { ...one, ...how, worker: how.here ? this.row.worker : null });
  }

  /** Another entry. @returns its number, which is its path */
  enter(parts: Partial<NewEntry>): number {
    const seq = (this.#seq += 1);
    const { now } = this.sight;
    const one = entry(seq, { reached: this.#delivery, scheduledAt: now, ...parts });
    this.lists.entries.push(one);
    if (one.status !== entryStatus.pending) return seq;
    this.#new.add(seq);
    const { row } = this;
    this.open.set(seq, { ...one, cut: row.cut, worker: one.here ? row.worker : null });
    return seq;
  }
}
