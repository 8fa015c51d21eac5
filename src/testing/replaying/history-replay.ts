/**
 * A history answered to today's code. A history is not a journal: it has what was wanted and what came back, and not who won a race, that a
 * deadline struck, or that the execution was cancelled. Winners follow from the order of the outcomes. The others show as numbers that are
 * missing in that order, and follow from the times.
 */
import { isDeepStrictEqual } from "node:util";
import type { HistoryEntry } from "../../client/history.ts";
import type { Workflow } from "../../core/durable.ts";
import type { AnyEffect } from "../../core/effects/any-effect.ts";
import { CancelledError, NonDeterminismError } from "../../core/errors.ts";
import { Coroutine } from "../../core/interpreter/coroutine.ts";
import { carried } from "../../core/interpreter/effect-entry.ts";
import type { Delivery, TurnEntry } from "../../core/interpreter/turn.ts";
import { PayloadCodec } from "../../core/payload.ts";
import { entryPlace } from "../../core/places.ts";
import { resolveSerializer } from "../../core/serializer.ts";
import { RunFacts } from "../../worker/run-facts.ts";
import { VirtualClock } from "../virtual-clock.ts";

/** What is answered at its yield. */
const immediate: ReadonlySet<string> = new Set([
  "now",
  "random",
  "uuid",
  "counters.get",
  "state.get",
]);

/** Entries that no history shows. */
const unseen: ReadonlySet<string> = new Set(["race", "within", "cancel", "grace", "result"]);

const id = "replayed";

export class HistoryReplay {
  readonly #recorded: ReadonlyMap<string, HistoryEntry>;
  readonly #deliveries: readonly HistoryEntry[];
  readonly #clock: VirtualClock;
  readonly #codec = new PayloadCodec(resolveSerializer(undefined));
  readonly #facts: RunFacts;
  readonly #coroutine: Coroutine;
  readonly #reached = new Set<string>();
  /** What could not be stored was an error at the yield, today as then. */
  readonly #refused = new Set<string>();
  /** The number of the outcome that was given last. */
  #given = 0;

  /** `patched`: whether the run had the change of that id. */
  constructor(
    fn: Workflow<unknown[], unknown>,
    args: readonly unknown[],
    history: readonly HistoryEntry[],
    patched: (id: string) => boolean,
  ) {
    this.#recorded = new Map(history.map((entry) => [entry.path, entry]));
    this.#deliveries = history
      .filter((entry) => entry.delivery !== undefined && !isImmediate(entry))
      .toSorted((a, b) => (a.delivery ?? 0) - (b.delivery ?? 0));
    this.#clock = new VirtualClock(history[0]?.scheduledAt ?? 0);
    const run = { key: 1, id, run: history[0]?.run ?? 1, cut: 0, name: fn.functionName };
    this.#facts = new RunFacts(this.#clock, this.#codec, run, () => fn);
    const answer = (effect: AnyEffect, path: string): { readonly value: unknown } | undefined =>
      effect.kind === "patched" ? { value: patched(effect.id) } : this.#answerAt(effect, path);
    const own = this.#copy(args, "");
    this.#coroutine = Coroutine.start(fn, Array.isArray(own) ? own : [], { answer });
  }

