import { append } from "../core/append.ts";
import { SerializationError } from "../core/errors.ts";
import type { Change, Turn, TurnEntry } from "../core/interpreter/turn.ts";
import { valuePlace } from "../core/entry-outcome.ts";
import { isRecord, isStep, type Entry } from "../core/journal.ts";
import { entryPlace, statePlace } from "../core/places.ts";
import type { Payload, PayloadCodec } from "../core/payload.ts";
import type { SmallMap } from "../core/small-map.ts";
import type { Place } from "../core/serializer.ts";
import { entryStatus, type EntryStatus } from "../core/status.ts";
import type { EntryChange, NewEntry, Unwanted } from "../store/store.ts";
import type { RunId } from "./journal-loading.ts";

/** What the host knows of an outcome beside its value; travels through the interpreter as the delivery's tag. */
export interface OutcomeFacts {
  readonly payload: Payload | undefined;
  readonly attempt: number;
  readonly failures: number;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
}

/** An entry of the current run that waits for its outcome, as far as the journal knows it. */
export interface OpenEntry {
  readonly seq: number;
  readonly path: string;
  /** Left out of what this process has reached itself: it is that of its run. */
  readonly cut?: number;
  readonly kind: string;
  readonly name: string | undefined;
  readonly step: number;
  /** Starts so far. */
  attempt: number;
  /** Failures that count. */
  failures: number;
  options: string | undefined;
  readonly input: Payload | undefined;
  readonly scheduledAt: number;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** The row of a new entry, to be filled in. A class, not a literal: there is one a step, see `append`. */
class Row implements Writable<NewEntry> {
  readonly seq: number;
  readonly path: string;
  readonly kind: string;
  readonly name: string | undefined;
  input: Payload | undefined;
  options: string | undefined;
  status: EntryStatus = entryStatus.pending;
  value: Payload | undefined;
  readonly reached: number;
  delivery: number | undefined;
  readonly dueAt: number | undefined;
  readonly scheduledAt: number;
  startedAt: number | undefined;
  endedAt: number | undefined;
  readonly step: number;
  attempt = 0;
  failures = 0;
  here = false;

  constructor(entry: Entry, seq: number, step: number, now: number) {
    this.seq = seq;
    this.path = entry.path;
    this.kind = entry.kind;
    this.name = entry.name;
    this.reached = entry.reached;
    this.delivery = entry.delivery;
    this.dueAt = entry.dueAt;
    this.scheduledAt = now;
    this.step = step;
  }
}

/** What becomes of an entry's row when its outcome is given. A class for the same reason. */
class GivenOutcome implements EntryChange {
  readonly seq: number;
  readonly status: EntryStatus;
  readonly value: Payload | undefined;
  readonly delivery: number | undefined;
  readonly startedAt: number | undefined;
  readonly endedAt: number;
  readonly attempt: number;
  readonly failures: number;
  readonly here = false;

  constructor(open: OpenEntry, entry: TurnEntry, value: Payload | undefined, now: number) {
    const facts = entry.tag as OutcomeFacts | undefined;
    this.seq = open.seq;
    this.status = statusOf(entry);
    this.value = value;
    this.delivery = entry.delivery;
    this.startedAt = facts?.startedAt;
    this.endedAt = facts?.endedAt ?? now;
    this.attempt = facts?.attempt ?? open.attempt;
    this.failures = facts?.failures ?? open.failures;
  }
}

/** Turns what the interpreter did into rows. One builder a commit; it may take several turns. */
export class TurnBuilder {
  readonly #codec: PayloadCodec;
  readonly #run: RunId;
  readonly #open: SmallMap<string, OpenEntry>;
  readonly #now: number;
  readonly #firstSeq: number;
  // Made when first needed: most turns need few of them, and there is a builder a turn.
  /** By seq, from the first that is new. */
  #entries: Row[] | undefined;
  #changes: EntryChange[] | undefined;
  #withdrawn: Unwanted[] | undefined;
  #told: Unwanted[] | undefined;
  #counters: Map<string, number> | undefined;
  #state: Map<string, Payload> | undefined;
  #scheduled: readonly TurnEntry[] = none;
  #nextSeq: number;
  #step: number;

  constructor(
    codec: PayloadCodec,
    run: RunId,
    position: {
      readonly nextSeq: number;
      readonly step: number;
      readonly open: SmallMap<string, OpenEntry>;
      readonly now: number;
    },
  ) {
    this.#codec = codec;
    this.#run = run;
    this.#open = position.open;
    this.#now = position.now;
    this.#firstSeq = position.nextSeq;
    this.#nextSeq = position.nextSeq;
    this.#step = position.step;
  }

