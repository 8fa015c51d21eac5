/**
 * Development mode: before a turn is stored, its run is replayed from what would stand in the journal then, as after a crash.
 *
 *   D1  A turn that is not the same twice is not stored, and nothing that it asks for is begun: the journal holds only what can be replayed.
 *   D2  What the workflow did, the live run and the rehearsal alike, is told by the effects that it yielded, in their order and with what
 *       they carry; by what it waits for; and by how it ended.
 *   D3  The live run goes on, not the rehearsal: what a closure has changed in its variables is missing in the next rehearsal too, as it
 *       would be after a crash.
 */
import { isDeepStrictEqual } from "node:util";
import type { Workflow } from "../core/durable.ts";
import { NonDeterminismError } from "../core/errors.ts";
import { toFailure } from "../core/failure.ts";
import { Coroutine } from "../core/interpreter/coroutine.ts";
import type { Done, Facts } from "../core/interpreter/turn.ts";
import { inputPlace, resultPlace } from "../core/places.ts";
import type { Payload } from "../core/payload.ts";
import { isRecord } from "../core/journal.ts";
import { entryStatus } from "../core/status.ts";
import { monotonicMs } from "../runtime/clock.ts";
import type { ClaimedExecution, EntryChange, JournalRow, NewEntry } from "../store/store.ts";
import { runAs, type OtherCode } from "./context.ts";
import type { WorkerDeps } from "./deps.ts";
import { decodeJournal } from "./journal-loading.ts";
import { begun, NoGeneratorError, type Replica } from "./replica.ts";
import { Trace, type YieldedStep } from "./trace.ts";
import type { Turn } from "./turn.ts";
import type { TurnBuilder } from "./turn-builder.ts";
import { reasonOf } from "./verdict.ts";

/** The run whose turn is rehearsed. */
export interface Rehearsed {
  readonly deps: WorkerDeps;
  readonly execution: ClaimedExecution;
  readonly fn: Workflow<unknown[], unknown>;
  readonly facts: Facts & OtherCode;
}

/** What was found, and the outcomes of steps that ran here, which the blocked turn would take with it: they are stored as not delivered yet. */
export interface Difference {
  readonly error: NonDeterminismError;
  readonly kept: readonly EntryChange[];
}

type Rows = ReturnType<TurnBuilder["rows"]>;

/** Replays a run as it would be stored with this turn. @throws SerializationError for what cannot be read back; DatabaseError */
export async function differenceOf(
  run: Rehearsed,
  replica: Replica,
  turn: Turn,
): Promise<Difference | undefined> {
  const { deps, execution } = run;
  await aMoment();
  const stored = await deps.store.journal(execution.key, execution.run);
  const rows = turn.builder.rows();
  try {
    await rehearse(run, replica, withTurn(stored, rows, execution.cut));
    return undefined;
  } catch (error) {
    if (!(error instanceof NonDeterminismError)) throw error;
    return { error, kept: outcomesInHand(stored, turn, rows) };
  }
}

async function rehearse(
  { deps, execution, fn, facts }: Rehearsed,
  { coroutine: live, trace: done }: Replica,
  rows: readonly JournalRow[],
): Promise<void> {
  const journal = await decodeJournal(deps.store, deps.codec, execution, rows);
  const args = deps.codec.decode(execution.input, inputPlace(execution.id)) as readonly unknown[];
  const trace = new Trace(deps.codec, execution);
  const replay = (): Coroutine => {
    const { counters, state } = live.snapshot();
    const yielded = trace.add.bind(trace);
    const { middleware } = deps;
    const options = { counters, state, yielded, middleware };
    const coroutine = Coroutine.resume(fn, args, journal, options);
    // Where nothing was recorded there is nothing to be replayed, and it begins anew.
    if (journal.every((entry) => isRecord(entry))) coroutine.advance([], facts);
    return coroutine;
  };
  const again = replayed(() => runAs(facts, replay), done ?? trace, trace);
  compareSteps(done ?? trace, trace);
  compareWaits(live, again);
  compareEnds(deps, execution, live.done, again.done);
}

