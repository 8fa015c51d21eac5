import type { RecordKind } from "../journal.ts";
import { kept } from "./kept.ts";
import type { Change, Records } from "./turn.ts";

/**
 * Counters and state of one execution as its workflow sees them. A change has no number of its own: it is told by the delivery that led
 * to it, as ~delivery.index, with what it replaced, so that `retry` can take it back.
 */
export class Ledger {
  /** Made at the first change: most executions never make one. */
  #counters: Map<string, number> | undefined;
  #state: Map<string, unknown> | undefined;
  /** The delivery that the changes below belong to. */
  #reached = 0;
  #changes = 0;
  #sets: Map<string, number> | undefined;

  constructor(
    counters: ReadonlyMap<string, number> | undefined,
    state: ReadonlyMap<string, unknown> | undefined,
  ) {
    if (counters !== undefined) this.#counters = new Map(counters);
    if (state !== undefined) this.#state = new Map(state);
  }

  get counters(): ReadonlyMap<string, number> {
    return this.#counters ?? noCounters;
  }

  get state(): ReadonlyMap<string, unknown> {
    return this.#state ?? noState;
  }

  add(name: string, amount: number, reached: number): Change {
    this.#counters ??= new Map();
    const before = this.#counters.get(name);
    this.#counters.set(name, (before ?? 0) + amount);
    return { ...this.#place("counters.add", reached), name, change: amount, input: before };
  }

  set(name: string, value: unknown, reached: number): Change {
    this.#state ??= new Map();
    const before = this.#state.get(name);
    this.#state.set(name, value);
    return { ...this.#place("state.set", reached), name, change: value, input: before };
  }

  /** A value that could not be stored: the state stays as it is, and the workflow sees the error, in replay too. */
  refuse(name: string, error: unknown, ordinal: number, reached: number): Change {
    const before = this.#state?.get(name);
    const { kind, path } = this.#place("state.set", reached);
    const outcome = kept({ ok: false, error });
    return {
      kind,
      path: `${path}.${ordinal}`,
      name,
      reached,
      change: before,
      input: before,
      outcome,
    };
  }

  patch(id: string, reached: number): Change {
    return { ...this.#place("patched", reached), name: id, change: true, input: undefined };
  }

  tell(detail: unknown, reached: number): Change {
    return { ...this.#place("progress", reached), change: detail, input: undefined };
  }

  /** What an activity has left. */
  *take({ counters, state, progress }: Records, reached: number): Iterable<Change> {
    for (const [name, amount] of Object.entries(counters ?? {}))
      yield this.add(name, amount, reached);
    for (const [name, value] of Object.entries(state ?? {})) yield this.set(name, value, reached);
    for (const detail of progress ?? []) yield this.tell(detail, reached);
  }

  /** How many times before this key of the state has been set since the delivery `reached`. Counted in replay too. */
  countSet(name: string, reached: number): number {
    this.#turnTo(reached);
    this.#sets ??= new Map();
    const earlier = this.#sets.get(name) ?? 0;
    this.#sets.set(name, earlier + 1);
    return earlier;
  }

  #place<K extends RecordKind>(
    kind: K,
    reached: number,
  ): { kind: K; path: string; reached: number } {
    this.#turnTo(reached);
    const index = this.#changes;
    this.#changes += 1;
    return { kind, path: `~${reached}.${index}`, reached };
  }

  #turnTo(reached: number): void {
    if (reached === this.#reached) return;
    this.#reached = reached;
    this.#changes = 0;
    this.#sets?.clear();
  }
}

const noCounters: ReadonlyMap<string, number> = new Map<string, number>();
const noState: ReadonlyMap<string, unknown> = new Map<string, unknown>();