  get nextSeq(): number {
    return this.#nextSeq;
  }

  get step(): number {
    return this.#step;
  }

  /** Entries that wait for the host and are new in this commit. */
  scheduled(): readonly TurnEntry[] {
    return this.#scheduled.length === 0
      ? none
      : this.#scheduled.filter((entry) => this.isNew(entry.path));
  }

  /** First reached in this commit, and waiting for the host. */
  isNew(path: string): boolean {
    const open = this.#open.get(path);
    return open !== undefined && open.seq >= this.#firstSeq;
  }

  entry(path: string): OpenEntry | undefined {
    return this.#open.get(path);
  }

  add(turn: Turn, waiting: (path: string) => boolean): void {
    let changed = 0;
    for (let index = 0; index <= turn.entries.length; index += 1) {
      for (; turn.positions[changed] === index; changed += 1) {
        const change = turn.changes[changed];
        if (change !== undefined) this.#record(change);
      }
      const entry = turn.entries[index];
      if (entry !== undefined) this.#insert(entry);
    }
    if (turn.scheduled.length > 0) {
      this.#scheduled =
        this.#scheduled.length === 0 ? turn.scheduled : [...this.#scheduled, ...turn.scheduled];
    }
    for (const entry of turn.delivered) this.#deliver(entry);
    for (const path of turn.cancelled) this.#stop(path, waiting(path));
  }

  /** Says where and how a new entry's work runs. */
  place(
    path: string,
    placing: Partial<Pick<Writable<NewEntry>, "options" | "attempt" | "here" | "startedAt">>,
  ): void {
    const open = this.#open.get(path);
    const row = open === undefined ? undefined : this.#inserted(open);
    if (row === undefined) return;
    Object.assign(row, placing);
  }

  /** The row of an entry that is new in this commit. */
  #inserted(open: OpenEntry): Row | undefined {
    return this.#entries?.[open.seq - this.#firstSeq];
  }

