import type { AnyEffect } from "../effects/any-effect.ts";
import type { ContinueAsNewEffect } from "../effects/lineage.ts";
import { isImmediate, type Entry, type EntryKind } from "../journal.ts";
import { named, recordedAnswer } from "./answers.ts";
import type { CoroutineOptions } from "./coroutine-options.ts";
import { otherInput } from "./divergence.ts";
import { carried, dueTime, entryKind, nameOf } from "./effect-entry.ts";
import { kept } from "./kept.ts";
import { Leaf, type LeafHost } from "./leaf.ts";
import type { Parent, Settlement } from "./node.ts";
import type { Recorded } from "./recorded.ts";
import { failed } from "./refusals.ts";
import type { RunState } from "./run-state.ts";

/** Enters in the journal what waits for the host, or finds its entry there. */
export class Scheduler implements LeafHost {
  readonly #state: RunState;
  readonly #sameInput: CoroutineOptions["sameInput"];
  #order = 0;
  #undelivered: Entry[] | undefined;

  constructor(state: RunState, sameInput: CoroutineOptions["sameInput"]) {
    this.#state = state;
    this.#sameInput = sameInput;
  }

  /** The node of an effect that waits for the host. */
  leaf(effect: AnyEffect, path: string, parent: Parent): Leaf {
    this.#order += 1;
    return new Leaf(path, entryKind(effect), effect, this.#order, parent, this);
  }

  schedule(leaf: Leaf): Settlement | undefined {
    const { recorded } = this.#state;
    return recorded === undefined ? this.#enter(leaf) : this.#find(leaf, recorded);
  }

  drop(leaf: Leaf): void {
    this.#state.waiting.remove(leaf);
    this.#state.turn.cancel(leaf);
  }

  dropAll(): void {
    for (const leaf of this.#state.waiting.all()) this.drop(leaf);
  }

  tell(leaf: Leaf): void {
    this.#state.turn.cancel(leaf);
  }

  /** Enters what the next run begins with, an entry which waits for nothing. @returns it as it is stored, or how it was refused */
  enterNextRun(
    effect: ContinueAsNewEffect,
    path: string,
  ): Settlement | { readonly input: unknown } {
    const kind = "continueAsNew";
    const { recorded: journal, turn, deliveries: reached } = this.#state;
    const recorded = journal?.take(effect, kind, path);
    if (recorded !== undefined)
      return this.#answered(effect, recorded) ?? { input: recorded.input };
    let input: unknown;
    try {
      input = this.#state.encode(effect.args, { kind, path });
    } catch (error) {
      return this.#refuse(effect, kind, path, error);
    }
    turn.add({ path, kind, effect, input, reached });
    return { input };
  }

  /** After a replay: outcomes that the journal has, that were not delivered, and that are still waited for. */
  undelivered(): readonly Entry[] {
    const { waiting } = this.#state;
    return this.#undelivered?.filter(({ path }) => waiting.at(path) !== undefined) ?? none;
  }

  #enter(leaf: Leaf): Settlement | undefined {
    const { effect, kind, path } = leaf;
    const state = this.#state;
    let input: unknown;
    try {
      input = state.encode(carried(effect), leaf);
    } catch (error) {
      return this.#refuse(effect, kind, path, error);
    }
    const dueAt = dueTime(effect, state.facts);
    const reached = state.deliveries;
    const name = nameOf(effect);
    leaf.reached = reached;
    // Written out: there is one a step.
    state.turn.schedule(
      leaf,
      name === undefined
        ? { path, kind, effect, input, dueAt, reached }
        : { path, kind, name, effect, input, dueAt, reached },
    );
    state.waiting.add(leaf, dueAt);
    return undefined;
  }

  #find(leaf: Leaf, journal: Recorded): Settlement | undefined {
    const recorded = journal.take(leaf.effect, leaf.kind, leaf.path);
    const answer = this.#answered(leaf.effect, recorded);
    if (answer !== undefined) return answer;
    if (recorded.outcome !== undefined && recorded.delivery === undefined)
      (this.#undelivered ??= []).push(recorded);
    leaf.reached = recorded.reached;
    this.#state.waiting.add(leaf, recorded.dueAt);
    return undefined;
  }

  /** How it was refused, if it was. @throws NonDeterminismError if it carries something else than it did */
  #answered(effect: AnyEffect, recorded: Entry): Settlement | undefined {
    if (isImmediate(recorded)) return recordedAnswer(effect, recorded, this.#state.number());
    if (this.#sameInput?.(recorded, effect) === false) throw otherInput(effect, recorded);
    return undefined;
  }

  /** What it carries cannot be stored: the error is thrown at the yield, in replay too. */
  #refuse(effect: AnyEffect, kind: EntryKind, path: string, error: unknown): Settlement {
    const entry = { path, kind, ...named(effect), effect };
    this.#state.turn.answer(entry, kept({ ok: false, error }), this.#state.number());
    return failed(error);
  }
}

const none: readonly never[] = [];
