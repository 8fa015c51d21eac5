import type { CallEffect } from "../../core/effects/call.ts";
import type { DispatchEffect } from "../../core/effects/lineage.ts";
import type { MapEffect } from "../../core/effects/map.ts";
import { resolveDispatchOptions } from "../../core/dispatch-options.ts";
import { outcomeOf } from "../../core/entry-outcome.ts";
import { ExecutionFinishedError, NotSupportedError } from "../../core/errors.ts";
import { executionExists } from "../../core/execution-exists.ts";
import type { Delivery, Turn, TurnEntry } from "../../core/interpreter/turn.ts";
import type { Outcome } from "../../core/journal.ts";
import type { Payload } from "../../core/payload.ts";
import { entryPlace, inputPlace, resultPlace, stepId } from "../../core/places.ts";
import type { StoredOptions } from "../../core/step-options.ts";
import { entryStatus } from "../../core/status.ts";
import { runAs } from "../../worker/context.ts";
import { gatesOfCall, wrongGates } from "../../worker/effect-gates.ts";
import { noRetry, stopReason } from "../../worker/local-steps.ts";
import { dispatchedId } from "../../worker/run-facts.ts";
import type { OutcomeFacts } from "../../worker/turn-builder.ts";
import { failed, judge, type Verdict } from "../../worker/verdict.ts";
import { Trying } from "./attempts.ts";
import { payloadOf, payloadsOf } from "./entry-codec.ts";
import { FanOut } from "./fan-out.ts";
import type { Ended, SimulationHost, Work } from "./host.ts";
import type { MemoryRun } from "./memory-run.ts";

/** Whose turns ask for something: an execution, and the run it is in. */
interface Performed {
  readonly id: string;
  readonly run: MemoryRun;
}

/** Does what the turns of one execution ask for, once they are in the journal. */
export class Performing {
  readonly #world: SimulationHost;
  readonly #execution: Performed;
  readonly #settle: (delivery: Delivery) => void;
  readonly #work = new Map<string, Work>();
  #asked: TurnEntry[] = [];

  constructor(world: SimulationHost, execution: Performed, settle: (delivery: Delivery) => void) {
    this.#world = world;
    this.#execution = execution;
    this.#settle = settle;
  }

