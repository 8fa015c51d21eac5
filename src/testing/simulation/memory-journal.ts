import { outcomeOf, valuePlace } from "../../core/entry-outcome.ts";
import type { Entry } from "../../core/journal.ts";
import { statePlace } from "../../core/places.ts";
import type { Payload, PayloadCodec } from "../../core/payload.ts";
import { entryStatus, type EntryStatus } from "../../core/status.ts";
import type { EntryChange, ItemRow, JournalRow, NewEntry } from "../../store/store.ts";
import { decodeJournal, type RunId } from "../../worker/journal-loading.ts";
import type { TurnBuilder } from "../../worker/turn-builder.ts";

/** One item of a map, as it is kept. */
export interface MemoryItem extends ItemRow {
  readonly input: Payload;
}

/** One entry, with when its outcome came. */
export type MemoryRow = JournalRow & { readonly endedAt: number | undefined };

/** A journal of one run in memory: rows as a worker writes them, encoded, and read as a worker reads them. */
export class MemoryJournal {
  readonly #run: RunId;
  readonly #codec: PayloadCodec;
  readonly #rows: MemoryRow[] = [];
  /** Those decoded whose value nobody can change: every replay takes the same one. Of each row that has changed since there is none. */
  readonly #entries: (Entry | undefined)[] = [];
  readonly #items = new Map<number, MemoryItem[]>();
  readonly #counters: Map<string, number>;
  readonly #state: Map<string, Payload>;

  /** `handedOn`: what the run begins with. */
  constructor(run: RunId, codec: PayloadCodec, handedOn: MemoryRecords) {
    this.#run = run;
    this.#codec = codec;
    this.#counters = new Map(handedOn.counters);
    this.#state = new Map(handedOn.state);
  }

  get rows(): readonly MemoryRow[] {
    return this.#rows;
  }

  /** Counters and state as they stand. */
  get records(): MemoryRecords {
    return { counters: this.#counters, state: this.#state };
  }

  itemsOf(seq: number): readonly MemoryItem[] {
    return this.#items.get(seq) ?? none;
  }

  addItems(seq: number, inputs: readonly Payload[]): void {
    this.#items.set(seq, inputs.map(pendingItem));
  }

  endItem(seq: number, item: number, status: EntryStatus, value: Payload | undefined): void {
    const items = this.#items.get(seq);
    const ended = items?.[item];
    if (items !== undefined && ended !== undefined) items[item] = { ...ended, status, value };
  }

  /** All of a turn. */
  write(builder: TurnBuilder): void {
    const { entries, changes, withdrawn, counters, state } = builder.rows();
    for (const entry of entries) this.#rows[entry.seq - 1] = rowOf(entry);
    for (const change of changes) this.#change(change.seq, outcomeIn(change));
    for (const { seq } of withdrawn) this.#change(seq, { status: entryStatus.withdrawn });
    for (const { name, value } of counters) this.#counters.set(name, value);
    for (const { name, value } of state) this.#state.set(name, value);
  }

  /** As replay takes it. */
  async entries(): Promise<readonly Entry[]> {
    const store = { items: (_key: number, _run: number, seq: number) => this.#itemsOf(seq) };
    const rows = this.#rows.filter(({ seq }) => this.#entries[seq - 1] === undefined);
    const decoded = await decodeJournal(store, this.#codec, this.#run, rows);
    let next = 0;
    return this.#rows.map(({ seq }) => {
      const known = this.#entries[seq - 1];
      const entry = known ?? decoded[next++];
      if (entry === undefined) throw new Error(`row ${seq} of the journal was not decoded`);
      if (known === undefined && isUnchangeable(entry)) this.#entries[seq - 1] = entry;
      return entry;
    });
  }

  /** Counters and state as replay takes them. */
  snapshot(): { counters: Map<string, number>; state: Map<string, unknown> } {
    return {
      counters: new Map(this.#counters),
      state: decodedState(this.#codec, this.#run, this.#state),
    };
  }

  outcomeAt(row: JournalRow): ReturnType<typeof outcomeOf> {
    return outcomeOf(this.#codec, row.status, row.value ?? undefined, valuePlace(this.#run, row));
  }

  #itemsOf(seq: number): Promise<readonly ItemRow[]> {
    return Promise.resolve(this.itemsOf(seq));
  }

  #change(seq: number, change: Partial<MemoryRow>): void {
    const row = this.#rows[seq - 1];
    if (row === undefined) return;
    Object.assign(row, change);
    this.#entries[seq - 1] = undefined;
  }
}

/** An error, or an object, belongs to the workflow that it is given to. */
function isUnchangeable({ outcome, input }: Entry): boolean {
  if (input !== undefined || outcome?.ok === false) return false;
  const value = outcome?.value;
  return value === null || (typeof value !== "object" && typeof value !== "function");
}

/** Counters, and state as it is stored. */
export interface MemoryRecords {
  readonly counters: ReadonlyMap<string, number>;
  readonly state: ReadonlyMap<string, Payload>;
}

/** State as a workflow sees it. */
export function decodedState(
  codec: PayloadCodec,
  { id }: { readonly id: string },
  state: ReadonlyMap<string, Payload>,
): Map<string, unknown> {
  return new Map(
    [...state].map(([name, payload]) => [name, codec.decode(payload, statePlace(id, name))]),
  );
}

const none: readonly never[] = [];

function pendingItem(input: Payload, item: number): MemoryItem {
  return { item, input, status: entryStatus.pending, value: undefined };
}

function rowOf(entry: NewEntry): MemoryRow {
  return {
    seq: entry.seq,
    path: entry.path,
    kind: entry.kind,
    name: entry.name ?? null,
    reached: entry.reached,
    dueAt: entry.dueAt ?? null,
    step: entry.step,
    attempt: entry.attempt,
    cut: 0,
    input: entry.input ?? null,
    options: entry.options ?? null,
    scheduledAt: entry.scheduledAt,
    status: entry.status,
    value: entry.value ?? null,
    delivery: entry.delivery ?? null,
    endedAt: entry.endedAt,
  };
}

function outcomeIn({ status, value, delivery, endedAt, attempt }: EntryChange): Partial<MemoryRow> {
  return { status, value: value ?? null, delivery: delivery ?? null, endedAt, attempt };
}
