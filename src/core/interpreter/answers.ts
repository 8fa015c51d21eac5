import type { AnyEffect } from "../effects/any-effect.ts";
import type { PatchedEffect } from "../effects/lineage.ts";
import type { RandomEffect, UuidEffect } from "../effects/local.ts";
import type {
  CounterAddEffect,
  CounterGetEffect,
  ProgressEffect,
  StateGetEffect,
  StateSetEffect,
} from "../effects/record.ts";
import type { NowEffect } from "../effects/time.ts";
import type { Entry, EntryKind } from "../journal.ts";
import { reordered } from "./divergence.ts";
import { entryKind, nameOf } from "./effect-entry.ts";
import type { Ledger } from "./ledger.ts";
import type { Settlement } from "./node.ts";
import type { Recorded } from "./recorded.ts";
import { failed } from "./refusals.ts";
import type { Facts, Records } from "./turn.ts";
import type { WorkflowTurn } from "./workflow-turn.ts";

/** What answering needs of the coroutine. */
export interface AnswerHost {
  readonly facts: Facts;
  readonly turn: WorkflowTurn;
  readonly ledger: Ledger;
  /** In replay only. */
  readonly recorded: Recorded | undefined;
  /** How many deliveries there have been. */
  readonly deliveries: number;
  /** Takes the number of the next one. */
  number(): number;
  encode(value: unknown, entry: { readonly kind: EntryKind; readonly path: string }): unknown;
}

/** Effects that are answered at their yield and have an entry. */
type Question = NowEffect | RandomEffect | UuidEffect | CounterGetEffect | StateGetEffect;
/** Effects that are told beside a step: they have no path. */
type Remark = CounterAddEffect | StateSetEffect | ProgressEffect | PatchedEffect;

/** Answers what waits for nobody: the world's facts, counters and state, and what is told beside a step. */
export class Answers {
  readonly #host: AnswerHost;
  /** Answers of `patched`, one an id and run. */
  #patches: Map<string, boolean> | undefined;

  constructor(host: AnswerHost) {
    this.#host = host;
  }

  /** By J3. */
  question(effect: Question, path: string): Settlement {
    const { facts, ledger } = this.#host;
    switch (effect.kind) {
      case "now":
        return this.#immediate(effect, path, () => this.#readClock());
      case "random":
        return this.#immediate(effect, path, () => same(facts.random()));
      case "uuid":
        return this.#immediate(effect, path, () => same(facts.uuid()));
      case "counters.get":
        return this.#immediate(effect, path, () => same(ledger.counters.get(effect.name) ?? 0));
      case "state.get":
        return this.#immediate(effect, path, () => this.#readState(effect.name));
      default:
        return effect satisfies never;
    }
  }

  /** In replay they have been applied already. */
  remark(effect: Remark): Settlement {
    const { ledger, deliveries, recorded, turn } = this.#host;
    switch (effect.kind) {
      case "counters.add":
        if (recorded === undefined) turn.change(ledger.add(effect.name, effect.amount, deliveries));
        return nothing;
      case "state.set":
        return this.#setState(effect);
      case "progress":
        if (recorded === undefined) turn.change(ledger.tell(effect.detail, deliveries));
        return nothing;
      case "patched":
        return this.#isPatched(effect.id);
      default:
        return effect satisfies never;
    }
  }

  /** What an activity has left in counters, state and progress. */
  apply(records: Records): void {
    const { ledger, deliveries, turn } = this.#host;
    for (const [name, amount] of Object.entries(records.counters ?? {}))
      turn.change(ledger.add(name, amount, deliveries));
    for (const [name, value] of Object.entries(records.state ?? {}))
      turn.change(ledger.set(name, value, deliveries));
    for (const detail of records.progress ?? []) turn.change(ledger.tell(detail, deliveries));
  }

  #immediate(effect: AnyEffect, path: string, answer: () => Answer): Settlement {
    const { recorded: journal, turn } = this.#host;
    const kind = entryKind(effect);
    const recorded = journal?.take(effect, kind, path);
    const number = this.#host.number();
    if (recorded !== undefined) return recordedAnswer(effect, recorded, number);
    const { recorded: value, given } = answer();
    turn.add({
      path,
      kind,
      ...named(effect),
      reached: number,
      delivery: number,
      outcome: { ok: true, value },
    });
    return { kind: "value", value: given };
  }

  /** The workflow may change the Date that it is given (by C4). */
  #readClock(): Answer {
    const now = this.#host.facts.now();
    return { recorded: new Date(now), given: new Date(now) };
  }

  /** The workflow may change the value that it is given (by C4). */
  #readState(name: string): Answer {
    const { facts, ledger } = this.#host;
    const recorded = ledger.state.get(name);
    if (typeof recorded !== "object" || recorded === null || facts.decode === undefined)
      return same(recorded);
    const entry = { kind: "state.set", path: name } as const;
    return { recorded, given: facts.decode(this.#host.encode(recorded, entry), entry) };
  }

  #setState({ name, value }: StateSetEffect): Settlement {
    const { facts, ledger, turn, recorded, deliveries: reached } = this.#host;
    const ordinal = ledger.countSet(name, reached);
    if (recorded !== undefined) {
      const refused = recorded.refusal(name, reached, ordinal)?.outcome;
      return refused?.ok === false ? failed(refused.error) : nothing;
    }
    const entry = { kind: "state.set", path: name } as const;
    try {
      const encoded = this.#host.encode(value, entry);
      const decoded = facts.decode === undefined ? encoded : facts.decode(encoded, entry);
      turn.change(ledger.set(name, decoded, reached));
      return nothing;
    } catch (error) {
      turn.change(ledger.refuse(name, error, ordinal, reached));
      return failed(error);
    }
  }

  #isPatched(id: string): Settlement {
    const { ledger, turn, recorded, deliveries } = this.#host;
    this.#patches ??= new Map();
    const known = this.#patches.get(id);
    const answer = known ?? recorded?.hasPatch(id) ?? true;
    this.#patches.set(id, answer);
    if (known === undefined && recorded === undefined) turn.change(ledger.patch(id, deliveries));
    return { kind: "value", value: answer };
  }
}

/** An answer given at the yield: what the journal has of it, and what the workflow gets. */
interface Answer {
  readonly recorded: unknown;
  readonly given: unknown;
}

const nothing: Settlement = { kind: "value", value: undefined };

function same(value: unknown): Answer {
  return { recorded: value, given: value };
}

/** The name of an effect, for its entry. */
export function named(effect: AnyEffect): { readonly name?: string } {
  const name = nameOf(effect);
  return name === undefined ? {} : { name };
}

/** An answer that the journal has. @throws NonDeterminismError */
export function recordedAnswer(effect: AnyEffect, recorded: Entry, number: number): Settlement {
  if (recorded.delivery !== number || recorded.outcome === undefined)
    throw reordered(effect, recorded, number);
  return recorded.outcome.ok
    ? { kind: "value", value: recorded.outcome.value }
    : failed(recorded.outcome.error);
}