/** Of what was yielded more can be told than the journal has of it; and what is thrown before there is a generator was not thrown the first time. */
function replayed(replay: () => Coroutine, done: Trace, trace: Trace): Coroutine {
  try {
    return begun(true, replay);
  } catch (error) {
    if (!(error instanceof NoGeneratorError)) {
      compareSteps(done, trace);
      throw error;
    }
    const threw = `it threw before its first effect: ${reasonOf(error.cause)}`;
    throw different(
      "",
      { kind: "generator", told: "it began" },
      { kind: "nothing", told: shortened(threw) },
    );
  }
}

/** What an attempt left in counters and state is stored with its delivery: one that left any is lost with the turn, and run again. */
function outcomesInHand(
  stored: readonly JournalRow[],
  { settled }: Turn,
  { changes }: Rows,
): EntryChange[] {
  const kept = settled.filter(({ delivery }) => delivery.records === undefined);
  const paths = new Set(kept.map(({ delivery }) => delivery.path));
  const seqs = new Set(stored.filter(({ path }) => paths.has(path)).map(({ seq }) => seq));
  return changes
    .filter(({ seq, status }) => seqs.has(seq) && status !== entryStatus.pending)
    .map((change) => ({ ...change, delivery: undefined }));
}

/** So that a clock that the workflow reads by itself has moved on. */
async function aMoment(): Promise<void> {
  const endAt = monotonicMs() + 2;
  while (monotonicMs() < endAt)
    await new Promise<void>((resume) => {
      setImmediate(resume);
    });
}

// ── the journal as it would be ──

function withTurn(stored: readonly JournalRow[], turn: Rows, cut: number): readonly JournalRow[] {
  const changes = new Map(turn.changes.map((change) => [change.seq, change]));
  const withdrawn = new Set(turn.withdrawn.map(({ seq }) => seq));
  const standing = stored.map((row): JournalRow => {
    const change = changes.get(row.seq);
    if (change !== undefined) return { ...row, ...outcomeOf(change) };
    return withdrawn.has(row.seq) ? { ...row, status: entryStatus.withdrawn } : row;
  });
  return [...standing, ...turn.entries.map((entry) => newRow(entry, cut))];
}

function outcomeOf({
  status,
  value,
  delivery,
}: EntryChange | NewEntry): Pick<JournalRow, "status" | "value" | "delivery"> {
  return { status, value: value ?? null, delivery: delivery ?? null };
}

function newRow(entry: NewEntry, cut: number): JournalRow {
  return {
    ...entry,
    ...outcomeOf(entry),
    name: entry.name ?? null,
    input: entry.input ?? null,
    options: entry.options ?? null,
    dueAt: entry.dueAt ?? null,
    cut,
  };
}

// ── what is compared ──

function compareSteps(done: Trace, again: Trace): void {
  const index = done.difference(again);
  if (index === undefined) return;
  const [first, second] = [done.steps[index], again.steps[index]];
  throw different(
    first?.path ?? second?.path ?? "",
    { ...effectOf(first), told: told(first) },
    { ...effectOf(second), told: told(second) },
  );
}

function effectOf(step: YieldedStep | undefined): Omit<Told, "told"> {
  if (step === undefined) return { kind: "nothing" };
  const { kind, name, path } = step;
  return { kind, ...(name === undefined ? {} : { name }), path };
}

function told(step: YieldedStep | undefined): string {
  if (step === undefined) return "it yielded nothing more";
  const { kind, name, path, data, branches } = step;
  const count = branches > 0 && kind !== "branch" ? ` of ${branches}` : "";
  const carried =
    data.length === 0 ? "" : ` with ${data.map((payload) => show(payload)).join(", ")}`;
  return `it yielded ${kind}${name === undefined ? "" : ` "${name}"`}${count} at path ${path}${shortened(carried)}`;
}

function compareWaits(live: Coroutine, again: Coroutine): void {
  const [first, second] = [waits(live), waits(again)];
  const index = first.findIndex((wait, at) => wait.text !== second[at]?.text);
  const at = index >= 0 ? index : first.length;
  if (index < 0 && first.length === second.length) return;
  const path = first[at]?.path ?? second[at]?.path ?? "";
  throw different(path, waitOf(first[at]), waitOf(second[at]));
}

