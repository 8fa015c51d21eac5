import assert from "node:assert/strict";
import { CancelledError, NonDeterminismError, type ExpiryError } from "../../../src/core/errors.ts";
import { isRecord, type Entry, type Outcome } from "../../../src/core/journal.ts";
import { Coroutine, type WorkflowBody } from "../../../src/core/interpreter/coroutine.ts";
import type { CoroutineOptions } from "../../../src/core/interpreter/coroutine-options.ts";
import type { Middleware } from "../../../src/core/middleware.ts";
import type { Delivery, Done, Facts, Records, Turn } from "../../../src/core/interpreter/turn.ts";

/**
 * A host without a database: keeps the journal in memory, and after every turn replays it and compares the replayed coroutine with
 * the live one (I12). A journal that is asked to write a path twice or to change a delivered outcome fails the test (I1).
 */
export class Drive {
  coroutine: Coroutine;
  readonly journal = new Map<string, Entry>();
  readonly counters = new Map<string, number>();
  readonly state = new Map<string, unknown>();
  readonly progress: string[] = [];
  readonly unheard: unknown[] = [];
  readonly facts: Facts;
  turn: Turn;
  /** What the body was sent and what it yielded, in order. */
  #seen: unknown[] = [];
  readonly #body: (...args: unknown[]) => object;
  readonly #args: readonly unknown[];

  #middleware: readonly Middleware[];

  constructor(
    body: WorkflowBody,
    args: readonly unknown[] = [],
    facts: Partial<Facts> = {},
    middleware: readonly Middleware[] = [],
  ) {
    this.#middleware = middleware;
    this.#body = body as (...args: unknown[]) => object;
    this.#args = args;
    this.facts = { ...tickingFacts(), ...facts };
    this.coroutine = Coroutine.start(this.#traced(this.#seen), args, { middleware });
    this.turn = this.deliver();
  }

  /** One turn, stored, and replayed. */
  deliver(...deliveries: Delivery[]): Turn {
    // A host keeps what it had before the workflow could change it (C4).
    const kept = new Map<string, Outcome>();
    for (const delivery of deliveries) {
      if (delivery.kind === "outcome" && !kept.has(delivery.path))
        kept.set(delivery.path, copyOutcome(delivery.outcome));
    }
    const turn = this.coroutine.advance(deliveries, this.facts);
    this.turn = turn;
    this.#store(turn, kept);
    this.checkReplay();
    return turn;
  }

  value(path: string, value?: unknown, records?: Records): Turn {
    return this.deliver({ kind: "outcome", path, outcome: { ok: true, value }, records });
  }

  error(path: string, error: unknown): Turn {
    return this.deliver({ kind: "outcome", path, outcome: { ok: false, error } });
  }

  cancel(
    awaited: readonly string[] = [],
    reason: CancelledError | ExpiryError = new CancelledError("stop"),
  ): Turn {
    return this.deliver({ kind: "cancel", reason, awaited });
  }

  grace(): Turn {
    return this.deliver({ kind: "grace" });
  }

  /** Drops the live coroutine and goes on with one brought up from the journal. */
  crash(options: Partial<CoroutineOptions> = {}): void {
    this.#seen = [];
    this.#middleware = options.middleware ?? this.#middleware;
    this.coroutine = this.#resume(this.#seen, options);
  }

  get pending(): string[] {
    return [...this.coroutine.pending()].map((leaf) => leaf.path);
  }

  /** "1 call(a)", "2.0 sleep": what waits for the host. */
  get waiting(): string[] {
    return [...this.coroutine.pending()].map(
      (leaf) => `${leaf.path} ${told(leaf.effect)}${leaf.late ? " late" : ""}`,
    );
  }

  get seen(): readonly unknown[] {
    return this.#seen;
  }

  /** The value the workflow returned. */
  get result(): unknown {
    const { done } = this.turn;
    if (done?.kind !== "completed") assert.fail(`not completed: ${JSON.stringify(done)}`);
    return done.value;
  }

  get failure(): { error: unknown; failedBy: number } {
    const { done } = this.turn;
    if (done?.kind !== "failed") assert.fail(`not failed: ${JSON.stringify(done)}`);
    return done;
  }

  /** What the next run begins with, as it was encoded. */
  get continued(): unknown {
    const { done } = this.turn;
    if (done?.kind !== "continued") assert.fail(`not continued: ${JSON.stringify(done)}`);
    return done.input;
  }

  get closed(): { reason: Error; errors: readonly unknown[] } {
    const { done } = this.turn;
    if (done?.kind !== "closed") assert.fail(`not closed: ${JSON.stringify(done)}`);
    return done;
  }

  entries(): Entry[] {
    return [...this.journal.values()].map(copyEntry);
  }

  /** Another coroutine on the journal as it is now. */
  checkReplay(): void {
    if ([...this.journal.values()].every(isRecord)) return; // nothing to replay: it would start
    const seen: unknown[] = [];
    const replayed = this.#resume(seen, {});
    assert.deepEqual(seen, this.#seen, "a replay gives the workflow what it was given before");
    assert.deepEqual(
      sketch(replayed),
      sketch(this.coroutine),
      "a replay waits for the same effects",
    );
  }

  /** How today's code is refused this journal. */
  divergence(today: WorkflowBody, options: CoroutineOptions = {}): NonDeterminismError {
    try {
      Coroutine.resume(today, [], this.entries(), options);
    } catch (error) {
      assert.ok(error instanceof NonDeterminismError, String(error));
      return error;
    }
    return assert.fail("the journal was accepted");
  }

  #resume(seen: unknown[], options: Partial<CoroutineOptions>): Coroutine {
    // In random order: nothing may depend on how a store sorts.
    const journal = this.entries().toSorted((a, b) => (a.path < b.path ? 1 : -1));
    return Coroutine.resume(this.#traced(seen), this.#args, journal, {
      counters: this.counters,
      state: this.state,
      middleware: this.#middleware,
      ...options,
    });
  }

