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
import type { Entry } from "../journal.ts";
import type { CoroutineOptions } from "./coroutine-options.ts";
import { reordered } from "./divergence.ts";
import { entryKind, nameOf } from "./effect-entry.ts";
import { nothing, type Settlement } from "./node.ts";
import { failed } from "./refusals.ts";
import type { RunState } from "./run-state.ts";

/** Effects that are answered at their yield and have an entry. */
type Question = NowEffect | RandomEffect | UuidEffect | CounterGetEffect | StateGetEffect;
/** Effects that are told beside a step: they have no path. */
type Remark = CounterAddEffect | StateSetEffect | ProgressEffect | PatchedEffect;

/** Answers what waits for nobody: the world's facts, counters and state, and what is told beside a step. */
export class Answers {
  readonly #state: RunState;
  readonly #known: CoroutineOptions["answer"];
  /** Answers of `patched`, one an id and run. */
  #patches: Map<string, boolean> | undefined;

  constructor(state: RunState, known: CoroutineOptions["answer"]) {
    this.#state = state;
    this.#known = known;
  }

  /** By J3. */
  question(effect: Question, path: string): Settlement {
    const { facts, ledger } = this.#state;
    const known = this.#known?.(effect, path);
    if (known !== undefined) return this.#immediate(effect, path, () => same(known.value));
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
    const { ledger, deliveries, recorded, turn } = this.#state;
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
        return this.#isPatched(effect);
      default:
        return effect satisfies never;
    }
  }

  #immediate(effect: AnyEffect, path: string, answer: () => Answer): Settlement {
    const { recorded: journal, turn } = this.#state;
    const kind = entryKind(effect);
    const recorded = journal?.take(effect, kind, path);
    const number = this.#state.number();
    if (recorded !== undefined) return recordedAnswer(effect, recorded, number);
    const { recorded: value, given } = answer();
    turn.answer({ path, kind, ...named(effect) }, { ok: true, value }, number);
    return { kind: "value", value: given };
  }

  /** The workflow may change the Date that it is given (by C4). */
  #readClock(): Answer {
    const now = this.#state.facts.now();
    return { recorded: new Date(now), given: new Date(now) };
  }

  /** The workflow may change the value that it is given (by C4). */
  #readState(name: string): Answer {
    const { facts, ledger } = this.#state;
    const recorded = ledger.state.get(name);
    if (typeof recorded !== "object" || recorded === null || facts.decode === undefined)
      return same(recorded);
    const entry = { kind: "state.set", path: name } as const;
    return { recorded, given: facts.decode(this.#state.encode(recorded, entry), entry) };
  }

  #setState({ name, value }: StateSetEffect): Settlement {
    const { facts, ledger, turn, recorded, deliveries: reached } = this.#state;
    const ordinal = ledger.countSet(name, reached);
    if (recorded !== undefined) {
      const refused = recorded.refusal(name, reached, ordinal)?.outcome;
      return refused?.ok === false ? failed(refused.error) : nothing;
    }
    const entry = { kind: "state.set", path: name } as const;
    try {
      const encoded = this.#state.encode(value, entry);
      const decoded = facts.decode === undefined ? encoded : facts.decode(encoded, entry);
      turn.change(ledger.set(name, decoded, reached));
      return nothing;
    } catch (error) {
      turn.change(ledger.refuse(name, error, ordinal, reached));
      return failed(error);
    }
  }

  #isPatched(effect: PatchedEffect): Settlement {
    const { id } = effect;
    const { ledger, turn, recorded, deliveries } = this.#state;
    this.#patches ??= new Map();
    const known = this.#patches.get(id);
    const told = this.#known?.(effect, "")?.value;
    const answer = known ?? recorded?.hasPatch(id) ?? told !== false;
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