  /** Paths of what has begun: closing waits for them. */
  begunPaths(): string[] {
    return [...this.#work].filter(([, work]) => work.isRunning).map(([path]) => path);
  }

  /** What a turn asks for, and what it stops. */
  note(turn: Turn): void {
    const { coroutine } = this.#execution.run;
    for (const entry of turn.scheduled) {
      this.#place(entry);
      this.#asked.push(entry);
    }
    if (turn.cancelled.length === 0) return;
    const reason = stopReason(coroutine.closingReason);
    for (const path of turn.cancelled) {
      if (coroutine.waiting(path) === undefined) this.#withdraw(path, reason);
      else this.#work.get(path)?.tell(reason);
    }
  }

  /** What is answered at once: a map of nothing, a call whose key cannot be made. */
  instantly({ scheduled }: Turn): readonly Delivery[] {
    if (scheduled.length === 0) return [];
    return scheduled.flatMap(({ effect, path }): Delivery[] => {
      if (effect?.kind !== "call" && effect?.kind !== "map" && effect?.kind !== "dispatch")
        return [];
      const wrong = wrongGates(effect);
      if (wrong !== undefined)
        return [{ kind: "outcome", path, outcome: { ok: false, error: wrong } }];
      if (effect.kind !== "map" || effect.items.length > 0) return [];
      return [{ kind: "outcome", path, outcome: { ok: true, value: [] } }];
    });
  }

  /** After the commit. */
  begin(): void {
    const { coroutine } = this.#execution.run;
    for (const entry of this.#asked.splice(0))
      if (coroutine.waiting(entry.path) !== undefined) this.#begin(entry);
  }

  /** Only what was asked for at this path. */
  beginAt(path: string): void {
    const index = this.#asked.findIndex((entry) => entry.path === path);
    for (const entry of index < 0 ? [] : this.#asked.splice(index, 1)) this.#begin(entry);
  }

  /** The run is over. */
  endAll(): void {
    this.#asked = [];
    if (this.#work.size === 0) return;
    const reason = stopReason(undefined);
    for (const path of this.#work.keys()) this.#withdraw(path, reason);
  }

  #withdraw(path: string, reason: Error): void {
    const work = this.#work.get(path);
    this.#work.delete(path);
    work?.withdraw(reason);
  }

  /** What the journal keeps of how an entry runs, for who reads it. */
  #place(entry: TurnEntry): void {
    const { effect, path } = entry;
    const { builder, setting } = this.#execution.run;
    if (effect?.kind === "map")
      builder.place(path, { options: JSON.stringify(mapOptions(effect)) });
    else if (effect?.kind === "sendSignal")
      builder.place(path, { options: JSON.stringify({ execution: effect.execution }) });
    else if (effect?.kind === "dispatch")
      builder.place(path, {
        options: JSON.stringify({ execution: dispatchedId(entry, setting.run) }),
      });
  }

  #begin(entry: TurnEntry): void {
    const { effect, path } = entry;
    switch (effect?.kind) {
      case "call":
        return this.#call(entry, effect);
      case "map":
        return this.#map(entry, effect);
      case "run":
        return this.#closure(path, effect.name);
      case "transaction":
        return this.#transaction(path, effect.name);
      case "sendSignal":
        return this.#send(entry, effect.execution, effect.name);
      case "dispatch":
        return this.#dispatch(entry, effect);
      default: // what waits for time or for others asks for nothing
    }
  }

  #call(entry: TurnEntry, effect: CallEffect): void {
    const { path } = entry;
    const { run } = this.#execution.run.setting;
    const mocked = this.#world.mocks.get(effect.name) !== undefined;
    const input = payloadOf(entry.input);
    const id = stepId(run, path);
    if (effect.fn.kind === "workflow" && !mocked) {
      const child = this.#world.startChild(effect, {
        id,
        input,
        parent: run.key,
        gates: gatesOfCall(effect),
        onEnd: (ended) => {
          this.#world.called(effect.name, effect.args, ended.status === "completed");
          this.#childEnded(path, id, ended);
        },
      });
      this.#work.set(path, child);
      return;
    }
    // A child's arguments and result are stored as its own, be it mocked or not.
    const own = entryPlace(run.id, run.run, path);
    const isChild = effect.fn.kind === "workflow";
    const step = {
      fn: effect.fn,
      executionId: run.id,
      taskId: id,
      input,
      inputPlace: isChild ? inputPlace(id) : own,
      place: isChild ? resultPlace(id) : own,
      policy: this.#world.policyOf(effect.fn, effect.options),
      gates: gatesOfCall(effect),
      priority: effect.options?.priority ?? effect.fn.options.priority ?? 0,
      execution: run.key,
    };
    const trying = new Trying(this.#world, step, ({ verdict, ...facts }) => {
      this.#world.called(effect.name, effect.args, verdict.kind === "completed");
      this.#decided(path, verdict, facts);
    });
    this.#work.set(path, trying);
    trying.begin();
  }

  #map(entry: TurnEntry, effect: MapEffect): void {
    const { path } = entry;
    const { run } = this.#execution;
    const { seq } = run.open(path) ?? { seq: 0 };
    run.journal.addItems(seq, payloadsOf(entry.input));
    const options = mapOptions(effect);
    const fanOut = new FanOut(this.#world, run, { effect, path, seq, options }, (delivery) => {
      this.#work.delete(path);
      this.#settle(delivery);
    });
    this.#work.set(path, fanOut);
    fanOut.begin();
  }

  /** The closure is that of the coroutine that was never abandoned: what it changes in memory no other one sees. */
  #closure(path: string, name: string): void {
    const leaf = this.#execution.run.leaf(path);
    const mocked = this.#world.mocks.closure(name);
    const fn = mocked ?? (leaf?.effect.kind === "run" ? leaf.effect.fn : undefined);
    if (fn !== undefined) this.#runClosure(path, name, () => fn());
  }

  #transaction(path: string, name: string): void {
    const mocked = this.#world.mocks.closure(name);
    if (mocked !== undefined) return this.#runClosure(path, name, () => mocked());
    this.#world.fail(
      new NotSupportedError(
        `transaction "${name}" needs a database, and a simulation has none: give it a stand-in, ` +
          `mocks: [mockClosure(${JSON.stringify(name)}, () => …)], or test it with testStent`,
      ),
    );
  }

  #runClosure(path: string, name: string, closure: () => unknown): void {
    const { id } = this.#execution;
    const startedAt = this.#world.clock.now();
    let wanted = true;
    this.#work.set(path, {
      isRunning: true,
      tell: () => undefined,
      withdraw: () => {
        wanted = false;
      },
    });
    this.#world.begun();
    const settle = (outcome: Outcome): void => {
      this.#world.over();
      if (!wanted) return;
      this.#world.called(name, [], outcome.ok);
      this.#decided(path, this.#judged(path, outcome), {
        attempt: 1,
        failures: outcome.ok ? 0 : 1,
        startedAt,
      });
    };
    void Promise.resolve()
      .then(() => runAs({ title: `the closure at ${path}`, executionId: id }, closure))
      .then(
        (value) => settle({ ok: true, value }),
        (error: unknown) => settle({ ok: false, error }),
      );
  }

  #judged(path: string, outcome: Outcome): Verdict {
    const { codec } = this.#world;
    const { run } = this.#execution.run.setting;
    const place = entryPlace(run.id, run.run, path);
    if (!outcome.ok) return failed(codec, place, outcome.error);
    const counting = { policy: noRetry, failures: 0, random: 0, final: true };
    return judge(codec, place, { ...outcome, records: undefined }, counting);
  }

  #send(entry: TurnEntry, receiver: string, name: string): void {
    const execution = this.#world.execution(receiver);
    if (execution?.ended !== undefined)
      return this.#answer(entry.path, {
        ok: false,
        error: new ExecutionFinishedError(
          `execution "${receiver}" has ended already (${execution.ended.status}); it takes no more messages`,
        ),
      });
    // Who is not simulated is somebody else's: the message has gone out.
    execution?.inbox.put(name, payloadOf(entry.input));
    this.#answer(entry.path, { ok: true, value: undefined });
  }

  #dispatch(entry: TurnEntry, effect: DispatchEffect): void {
    const { run } = this.#execution.run.setting;
    const id = dispatchedId(entry, run);
    const resolved = resolveDispatchOptions(effect.dispatchOptions);
    const { ifExists, delayMs, maxDurationMs, priority } = resolved;
    const standing = this.#world.execution(id);
    const { fn, name } = effect;
    if (standing !== undefined && (standing.name !== name || ifExists === "reject")) {
      const reason = standing.name === name ? ("exists" as const) : ("other-function" as const);
      const error = executionExists({ reason, name: standing.name }, { id, name });
      return this.#answer(entry.path, { ok: false, error });
    }
    const input = payloadOf(entry.input);
    const options = { ...effect.options, ...(priority === undefined ? {} : { priority }) };
    if (standing !== undefined) return this.#answer(entry.path, { ok: true, value: id });
    if (fn.kind === "workflow" && this.#world.mocks.get(name) === undefined)
      this.#world.start({
        id,
        fn,
        input,
        options,
        delayMs,
        maxDurationMs,
        gates: gatesOfCall(effect),
      });
    else this.#job(effect, id, input, delayMs);
    this.#answer(entry.path, { ok: true, value: id });
  }

  /** An activity, or a stand-in, that is an execution of its own. */
  #job(effect: DispatchEffect, id: string, input: Payload, delayMs: number): void {
    const { fn, name, args, options } = effect;
    const step = {
      fn,
      executionId: id,
      taskId: id,
      input,
      inputPlace: inputPlace(id),
      place: resultPlace(id),
      policy: this.#world.policyOf(fn, options),
      gates: gatesOfCall(effect),
      priority:
        resolveDispatchOptions(effect.dispatchOptions).priority ??
        options?.priority ??
        fn.options.priority ??
        0,
      execution: noExecution,
    };
    const trying = new Trying(this.#world, step, ({ verdict }) =>
      this.#world.called(name, args, verdict.kind === "completed"),
    );
    this.#world.clock.schedule(delayMs, () => trying.begin());
  }

  #childEnded(path: string, id: string, { status, payload, at }: Ended): void {
    this.#work.delete(path);
    const ended = status === "completed" ? entryStatus.completed : entryStatus.failed;
    const outcome = outcomeOf(this.#world.codec, ended, payload, resultPlace(id));
    const tag: OutcomeFacts = {
      payload,
      attempt: 0,
      failures: 0,
      startedAt: undefined,
      endedAt: at,
    };
    this.#settle({ kind: "outcome", path, outcome, tag });
  }

  #decided(
    path: string,
    verdict: Verdict,
    facts: { readonly attempt: number; readonly failures: number; readonly startedAt: number },
  ): void {
    if (verdict.kind === "again") return;
    this.#work.delete(path);
    const { attempt, failures, startedAt } = facts;
    const endedAt = this.#world.clock.now();
    const tag: OutcomeFacts = { payload: verdict.payload, attempt, failures, startedAt, endedAt };
    if (verdict.kind === "failed")
      return this.#settle({
        kind: "outcome",
        path,
        outcome: { ok: false, error: verdict.error },
        tag,
      });
    const { value, records } = verdict;
    this.#settle({ kind: "outcome", path, outcome: { ok: true, value }, records, tag });
  }

  #answer(path: string, outcome: Outcome): void {
    this.#settle({ kind: "outcome", path, outcome });
  }
}

/** Nobody waits for a job. */
const noExecution = 0;

/** As a worker stores them. */
function mapOptions(effect: MapEffect): StoredOptions {
  const tolerated = effect.tolerate ?? (effect.onError === "settle" ? null : undefined);
  return {
    ...effect.options,
    ...(tolerated === undefined ? {} : { tolerated }),
    ...(effect.fn.kind === "workflow" ? { over: "workflow" as const } : {}),
  };
}