  /** An entry of an earlier commit gets another attempt, here or in the queue. */
  change(
    path: string,
    change: Pick<EntryChange, "attempt" | "failures" | "here"> & {
      readonly value: Payload | undefined;
      readonly startedAt: number | undefined;
    },
  ): void {
    const open = this.#open.get(path);
    if (open === undefined) return;
    open.attempt = change.attempt;
    open.failures = change.failures;
    this.#changes = append(this.#changes, {
      ...change,
      seq: open.seq,
      status: entryStatus.pending,
      delivery: undefined,
      endedAt: undefined,
    });
  }

  rows(): {
    readonly entries: readonly NewEntry[];
    readonly changes: readonly EntryChange[];
    readonly withdrawn: readonly Unwanted[];
    readonly told: readonly Unwanted[];
    readonly counters: readonly { readonly name: string; readonly value: number }[];
    readonly state: readonly { readonly name: string; readonly value: Payload }[];
  } {
    return {
      entries: this.#entries ?? none,
      changes: this.#changes ?? none,
      withdrawn: this.#withdrawn ?? none,
      told: this.#told ?? none,
      counters:
        this.#counters === undefined
          ? none
          : [...this.#counters].map(([name, value]) => ({ name, value })),
      state:
        this.#state === undefined
          ? none
          : [...this.#state].map(([name, value]) => ({ name, value })),
    };
  }

  #insert(entry: TurnEntry): void {
    const seq = this.#nextSeq++;
    if (isStep(entry.kind)) this.#step += 1;
    const facts = entry.tag as OutcomeFacts | undefined;
    const row = new Row(entry, seq, this.#step, this.#now);
    row.input = this.#inputOf(entry);
    row.status = statusOf(entry);
    row.value = this.#valueOf(entry);
    row.startedAt = facts?.startedAt;
    row.endedAt = entry.outcome === undefined ? undefined : (facts?.endedAt ?? this.#now);
    row.attempt = facts?.attempt ?? 0;
    row.failures = facts?.failures ?? 0;
    this.#entries = append(this.#entries, row);
    if (isRecord(entry) || row.status !== entryStatus.pending || entry.kind === "race") return;
    this.#open.set(entry.path, row);
  }

  #deliver(entry: TurnEntry): void {
    const open = this.#open.get(entry.path);
    if (open === undefined) return;
    this.#open.delete(entry.path);
    const outcome = new GivenOutcome(open, entry, this.#valueOf(entry), this.#now);
    const inserted = this.#inserted(open);
    if (inserted === undefined) this.#changes = append(this.#changes, outcome);
    else Object.assign(inserted, outcome);
  }

  #record(change: Change): void {
    const seq = this.#nextSeq++;
    if (isStep(change.kind)) this.#step += 1;
    const { input, value } =
      change.outcome === undefined ? this.#encodedChange(change) : this.#refusedChange(change);
    const row = new Row(change, seq, this.#step, this.#now);
    row.input = input;
    row.status = change.outcome === undefined ? entryStatus.completed : entryStatus.failed;
    row.value = value;
    row.endedAt = this.#now;
    this.#entries = append(this.#entries, row);
  }

  /** A value that could not be stored: the error was thrown at the yield, and is thrown there again on replay. */
  #refusedChange({ outcome, path }: Change): {
    readonly input: undefined;
    readonly value: Payload | undefined;
  } {
    const place = entryPlace(this.#run.id, this.#run.run, path);
    return {
      input: undefined,
      value: outcome?.ok === false ? this.#codec.encodeFailure(outcome.error, place) : undefined,
    };
  }

  /** What `progress` tells is for people: of a text that is too long to be stored the beginning is kept, and nothing fails by it. */
  #encodedProgress(detail: unknown, place: Place): Payload {
    const text = String(detail);
    for (let length = text.length; ; length = Math.floor(length / 2)) {
      try {
        return this.#codec.encode(
          length === text.length ? text : `${text.slice(0, length)}…`,
          place,
        );
      } catch (error) {
        if (!(error instanceof SerializationError) || length === 0) throw error;
      }
    }
  }

  #encodedChange(change: Change): {
    readonly input: Payload | undefined;
    readonly value: Payload | undefined;
  } {
    const { name } = change;
    if (name === undefined) {
      return {
        input: undefined,
        value: this.#encodedProgress(
          change.change,
          entryPlace(this.#run.id, this.#run.run, change.path),
        ),
      };
    }
    // That it stands there is all that it says.
    if (change.kind === "patched" || change.kind === "middleware")
      return { input: undefined, value: undefined };
    if (change.kind === "counters.add") {
      const before = Number(change.input ?? 0);
      this.#counters ??= new Map();
      this.#counters.set(name, before + Number(change.change));
      return {
        input: change.input === undefined ? undefined : String(before),
        value: String(change.change),
      };
    }
    const place = statePlace(this.#run.id, name);
    const value = this.#codec.encode(change.change, place, name);
    this.#state ??= new Map();
    this.#state.set(name, value);
    return {
      input: change.input === undefined ? undefined : this.#codec.encode(change.input, place, name),
      value,
    };
  }

  #stop(path: string, stillWaiting: boolean): void {
    const open = this.#open.get(path);
    if (stillWaiting) {
      if (open !== undefined) this.#told = append(this.#told, { seq: open.seq, kind: open.kind });
      return;
    }
    if (open === undefined) return;
    this.#open.delete(path);
    const inserted = this.#inserted(open);
    if (inserted === undefined) {
      this.#withdrawn = append(this.#withdrawn, { seq: open.seq, kind: open.kind });
      return;
    }
    inserted.status = entryStatus.withdrawn;
    inserted.endedAt = this.#now;
  }

  #inputOf(entry: TurnEntry): Payload | undefined {
    if (entry.kind === "cancel")
      return this.#codec.encode(entry.input, entryPlace(this.#run.id, this.#run.run, entry.path));
    if (entry.kind === "map") return undefined;
    return entry.input as Payload | undefined;
  }

  #valueOf(entry: TurnEntry): Payload | undefined {
    const { outcome } = entry;
    if (outcome === undefined) return undefined;
    const facts = entry.tag as OutcomeFacts | undefined;
    if (facts !== undefined) return facts.payload;
    const place = valuePlace(this.#run, entry);
    if (!outcome.ok) return this.#codec.encodeFailure(outcome.error, place);
    return outcome.value === undefined ? undefined : this.#codec.encode(outcome.value, place);
  }
}

const none: readonly never[] = [];

function statusOf(entry: TurnEntry): EntryStatus {
  if (entry.kind === "race") return entryStatus.completed;
  if (entry.outcome === undefined) return entryStatus.pending;
  return entry.outcome.ok ? entryStatus.completed : entryStatus.failed;
}
