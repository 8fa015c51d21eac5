import type { MapEffect } from "../../core/effects/map.ts";
import { mapValue } from "../../core/entry-outcome.ts";
import type { Delivery, Records } from "../../core/interpreter/turn.ts";
import { itemChildId, itemInputPlaces, itemValuePlaces } from "../../core/map-items.ts";
import { outOfTime } from "../../core/out-of-time.ts";
import type { Payload } from "../../core/payload.ts";
import { entryPlace, itemPath, stepId } from "../../core/places.ts";
import { totalTimeoutOf, type StoredOptions } from "../../core/step-options.ts";
import { entryStatus } from "../../core/status.ts";
import { gatesOfItems } from "../../worker/effect-gates.ts";
import type { OutcomeFacts } from "../../worker/turn-builder.ts";
import { failed } from "../../worker/verdict.ts";
import { Trying, type Tried } from "./attempts.ts";
import type { Ended, SimulationHost, Work } from "./host.ts";
import type { MemoryRun } from "./memory-run.ts";

/** A map's entry: what it asks for, and where its items are kept. */
export interface FanOutEntry {
  readonly effect: MapEffect;
  readonly path: string;
  readonly seq: number;
  readonly options: StoredOptions;
}

/** The items of a map under way: as many at a time as it allows, until all have ended or one too many has failed. */
export class FanOut implements Work {
  readonly #world: SimulationHost;
  readonly #run: MemoryRun;
  readonly #entry: FanOutEntry;
  readonly #settle: (delivery: Delivery) => void;
  /** By item: what works on it. */
  readonly #running = new Map<number, Work>();
  readonly #timers: (() => void)[] = [];
  #next = 0;
  #left: number;
  #failures = 0;
  #over = false;
  #records: Records | undefined;

  constructor(
    world: SimulationHost,
    run: MemoryRun,
    entry: FanOutEntry,
    settle: (delivery: Delivery) => void,
  ) {
    this.#world = world;
    this.#run = run;
    this.#entry = entry;
    this.#settle = settle;
    this.#left = entry.effect.items.length;
  }