interface Wait {
  readonly path: string;
  readonly kind: string;
  readonly text: string;
}

function waits(coroutine: Coroutine): Wait[] {
  return [...coroutine.pending()].map(({ path, kind, effect, late }) => {
    const name = "name" in effect ? ` "${effect.name}"` : "";
    return { path, kind, text: `${kind}${name} at path ${path}${late ? ", told to stop" : ""}` };
  });
}

function waitOf(wait: Wait | undefined): Told {
  return {
    kind: wait?.kind ?? "nothing",
    told: wait === undefined ? "it waited for nothing more" : `it waited for ${wait.text}`,
  };
}

function compareEnds(
  { codec }: WorkerDeps,
  execution: ClaimedExecution,
  live: Done | undefined,
  again: Done | undefined,
): void {
  const place = resultPlace(execution.id);
  /** What cannot be stored fails the run, in words of its own. */
  const encoded = (value: unknown): Payload | undefined => {
    try {
      return codec.encode(value, place);
    } catch {
      return undefined;
    }
  };
  const parts = (done: Done | undefined): readonly (readonly [string, unknown])[] =>
    Object.entries(done ?? {})
      .filter(([key]) => key !== "input") // what a next run would be handed is told by the effect that does it
      .map(([key, value]) => [key, errorFields.has(key) ? failureText(value) : encoded(value)]);
  const same = (a: unknown, b: unknown): boolean =>
    isDeepStrictEqual(a, b) ||
    (isPayload(a) &&
      isPayload(b) &&
      isDeepStrictEqual(codec.decode(a, place), codec.decode(b, place)));
  const [first, second] = [parts(live), parts(again)];
  const equal =
    first.length === second.length &&
    first.every(([key, value], index) => {
      const [otherKey, other] = second[index] ?? [];
      return key === otherKey && (errorFields.has(key) ? value === other : same(value, other));
    });
  if (!equal) throw different("end", endOf(first), endOf(second));
}

const errorFields: ReadonlySet<string> = new Set(["error", "reason", "errors"]);

function isPayload(value: unknown): value is Payload {
  return typeof value === "string" || value instanceof Uint8Array;
}

/** Where it was thrown from differs with who has called the workflow. */
function failureText(thrown: unknown): string {
  const failures = Array.isArray(thrown) ? thrown.map((one) => toFailure(one)) : toFailure(thrown);
  return JSON.stringify(failures, (key, value: unknown) => (key === "stack" ? undefined : value));
}

function endOf(parts: readonly (readonly [string, unknown])[]): Told {
  if (parts.length === 0) return { kind: "nothing", told: "it had not ended" };
  const fields = parts.map(([key, value]) => `${key} ${show(value)}`).join(", ");
  return { kind: "end", told: shortened(`it ended with ${fields}`) };
}

// ── what is told of a difference ──

interface Told {
  readonly kind: string;
  readonly name?: string;
  readonly path?: string;
  readonly told: string;
}

function different(path: string, first: Told, second: Told): NonDeterminismError {
  const { told: before, ...recorded } = first;
  const { told: now, ...yielded } = second;
  return new NonDeterminismError({
    path,
    recorded,
    yielded,
    message:
      `the workflow is not deterministic (found by development mode, which runs each turn twice): the first time ${before}; the second time, ` +
      `from the same journal, ${now}. ${hint}`,
  });
}

const hint =
  "What it does must follow from its arguments and from what its effects gave it. Look for Date.now() and new Date(), Math.random(), variables of the module, " +
  "a Map or Set that other code fills, process.env, variables changed in a run closure. Write yield* now(), random(), uuid(), or read it in an activity or in run(name, fn). " +
  "Nothing of this turn was stored; put the code right, and the execution goes on.";

const maxShown = 200;

function shortened(text: string): string {
  return text.length <= maxShown ? text : `${text.slice(0, maxShown)}…`;
}

function show(value: unknown): string {
  if (typeof value === "string") return value;
  return value instanceof Uint8Array ? `${value.byteLength} bytes` : "what cannot be stored";
}
