import type { Workflow } from "../../core/durable.ts";
import type { AnyEffect } from "../../core/effects/any-effect.ts";
import { Coroutine } from "../../core/interpreter/coroutine.ts";
import type { Leaf } from "../../core/interpreter/leaf.ts";
import type { Delivery, Turn } from "../../core/interpreter/turn.ts";
import { inputPlace } from "../../core/places.ts";
import type { Payload } from "../../core/payload.ts";
import { SmallMap } from "../../core/small-map.ts";
import { runAs } from "../../worker/context.ts";
import type { OpenEntry } from "../../worker/turn-builder.ts";
import { TurnBuilder } from "../../worker/turn-builder.ts";
import { argsOf } from "./entry-codec.ts";
import { SimulatedFacts, type RunSetting } from "./facts.ts";
import { MemoryJournal, type MemoryRecords } from "./memory-journal.ts";
import { Unbroken } from "./unbroken.ts";
import { YieldedSteps } from "./yielded-steps.ts";

/** One run of a workflow: the interpreter, and a journal in memory that it is stored in turn by turn. */
export class MemoryRun {
  readonly journal: MemoryJournal;
  readonly setting: RunSetting;
  /** Told of every effect as it is yielded the first time. */
  yielded: ((effect: AnyEffect, path: string) => void) | undefined;
  readonly #fn: Workflow<unknown[], unknown>;
  readonly #input: Payload;
  readonly #facts: SimulatedFacts;
  readonly #open = new SmallMap<string, OpenEntry>();
  #coroutine: Coroutine | undefined;
  /** From the first crash on: what has come of the run without any. */
  #unbroken: Unbroken | undefined;
  #builder: TurnBuilder | undefined;
  #nextSeq = 1;
  #step = 0;

  constructor(
    setting: RunSetting,
    fn: Workflow<unknown[], unknown>,
    input: Payload,
    handedOn: MemoryRecords,
  ) {
    this.setting = setting;
    this.#fn = fn;
    this.#input = input;
    this.#facts = new SimulatedFacts(setting);
    this.journal = new MemoryJournal(setting.run, setting.codec, handedOn);
  }

  /** Begins it. @throws what the body throws before it is a generator */
  begin(crashes: boolean): void {
    const records = this.journal.snapshot();
    const { codec, run } = this.setting;
    const steps = crashes ? new YieldedSteps(codec, run) : undefined;
    const yielded = (effect: AnyEffect, path: string): void => {
      steps?.add(effect, path);
      this.yielded?.(effect, path);
    };
    this.#coroutine = runAs(this.#facts, () =>
      Coroutine.start(this.#fn, this.#args, { ...records, yielded }),
    );
    if (steps !== undefined) this.#unbroken = new Unbroken(this.setting, this.#coroutine, steps);
  }

  get coroutine(): Coroutine {
    if (this.#coroutine === undefined) throw new Error("the run has not begun");
    return this.#coroutine;
  }

  get hasBegun(): boolean {
    return this.#coroutine !== undefined;
  }

  /** Why a turn builder is asked: rows of entries that are new in it can still be completed. */
  get builder(): TurnBuilder {
    this.#builder ??= new TurnBuilder(this.setting.codec, this.setting.run, {
      nextSeq: this.#nextSeq,
      step: this.#step,
      open: this.#open,
      now: this.setting.clock.now(),
    });
    return this.#builder;
  }

  /** An entry that waits for its outcome. */
  open(path: string): OpenEntry | undefined {
    return this.#open.get(path);
  }

  /** The effect that waits at a path, whose closures are those of the run that was never abandoned. */
  leaf(path: string): Leaf | undefined {
    return this.#unbroken?.coroutine.waiting(path) ?? this.coroutine.waiting(path);
  }

  /** Delivers, drives the workflow until it waits, and notes what there is to store. */
  drive(deliveries: readonly Delivery[]): Turn {
    const { coroutine } = this;
    const apart = this.#unbroken?.isApart(coroutine) === true ? this.#unbroken : undefined;
    const copies = apart?.copies(deliveries);
    const turn = runAs(this.#facts, () => coroutine.advance(deliveries, this.#facts));
    const answers = this.#facts.takeAnswers();
    if (apart !== undefined && copies !== undefined) apart.advance(copies, answers);
    this.builder.add(turn, (path) => coroutine.waiting(path) !== undefined);
    return turn;
  }

  /** The turn is in the journal. */
  commit(): void {
    const { builder } = this;
    this.journal.write(builder);
    this.#nextSeq = builder.nextSeq;
    this.#step = builder.step;
    this.#builder = undefined;
  }

  /** Abandons what is in memory, and goes on from the journal. @throws NonDeterminismError */
  async crash(): Promise<void> {
    const entries = await this.journal.entries();
    const records = this.journal.snapshot();
    const steps = this.#unbroken?.repeated();
    const yielded = (effect: AnyEffect, path: string): void => steps?.add(effect, path);
    const resume = (): Coroutine =>
      Coroutine.resume(this.#fn, this.#args, entries, { ...records, yielded });
    try {
      this.#coroutine = runAs(this.#facts, resume);
    } finally {
      this.#facts.takeAnswers();
    }
    this.#unbroken?.compare(this.#coroutine);
  }

  /** That the run has come to the same as it would have without any crash. @throws NonDeterminismError */
  compare(): void {
    if (this.#coroutine !== undefined) this.#unbroken?.compare(this.#coroutine);
  }

  get #args(): readonly unknown[] {
    const { codec, run } = this.setting;
    return argsOf(codec.decode(this.#input, inputPlace(run.id)));
  }
}