  /** Some of it has begun. */
  get isRunning(): boolean {
    return [...this.#running.values()].some((one) => one.isRunning);
  }

  begin(): void {
    const { effect } = this.#entry;
    this.#fill();
    const total = totalTimeoutOf(effect.fn, effect.options);
    if (total !== undefined)
      this.#timers.push(this.#world.clock.schedule(total, () => this.#runOut()));
  }

  tell(reason: Error): void {
    for (const one of this.#running.values()) one.tell(reason);
  }

  withdraw(reason: Error): void {
    this.#over = true;
    for (const endTimer of this.#timers) endTimer();
    for (const one of this.#running.values()) one.withdraw(reason);
    this.#running.clear();
  }

  #fill(): void {
    const { effect } = this.#entry;
    const limit = effect.concurrency ?? Infinity;
    while (!this.#over && this.#next < effect.items.length && this.#running.size < limit)
      this.#beginItem(this.#next++);
  }

  #beginItem(item: number): void {
    const { effect, path } = this.#entry;
    const { run } = this.#run.setting;
    const gates = gatesOfItems(effect)?.[item];
    const { input } = this.#run.journal.itemsOf(this.#entry.seq)[item] ?? { input: "" };
    if (effect.fn.kind === "workflow" && this.#world.mocks.get(effect.name) === undefined) {
      const id = itemChildId(run, { path }, item);
      const child = this.#world.startChild(effect, {
        id,
        input,
        parent: run.key,
        gates,
        onEnd: (ended) => this.#childEnded(item, ended),
      });
      this.#running.set(item, child);
      return;
    }
    const inputPlace = itemInputPlaces(run, this.#mapEntry)(item);
    const place = itemValuePlaces(run, this.#mapEntry)(item);
    const policy = this.#world.policyOf(effect.fn, effect.options);
    const step = {
      fn: effect.fn,
      executionId: run.id,
      taskId: stepId(run, itemPath(path, item)),
      input,
      inputPlace,
      place,
      policy,
      gates,
      priority: effect.options?.priority ?? effect.fn.options.priority ?? 0,
      execution: run.key,
    };
    const trying = new Trying(this.#world, step, (tried) => this.#itemEnded(item, tried));
    this.#running.set(item, trying);
    trying.begin();
  }

  #childEnded(item: number, { status, payload }: Ended): void {
    this.#note(item, status === "completed", payload);
  }

  #itemEnded(item: number, { verdict }: Tried): void {
    if (verdict.kind === "completed" && verdict.records !== undefined)
      this.#records = sum(this.#records, verdict.records);
    this.#note(item, verdict.kind === "completed", verdict.payload);
  }

  #note(item: number, ok: boolean, payload: Payload): void {
    if (this.#over) return;
    const { seq, effect } = this.#entry;
    const { journal } = this.#run;
    this.#running.delete(item);
    const status = ok ? entryStatus.completed : entryStatus.failed;
    journal.endItem(seq, item, status, payload);
    this.#world.called(effect.name, effect.items[item] ?? [], ok);
    this.#left -= 1;
    if (!ok) this.#failures += 1;
    if (!ok && this.#failures > this.#tolerated) return this.#fail(this.#errorOf(item, payload));
    if (this.#left === 0) return this.#complete();
    this.#fill();
  }

  /** null: any number may fail. */
  get #tolerated(): number {
    const { tolerated } = this.#entry.options;
    return tolerated === null ? Infinity : (tolerated ?? 0);
  }

  get #mapEntry(): { readonly path: string; readonly options: string } {
    return { path: this.#entry.path, options: JSON.stringify(this.#entry.options) };
  }

  #errorOf(item: number, payload: Payload): unknown {
    const place = itemValuePlaces(this.#run.setting.run, this.#mapEntry)(item);
    return this.#run.setting.codec.decodeFailure(payload, place);
  }

  /** What has no outcome by now fails as out of time. */
  #runOut(): void {
    const { effect, path } = this.#entry;
    const { run, codec } = this.#run.setting;
    const error = outOfTime(effect.name);
    const { payload } = failed(codec, entryPlace(run.id, run.run, path), error);
    for (const [item, one] of this.#running) {
      one.withdraw(error);
      this.#note(item, false, payload);
    }
    while (!this.#over && this.#next < effect.items.length)
      this.#note(this.#next++, false, payload);
  }

  #fail(error: unknown): void {
    const { run, codec } = this.#run.setting;
    const { path } = this.#entry;
    const verdict = failed(codec, entryPlace(run.id, run.run, path), error);
    this.#end({ ok: false, error: verdict.error }, verdict.payload);
    this.withdraw(verdict.error);
  }

  #complete(): void {
    const { codec, run } = this.#run.setting;
    const settling = this.#entry.options.tolerated !== undefined;
    const items = this.#run.journal.itemsOf(this.#entry.seq);
    const placeOf = itemValuePlaces(run, this.#mapEntry);
    this.#end({ ok: true, value: mapValue(codec, placeOf, items, settling) }, undefined);
    this.withdraw(new Error("it has ended"));
  }

  #end(
    outcome: Extract<Delivery, { kind: "outcome" }>["outcome"],
    payload: Payload | undefined,
  ): void {
    const tag: OutcomeFacts = {
      payload,
      attempt: 0,
      failures: this.#failures,
      startedAt: undefined,
      endedAt: this.#world.clock.now(),
    };
    this.#settle({ kind: "outcome", path: this.#entry.path, outcome, records: this.#records, tag });
  }
}

/** What the items of a map left in counters, state and progress takes effect together with the map. */
function sum(before: Records | undefined, added: Records): Records {
  const counters = { ...before?.counters };
  for (const [name, amount] of Object.entries(added.counters ?? {}))
    counters[name] = (counters[name] ?? 0) + amount;
  return {
    counters,
    state: { ...before?.state, ...added.state },
    progress: [...(before?.progress ?? []), ...(added.progress ?? [])],
  };
}
