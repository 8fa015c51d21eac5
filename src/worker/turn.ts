/**
 * One turn being made: from what has arrived to the one request that stores it. Everything here is undone by forgetting it, except
 * for the coroutine, which cannot be rewound (W3).
 */
import { append } from "../core/append.ts";
import type { CallEffect } from "../core/effects/call.ts";
import { wrongGates } from "./effect-gates.ts";
import { ExpiryError, LeaseLostError, PoisonError } from "../core/errors.ts";
import type { Coroutine } from "../core/interpreter/coroutine.ts";
import type { Delivery, Done, Facts, Turn as Step, UndoFailure } from "../core/interpreter/turn.ts";
import { attemptPolicy, type StoredOptions } from "../core/step-options.ts";
import type { ClaimedExecution, EntryRow, NewDeadLetter } from "../store/store.ts";
import { runAs, type OtherCode } from "./context.ts";
import type { Ending } from "./ending.ts";
import { readInbox } from "./inbound.ts";
import { stopReason, type LocalSteps, type RetriedStep, type SettledStep } from "./local-steps.ts";
import { Outbound } from "./outbound.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Replica } from "./replica.ts";
import type { RunHost } from "./run-host.ts";
import { TurnBuilder, type OutcomeFacts } from "./turn-builder.ts";
import type { TurnWatch } from "./turn-watch.ts";

/** What all turns of a run work with. */
export class TurnTools {
  readonly host: RunHost;
  readonly local: LocalSteps;
  readonly outgoing: Outgoing;
  readonly facts: Facts & OtherCode;

  constructor(host: RunHost, local: LocalSteps, outgoing: Outgoing, facts: Facts & OtherCode) {
    this.host = host;
    this.local = local;
    this.outgoing = outgoing;
    this.facts = facts;
  }
}

/**
 * A call that was running in so many sessions when they died is made through the queue, so that its outcome is stored by itself: then
 * it shows whether the call kills its process, or the turn behind it. One death is most often a restart, which should cost no detour.
 */
const suspectDeaths = 2;

/** From so many names on it is asked first which of them have a message: of a thousand waits, one message should not cost a thousand reads. */
const manyNames = 4;

const none: readonly never[] = [];

/** No closure: there are one or two turns a step. */
function advance(coroutine: Coroutine, deliveries: readonly Delivery[], facts: Facts): Step {
  return coroutine.advance(deliveries, facts);
}

export class Turn {
  readonly replica: Replica;
  readonly builder: TurnBuilder;
  readonly outbound = new Outbound();
  readonly settled: readonly SettledStep[];
  readonly retried: readonly RetriedStep[];
  arrived: readonly number[] = none;
  #consumed: { readonly signal: number; readonly seq: number }[] | undefined;
  done: Done | undefined;
  encodedResult: unknown;
  /** None where nobody wants to be told of turns. */
  watch: TurnWatch | undefined;
  /** Of undo steps that have failed. */
  deadLetters: readonly NewDeadLetter[] = none;
  wakeAt: number | undefined;
  readonly #tools: TurnTools;
  readonly #execution: ClaimedExecution;
  readonly #marks: ReadonlyMap<number, number>;
  readonly #woken: boolean;
  #undoFailures: readonly UndoFailure[] = none;
  #unheard: readonly unknown[] = none;
  #asked: Set<string> | undefined;
  #messages: Map<Delivery, number> | undefined;

  /**
   * Takes the outcomes in hand; they are given back if the turn cannot be stored. `marks`: sessions that died while an attempt was
   * running, by the entry's seq. `woken`: the inbox has to be read for waits of earlier turns too.
   */
  constructor(
    tools: TurnTools,
    execution: ClaimedExecution,
    replica: Replica,
    marks: ReadonlyMap<number, number>,
    woken: boolean,
  ) {
    const { host, local } = tools;
    this.#tools = tools;
    this.#execution = execution;
    this.replica = replica;
    this.#marks = marks;
    this.#woken = woken;
    this.settled = local.takeSettled();
    this.retried = local.takeRetried();
    this.builder = new TurnBuilder(host.deps.codec, execution, {
      nextSeq: replica.nextSeq,
      step: replica.step,
      open: replica.open,
      now: host.deps.clock.now(),
    });
  }

  /**
   * Attempts that were lost or failed find their next place: after the workflow has been driven, since a cancel, a race or a failure in
   * this very turn may have ended the wait for them, and what nobody waits for is not begun.
   */
  takeUp(): void {
    if (this.done !== undefined) return;
    const { outgoing } = this.#tools;
    const replica = this.replica;
    for (const row of replica.lost.splice(0)) this.#takeUpLost(row);
    for (const step of this.retried) {
      if (replica.coroutine.waiting(step.path) === undefined) continue;
      outgoing.retryLater(step, this.builder, this.outbound);
    }
  }

