import type { AnyDurable, Workflow } from "../../core/durable.ts";
import type { CallEffect } from "../../core/effects/call.ts";
import type { MapEffect } from "../../core/effects/map.ts";
import { isRemote } from "../../core/define.ts";
import { PayloadCodec } from "../../core/payload.ts";
import { registry } from "../../core/registry.ts";
import { resolveSerializer } from "../../core/serializer.ts";
import { attemptPolicy, type AttemptPolicy, type StoredOptions } from "../../core/step-options.ts";
import { maxDurationOf } from "../../worker/outgoing-child.ts";
import { Chance } from "../chance.ts";
import { Mocks, type Mock } from "../mock.ts";
import { VirtualClock } from "../virtual-clock.ts";
import { SimulatedExecution } from "./execution.ts";
import { GateKeeper } from "./gate-keeper.ts";
import type { Ended, NewChild, NewSimulated, SimulationHost } from "./host.ts";
import { Stillness } from "./stillness.ts";

/** How a world goes wrong, and from what. */
export interface WorldSetting {
  readonly mocks: readonly Mock[] | undefined;
  readonly startAt: Date | undefined;
  readonly seed: number;
  readonly crash: number;
  readonly duplicate: number;
}

/** One call of an activity or a child, by how it ended. */
export interface CallRecord {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly ok: boolean;
}

/** Executions in virtual time: each takes its turns, and time goes on when all of them wait. */
export class World implements SimulationHost {
  readonly clock: VirtualClock;
  readonly codec = new PayloadCodec(resolveSerializer(undefined));
  readonly chance: Chance;
  readonly mocks: Mocks;
  readonly gates: GateKeeper;
  readonly calls: CallRecord[] = [];
  readonly #setting: WorldSetting;
  /** Of functions as they are defined: the same at every call. */
  readonly #policies = new Map<AnyDurable, AttemptPolicy>();
  readonly #executions = new Map<string, SimulatedExecution>();
  readonly #ready = new Set<SimulatedExecution>();
  #crashes = 0;
  /** Attempts and closures whose code runs. */
  #underWay = 0;
  /** How many have ended. */
  #ends = 0;
  /** Made before anything of it runs. */
  readonly #stillness = new Stillness();
  #fault: { readonly error: unknown } | undefined;

  constructor(setting: WorldSetting) {
    this.#setting = setting;
    this.clock = new VirtualClock(setting.startAt);
    this.chance = new Chance(setting.seed);
    this.mocks = new Mocks(setting.mocks);
    this.gates = new GateKeeper(this.clock);
  }

  get crashes(): number {
    return this.#crashes;
  }

  /** Whether coroutines are abandoned at all. */
  get isCrashing(): boolean {
    return this.#setting.crash > 0;
  }

  /** Lets everything happen until this execution has ended. @throws NonDeterminismError; Error if it would wait for ever */
  async runUntilEnded(root: SimulatedExecution): Promise<Ended> {
    return this.runUntil(
      () => root.ended,
      () => root.stuck(),
    );
  }

  /** Lets everything happen until there is what is looked for. `stuck`: where nothing can happen any more. */
  async runUntil<T>(found: () => T | undefined, stuck: () => Error): Promise<T> {
    for (;;) {
      if (this.#fault !== undefined) throw this.#fault.error;
      const result = found();
      if (result !== undefined) return result;
      const [next] = this.#ready;
      if (next !== undefined) {
        this.#ready.delete(next);
        const resuming = next.turn();
        if (resuming !== undefined) await resuming;
      } else if (this.#underWay > 0) await this.#somethingEnds(stuck);
      else this.#passTime(stuck);
    }
  }

  // ── executions ──

  start(making: NewSimulated): SimulatedExecution {
    const key = this.#executions.size + 1;
    // There is something for it to do.
    const ready = (one: SimulatedExecution): void => void this.#ready.add(one);
    const execution = new SimulatedExecution(this, making, key, ready);
    this.#executions.set(making.id, execution);
    execution.wakeAfter(making.delayMs ?? 0);
    return execution;
  }

  startChild(effect: CallEffect | MapEffect, child: NewChild): SimulatedExecution {
    const { fn, name } = effect;
    if (fn.kind !== "workflow" || isRemote(fn)) {
      throw new Error(
        `the code of workflow "${name}" is elsewhere; give it a stand-in: mocks: [mock(${name}, …)]`,
      );
    }
    const options = effect.options ?? {};
    return this.start({ ...child, fn, options, maxDurationMs: maxDurationOf(effect) });
  }

  execution(id: string): SimulatedExecution | undefined {
    return this.#executions.get(id);
  }

  /** What the next run of a function runs: the version registered last. */
  nextFunction(fn: Workflow<unknown[], unknown>): Workflow<unknown[], unknown> {
    const latest = registry.get(fn.functionName);
    return latest?.kind === "workflow" && !isRemote(latest) ? latest : fn;
  }

  policyOf(fn: AnyDurable, options: StoredOptions | undefined): AttemptPolicy {
    if (options !== undefined) return attemptPolicy(fn, options);
    const policy = this.#policies.get(fn) ?? attemptPolicy(fn, {});
    this.#policies.set(fn, policy);
    return policy;
  }

  /** Nobody's code may catch it: the simulation is over. */
  fail(error: unknown): void {
    this.#fault ??= { error };
  }

  // ── chance ──

  /** After a journal write: is the run abandoned now? */
  crashesNow(): boolean {
    if (!this.chance.happens(this.#setting.crash)) return false;
    this.#crashes += 1;
    return true;
  }

  /** An attempt has ended well: does its function run once more? */
  completesAgain(): boolean {
    return this.chance.happens(this.#setting.duplicate);
  }

  // ── code that runs, and time ──

  begun(): void {
    this.#underWay += 1;
  }

  over(): void {
    this.#underWay -= 1;
    this.#ends += 1;
  }

  called(name: string, args: readonly unknown[], ok: boolean): void {
    this.calls.push({ name, args, ok });
  }

  /** Waits for the code that runs: first for what needs no more than promises, then for as long as something real goes on. */
  async #somethingEnds(stuck: () => Error): Promise<void> {
    const before = this.#ends;
    for (let microtask = 0; microtask < promisesFirst; microtask += 1) {
      await settled;
      if (this.#ends > before || this.#fault !== undefined) return;
    }
    const isStill = await this.#stillness.look();
    if (isStill && this.#ends === before) this.#passTime(stuck);
  }

  #passTime(stuck: () => Error): void {
    const { nextAt } = this.clock;
    if (nextAt !== undefined) this.clock.advanceTo(nextAt);
    else if (this.#fault === undefined && this.#ready.size === 0) throw stuck();
  }
}

const settled = Promise.resolve();

/** Of an activity that awaits nothing but promises, so many are enough. */
const promisesFirst = 32;