  /** @throws NonDeterminismError at the first difference */
  run(): void {
    this.#advance([]);
    for (const entry of this.#deliveries) {
      this.#hidden(entry);
      this.#deliver(entry);
    }
    this.#cancelIfMore();
    for (const entry of this.#recorded.values())
      if (!this.#reached.has(entry.path)) throw missing(entry);
  }

  /** What was delivered before this and is in no history: deadlines that have struck, and the cancel. */
  #hidden({ delivery = 0, deliveredAt }: HistoryEntry): void {
    while (this.#given < delivery - 1) {
      const before = this.#given;
      if (deliveredAt !== undefined) this.#clock.advanceTo(Number(deliveredAt));
      const struck = this.#struck();
      if (struck !== undefined) this.#advance([struck]);
      else this.#cancel();
      if (this.#given === before) return;
    }
  }

  /** The next deadline of a `within` that is over by now. Other timers have an entry, which says when they ended. */
  #struck(): Delivery | undefined {
    const due = [...this.#coroutine.pending()]
      .filter((leaf) => leaf.kind === "within" && leaf.dueAt <= this.#clock.now())
      .toSorted((a, b) => a.dueAt - b.dueAt);
    const [first] = due;
    return first && { kind: "outcome", path: first.path, outcome: { ok: true, value: undefined } };
  }

  /** It waits for what came all the same. */
  #cancel(): void {
    if (this.#coroutine.closingReason !== undefined) return;
    const awaited = [...this.#coroutine.pending()]
      .map(({ path }) => path)
      .filter((path) => (this.#recorded.get(path)?.delivery ?? 0) > this.#given);
    this.#advance([{ kind: "cancel", reason: new CancelledError(), awaited }]);
  }

  /** The last thing that happened may have been a deadline or a cancel, after which more was wanted. */
  #cancelIfMore(): void {
    const last = [...this.#recorded.values()].findLast(({ path }) => !this.#reached.has(path));
    if (last === undefined) return;
    this.#clock.advanceTo(Number(last.scheduledAt));
    const struck = this.#struck();
    if (struck !== undefined) this.#advance([struck]);
    if (!this.#reached.has(last.path) && this.#coroutine.done === undefined) this.#cancel();
  }

  #deliver(entry: HistoryEntry): void {
    const { path, outcome, deliveredAt } = entry;
    const waits = this.#coroutine.waiting(path) !== undefined;
    if (outcome === undefined || this.#refused.has(path)) return;
    if (!waits) throw missing(entry);
    if (deliveredAt !== undefined) this.#clock.advanceTo(Number(deliveredAt));
    const place = entryPlace(id, entry.run, path);
    const given = outcome.ok
      ? ({ ok: true, value: this.#copy(outcome.value, path) } as const)
      : ({
          ok: false,
          error: this.#codec.decodeFailure(this.#codec.encodeFailure(outcome.error, place), place),
        } as const);
    this.#advance([{ kind: "outcome", path, outcome: given }]);
  }

  #advance(deliveries: readonly Delivery[]): void {
    const turn = this.#coroutine.advance(deliveries, this.#facts);
    this.#given += deliveries.length - turn.refused.length;
    for (const entry of turn.entries) this.#compare(entry);
  }

  #compare(entry: TurnEntry): void {
    const { path, kind, name, delivery, effect } = entry;
    if (delivery !== undefined && kind !== "race") this.#given = Math.max(this.#given, delivery);
    if (unseen.has(kind)) return;
    const recorded = this.#recorded.get(path);
    const wanted = {
      kind: kind === "child" ? "call" : kind,
      ...(name === undefined ? {} : { name }),
    };
    if (recorded === undefined)
      throw different(path, { kind: "nothing", path }, { ...wanted, path });
    const { effect: had } = recorded;
    if (had.kind !== wanted.kind || had.name !== wanted.name)
      throw different(path, { ...had, path }, { ...wanted, path });
    this.#reached.add(path);
    if (delivery !== undefined && !immediate.has(kind)) this.#refused.add(path);
    if (delivery !== undefined && recorded.delivery !== delivery) {
      const before = { ...had, path, delivery: recorded.delivery };
      throw different(path, before, { ...wanted, path, delivery });
    }
    const args = effect === undefined ? undefined : this.#argsOf(effect, path);
    if (args !== undefined && had.args !== undefined && !isDeepStrictEqual(args, had.args))
      throw different(path, { ...had, path }, { ...wanted, path, args });
  }

  /** As a history has them. */
  #argsOf(effect: AnyEffect, path: string): unknown {
    if (effect.kind === "continueAsNew") return this.#copy(effect.args, path);
    const own = carried(effect);
    if (own === undefined && effect.kind !== "sendSignal") return undefined;
    const copy = this.#copy(own, path);
    return effect.kind === "sendSignal" ? [effect.execution, copy] : copy;
  }

  /** What a history has of it, if it is the same question. */
  #answerAt({ kind }: AnyEffect, path: string): { readonly value: unknown } | undefined {
    const entry = this.#recorded.get(path);
    if (entry?.effect.kind !== kind || entry.outcome?.ok !== true) return undefined;
    return { value: this.#copy(entry.outcome.value, path) };
  }

  /** Values belong to the workflow, which may change them. */
  #copy(value: unknown, path: string): unknown {
    const place = entryPlace(id, 1, path);
    try {
      return this.#codec.decode(this.#codec.encode(value, place), place);
    } catch {
      return value; // it cannot be stored: the yield refuses it
    }
  }
}

function isImmediate({ effect }: HistoryEntry): boolean {
  return immediate.has(effect.kind);
}

/** The history has an effect that the workflow never came to. */
function missing({ path, effect }: HistoryEntry): NonDeterminismError {
  return different(path, { ...effect, path }, { kind: "nothing", path });
}

function different(path: string, recorded: object, yielded: object): NonDeterminismError {
  return new NonDeterminismError({ path, recorded, yielded });
}