  /** Logs what the workflow cannot be told of, once it is stored: a turn that is made again throws it again. */
  logUnheard(): void {
    const { log } = this.#tools.host.deps.observer;
    for (const error of this.#unheard) {
      log.warn("an error was thrown while a branch was being closed", {
        executionId: this.#execution.id,
        error,
      });
    }
  }

  /** Undo steps that failed in this turn leave a dead letter each. */
  keepUndoLetters(ending: Ending): void {
    if (this.#undoFailures.length === 0) return;
    const { failedSteps } = this.replica;
    this.deadLetters = this.#undoFailures.flatMap((failure) => {
      const step = failedSteps.get(failure.failedBy);
      // A child has left one of its own.
      return step === undefined && failure.failedBy > 0 ? [] : [ending.undoLetter(failure, step)];
    });
  }

  /** Whether there are counters or state for a next run. */
  get handsOn(): boolean {
    const { counters, state } = this.replica.coroutine.snapshot();
    return counters.size + state.size > 0;
  }

  /** Messages that this turn has taken from the inbox. */
  get consumed(): readonly { readonly signal: number; readonly seq: number }[] {
    return this.#consumed ?? none;
  }

  /** Delivers, and drives the workflow until it waits for something that is not here. */
  drive(deliveries: readonly Delivery[]): void {
    const { facts } = this.#tools;
    const replica = this.replica;
    let next = deliveries;
    do {
      const step = runAs(facts, advance, replica.coroutine, next, facts);
      this.wakeAt = step.wakeAt;
      this.done = step.done;
      this.encodedResult = step.encodedResult;
      this.#note(step);
      for (const delivery of step.refused) this.#returnMessage(delivery);
      next = this.#instantly(step);
    } while (next.length > 0 && this.done === undefined);
  }

  /** Signal names that the workflow waits for and whose inbox has not been read in this turn. */
  unread(): readonly string[] {
    const { coroutine } = this.replica;
    if (coroutine.signalWaits.size === 0 || this.done !== undefined) return none;
    return [...coroutine.signalWaits]
      .filter(([, paths]) => [...paths].some((path) => this.#isUnread(path)))
      .map(([name]) => name);
  }

  /** Messages for those waits, oldest first. */
  async readMessages(names: readonly string[]): Promise<Delivery[]> {
    const { host } = this.#tools;
    const execution = this.#execution;
    const replica = this.replica;
    const deliveries: Delivery[] = [];
    const sent = new Set(
      names.length < manyNames ? names : await host.deps.store.inboxNames(execution.key, names),
    );
    for (const name of names) {
      const paths = new Set(
        [...(replica.coroutine.signalWaits.get(name) ?? [])].filter((path) => this.#isUnread(path)),
      );
      this.#asked ??= new Set();
      for (const path of paths) this.#asked.add(path);
      if (!sent.has(name)) continue;
      const taken = new Set(this.consumed.map((message) => message.signal));
      for (const message of await readInbox(host.deps, execution, name, paths, taken)) {
        const open = this.builder.entry(message.delivery.path);
        if (open === undefined) continue;
        (this.#consumed ??= []).push({ signal: message.key, seq: open.seq });
        this.#messages ??= new Map();
        this.#messages.set(message.delivery, message.key);
        deliveries.push(message.delivery);
      }
    }
    return deliveries;
  }

  /** Decides where the work of new entries runs. @returns whether the slot that the claim kept was used. */
  send(slotKept: boolean): boolean {
    if (this.done !== undefined) return false;
    return this.#tools.outgoing.send(
      this.builder.scheduled(),
      this.builder,
      this.outbound,
      slotKept,
    );
  }

  /** Frees what was reserved for what will not be begun. */
  forgo(): void {
    const { slots } = this.#tools.host;
    slots.occupy(-this.outbound.steps.length);
    for (const { items } of this.outbound.takenItems) slots.occupy(-items.length);
    this.#tools.local.giveBack(this.settled, this.retried);
  }

  /** Its wait was over before it could be delivered, as that of a race's loser is: it stays in the inbox for the next one (I6). */
  #returnMessage(delivery: Delivery): void {
    const key = this.#messages?.get(delivery);
    const index = this.consumed.findIndex((message) => message.signal === key);
    if (key !== undefined && index >= 0) this.#consumed?.splice(index, 1);
  }

  #isUnread(path: string): boolean {
    return this.#asked?.has(path) !== true && (this.#woken || this.builder.isNew(path));
  }

  #note(step: Step): void {
    const { local } = this.#tools;
    const replica = this.replica;
    for (const entry of step.delivered) {
      const open = replica.open.get(entry.path);
      if (entry.outcome?.ok !== false || entry.delivery === undefined || open === undefined)
        continue;
      replica.noteFailure(entry.delivery, {
        ...open,
        attempt: (entry.tag as OutcomeFacts | undefined)?.attempt ?? open.attempt,
      });
    }
    this.builder.add(step, (path) => replica.coroutine.waiting(path) !== undefined);
    if (step.cancelled.length > 0) {
      const stop = stopReason(replica.coroutine.closingReason);
      for (const path of step.cancelled) {
        const why =
          replica.open.get(path) === undefined ? (this.#ownEnd(step, path) ?? stop) : stop;
        if (replica.coroutine.waiting(path) === undefined) local.withdraw(path, why);
        else local.tell(path, why);
      }
    }
    if (step.undoFailures.length > 0)
      this.#undoFailures = [...this.#undoFailures, ...step.undoFailures];
    if (step.unheard.length > 0) this.#unheard = [...this.#unheard, ...step.unheard];
  }

  /** What an entry ended by that was ended by its own time: an activity past its totalTimeout. */
  #ownEnd(step: Step, path: string): Error | undefined {
    const outcome = step.delivered.find((entry) => entry.path === path)?.outcome;
    return outcome?.ok === false && outcome.error instanceof ExpiryError
      ? outcome.error
      : undefined;
  }

  /** What a new entry asks for and gets at once: a map of nothing, a function that this version cannot run. */
  #instantly(step: Step): readonly Delivery[] {
    let deliveries: Delivery[] | undefined;
    for (const { effect, path } of step.scheduled) {
      if (effect?.kind !== "call" && effect?.kind !== "map" && effect?.kind !== "dispatch")
        continue;
      const wrong = wrongGates(effect);
      if (wrong !== undefined) {
        const outcome = { ok: false as const, error: wrong };
        deliveries = append(deliveries, { kind: "outcome", path, outcome });
      } else if (effect.kind === "map" && effect.items.length === 0) {
        const outcome = { ok: true as const, value: [] };
        deliveries = append(deliveries, { kind: "outcome", path, outcome });
      }
    }
    return deliveries ?? none;
  }

  /** An attempt that was lost with its worker, or is asked for anew after a retry. */
  #takeUpLost(row: EntryRow): void {
    const { host, local, outgoing } = this.#tools;
    const replica = this.replica;
    const marks = this.#marks;
    const leaf = replica.coroutine.waiting(row.path);
    if (leaf === undefined) return;
    if (leaf.late) {
      // The execution is being closed and waited for what was running: that will not come any more, and nothing is begun anew.
      local.fail(
        row.path,
        new LeaseLostError(
          `the worker that ran "${row.name ?? row.kind}" was lost while its execution was being closed`,
        ),
      );
      return;
    }
    const { effect } = leaf;
    const deaths = marks.get(row.seq) ?? 0;
    if (effect.kind === "run" || effect.kind === "transaction") {
      if (deaths >= host.maxClaims) {
        local.fail(
          row.path,
          new PoisonError(
            `closure "${effect.name}" was running in ${deaths} worker sessions when they died; it is not tried again by itself`,
          ),
        );
        return;
      }
      this.builder.change(row.path, {
        attempt: row.attempt + 1,
        failures: 0,
        here: true,
        value: undefined,
        startedAt: host.deps.clock.now(),
      });
      if (effect.kind === "run") this.outbound.add("closures", { path: row.path, fn: effect.fn });
      else outgoing.transact(row.path, effect, this.builder, this.outbound);
    } else if (effect.kind === "sendSignal" && row.input !== undefined) {
      outgoing.resend(row.path, effect, row.input, this.builder, this.outbound);
    } else if (effect.kind === "call" && row.input !== undefined) {
      this.#takeUpCall(row, effect, row.input, deaths);
    }
  }

  /** By I5: one start at most under maxAttempts 1; and what keeps killing its process is not tried for ever. */
  #takeUpCall(
    row: EntryRow,
    effect: CallEffect,
    input: NonNullable<EntryRow["input"]>,
    deaths: number,
  ): void {
    const { host, local, outgoing } = this.#tools;
    const stored = JSON.parse(row.options ?? "{}") as StoredOptions;
    const policy = attemptPolicy(effect.fn, stored);
    const wrong = wrongGates(effect);
    if (wrong !== undefined) local.fail(row.path, wrong);
    else if (deaths >= host.maxClaims) {
      local.fail(
        row.path,
        new PoisonError(
          `activity "${effect.name}" was running in ${deaths} worker sessions when they died; it is not tried again by itself`,
        ),
      );
    } else if (policy.retry.maxAttempts === 1 && row.worker !== undefined) {
      local.fail(
        row.path,
        new LeaseLostError(
          `the worker that ran activity "${effect.name}" was lost, and maxAttempts: 1 allows no second start`,
        ),
      );
    } else {
      outgoing.again(
        {
          path: row.path,
          effect,
          attempt: row.attempt,
          failures: row.failures,
          input,
          stored,
          suspected: deaths >= suspectDeaths,
        },
        this.builder,
        this.outbound,
      );
    }
  }
}