  #traced(seen: unknown[]): WorkflowBody {
    return ((...args: unknown[]) => traced(this.#body(...args), seen)) as WorkflowBody;
  }

  #store(turn: Turn, kept: ReadonlyMap<string, Outcome>): void {
    for (const { effect: _effect, tag: _tag, ...entry } of turn.entries) {
      assert.ok(!this.journal.has(entry.path), `path ${entry.path} is written twice`);
      const outcome =
        entry.reached === entry.delivery ? entry.outcome : (kept.get(entry.path) ?? entry.outcome);
      this.journal.set(
        entry.path,
        outcome === undefined ? entry : copyEntry({ ...entry, outcome }),
      );
    }
    for (const { path, delivery, reached } of turn.delivered) {
      const outcome = kept.get(path);
      const entry = this.journal.get(path);
      assert.ok(entry !== undefined, `outcome for unknown path ${path}`);
      assert.equal(reached, entry.reached);
      assert.equal(entry.delivery, undefined, `the outcome of ${path} is delivered twice`);
      this.journal.set(path, copyEntry({ ...entry, outcome, delivery }));
    }
    for (const { change, ...record } of turn.changes) {
      assert.ok(isRecord(record) && !this.journal.has(record.path), `record ${record.path}`);
      this.journal.set(record.path, copyEntry(record));
      if (record.outcome?.ok === false) continue;
      if (record.kind === "counters.add") {
        this.counters.set(
          record.name ?? "",
          (this.counters.get(record.name ?? "") ?? 0) + Number(change),
        );
      } else if (record.kind === "state.set") this.state.set(record.name ?? "", copyValue(change));
      else if (record.kind === "progress") this.progress.push(String(change));
    }
    this.unheard.push(...turn.unheard);
    for (const { path } of turn.scheduled) assert.equal(this.coroutine.waiting(path)?.path, path);
  }
}

/** Facts that never repeat, so that a replay that asks for them is found out. */
export function tickingFacts(): Facts {
  let ticks = 0;
  const tick = (): number => (ticks += 1);
  return {
    now: () => 1_000_000 + tick(),
    random: () => tick() / 1_000_000,
    uuid: () => `uuid-${tick()}`,
  };
}

function told(effect: { readonly kind: string }): string {
  return "name" in effect ? `${effect.kind}(${String(effect.name)})` : effect.kind;
}

/** As a serializer would give it back: what the workflow does to its values does not reach the journal. */
function copyEntry(entry: Entry): Entry {
  return entry.outcome === undefined
    ? { ...entry }
    : { ...entry, outcome: copyOutcome(entry.outcome) };
}

function copyOutcome(outcome: Outcome): Outcome {
  return outcome.ok
    ? { ok: true, value: copyValue(outcome.value) }
    : {
        ok: false,
        error: outcome.error instanceof Error ? copyError(outcome.error) : outcome.error,
      };
}

function copyValue(value: unknown): unknown {
  return typeof value === "function" ? value : structuredClone(value);
}

function copyError(error: Error): Error {
  const copy = new Error(error.message);
  Object.setPrototypeOf(copy, Object.getPrototypeOf(error) as object);
  Object.defineProperties(copy, Object.getOwnPropertyDescriptors(error));
  if (error.cause instanceof Error) copy.cause = copyError(error.cause);
  return copy;
}

function sketch(coroutine: Coroutine): unknown {
  return {
    waiting: [...coroutine.pending()].map(({ path, kind, effect, late, dueAt }) => ({
      path,
      kind,
      effect,
      late,
      dueAt,
    })),
    signals: [...coroutine.signalWaits].map(([name, paths]) => [name, [...paths]]),
    done: toldDone(coroutine.done),
    closing: structured(coroutine.closingReason),
    counters: [...coroutine.snapshot().counters],
    state: [...coroutine.snapshot().state],
  };
}

function toldDone(done: Done | undefined): unknown {
  switch (done?.kind) {
    case "completed":
      return { ...done, value: structured(done.value) };
    case "failed":
      return { ...done, error: structured(done.error) };
    case "closed":
      return { ...done, reason: structured(done.reason), errors: done.errors.map(structured) };
    case "continued":
      return { ...done, input: structured(done.input) };
    default:
      return undefined;
  }
}

/** A generator that tells what passes through it. */
function traced(generator: object, seen: unknown[]): object {
  const flow = generator as Generator<unknown, unknown, unknown>;
  const telling = (
    verb: string,
    sent: unknown,
    step: () => IteratorResult<unknown, unknown>,
  ): IteratorResult<unknown, unknown> => {
    seen.push([verb, structured(sent)]);
    try {
      const { done, value } = step();
      seen.push([done === true ? "returned" : "yielded", structured(value)]);
      return { done: done === true, value };
    } catch (error) {
      seen.push(["threw", structured(error)]);
      throw error;
    }
  };
  return {
    next: (value: unknown) => telling("next", value, () => flow.next(value)),
    throw: (error: unknown) => telling("throw", error, () => flow.throw(error)),
    return: (value: unknown) => telling("return", value, () => flow.return(value)),
    [Symbol.iterator]: () => flow,
    [Symbol.toStringTag]: "Generator",
  };
}

/** What it looked like then, whatever the workflow does to it later. */
function structured(value: unknown): unknown {
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (typeof value === "object" && value !== null && "kind" in value)
    return told(value as { kind: string });
  try {
    return structuredClone(value);
  } catch {
    return typeof value;
  }
}
