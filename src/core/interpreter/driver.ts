import type { Flow } from "../effects/effect.ts";
import type { ContinueAsNewEffect } from "../effects/lineage.ts";
import type { CompensateEffect } from "../effects/scope.ts";
import type { CancelledError, ExpiryError } from "../errors.ts";
import { cancelPath, gracePath, type Entry, type Outcome } from "../journal.ts";
import type { Middleware } from "../middleware.ts";
import { Body } from "./body.ts";
import type { CoroutineOptions } from "./coroutine-options.ts";
import { ownEnd } from "./effect-entry.ts";
import { Entrance, type EntranceHost } from "./entrance.ts";
import type { Caller } from "./frame.ts";
import { kept } from "./kept.ts";
import type { Leaf } from "./leaf.ts";
import { Ledger } from "./ledger.ts";
import { middlewareNamed, middlewareRecord } from "./middleware-stack.ts";
import type { Settlement } from "./node.ts";
import type { Recorded } from "./recorded.ts";
import { tooManyEffects } from "./refusals.ts";
import { RunState } from "./run-state.ts";
import { Scheduler } from "./scheduler.ts";
import type { Delivery, Done, Facts, Turn } from "./turn.ts";
import { Runaway } from "./unwaited-effects.ts";
import type { Waiting } from "./waiting.ts";

/** What the interpreter does with what arrives: the inside of a coroutine. */
export class Driver implements EntranceHost {
  readonly #state: RunState;
  readonly #scheduler: Scheduler;
  readonly #entrance: Entrance;
  readonly #body: Body;
  readonly #middleware: readonly Middleware[];
  #begun = false;

  constructor(generator: Flow<unknown>, options: CoroutineOptions) {
    const { middleware = none, counters, state, sameInput } = options;
    this.#middleware = middleware;
    this.#state = new RunState(new Ledger(counters, state));
    this.#scheduler = new Scheduler(this.#state, sameInput);
    this.#entrance = new Entrance(this.#state, this.#scheduler, this, options);
    this.#body = new Body(generator, this.#state, this.#scheduler, this.#entrance);
  }

  /** How the run ended; undefined while it goes on. */
  get done(): Done | undefined {
    return this.#body.done;
  }

  /** Whether the run failed by an error that was delivered to it, and not by one of its own. */
  get failedByOutcome(): boolean {
    return this.#body.failedByOutcome;
  }

  /** Why the whole execution is being closed, if it is. */
  get closingReason(): CancelledError | ExpiryError | undefined {
    return this.#body.closingReason;
  }

  /** Effects that wait for the host. */
  get waiting(): Waiting {
    return this.#state.waiting;
  }

  get ledger(): Ledger {
    return this.#state.ledger;
  }

  /** After a replay: outcomes that the journal has, that were not delivered, and that are still waited for. */
  undelivered(): readonly Entry[] {
    return this.#scheduler.undelivered();
  }

  compensate(effect: CompensateEffect, caller: Caller): Settlement {
    return this.#body.compensate(effect, caller);
  }

  continueAsNew(effect: ContinueAsNewEffect, caller: Caller): Settlement {
    return this.#body.continueAsNew(effect, caller);
  }

  /** Takes the outcomes of what has ended by itself at `now`; each is given once, to be delivered. */
  due(now: number): readonly Delivery[] {
    let deliveries: Delivery[] | undefined;
    for (
      let leaf = this.waiting.takeDue(now);
      leaf !== undefined;
      leaf = this.waiting.takeDue(now)
    ) {
      const expired = leaf.kind === "call";
      deliveries ??= [];
      deliveries.push({ kind: "outcome", path: leaf.path, outcome: ownEnd(leaf.effect), expired });
    }
    return deliveries ?? none;
  }

  /** Delivers what has arrived, in this order, and drives the workflow until it waits again. */
  advance(deliveries: readonly Delivery[], facts: Facts): Turn {
    const turn = this.#state.beginTurn(facts);
    if (!this.#begun) {
      if (this.#middleware.length > 0) turn.change(middlewareRecord(this.#middleware));
      this.#begin(this.#middleware);
    }
    for (const delivery of deliveries) {
      if (!this.#deliver(delivery)) turn.refuse(delivery);
    }
    return turn.result(this.done, this.waiting.wakeAt());
  }

  /** Brings it to where its journal ends. @throws NonDeterminismError */
  replay(recorded: Recorded): void {
    if (recorded.isEmpty) return;
    this.#state.beginReplay(recorded);
    this.#begin(middlewareNamed(recorded.middleware, this.#middleware));
    for (const entry of recorded.deliveries) this.#redeliver(entry, recorded);
    recorded.expectNothingLeft();
    this.#state.endReplay();
  }

  #begin(middleware: readonly Middleware[]): void {
    this.#begun = true;
    this.#entrance.use(middleware);
    this.#drive(() => this.#body.begin());
  }

  #deliver(delivery: Delivery): boolean {
    if (this.done !== undefined) return false;
    switch (delivery.kind) {
      case "outcome":
        return this.#deliverOutcome(delivery);
      case "cancel":
        return this.#closeAll(delivery);
      case "grace":
        return this.#endGrace();
      default:
        return delivery satisfies never;
    }
  }

  #redeliver(entry: Entry, recorded: Recorded): void {
    const number = this.#state.beginDelivery();
    if (number !== entry.delivery) throw recorded.outOfOrder(entry, number);
    if (entry.kind === "cancel") {
      recorded.takeEvent(entry);
      const reason = entry.outcome?.ok === false ? entry.outcome.error : undefined;
      this.#closeBody(reason as CancelledError, entry.input as readonly string[]);
    } else if (entry.kind === "grace") {
      recorded.takeEvent(entry);
      this.#giveUp(this.waiting.late());
    } else {
      const leaf = this.waiting.at(entry.path);
      if (leaf === undefined || entry.outcome === undefined)
        throw recorded.outOfOrder(entry, number);
      this.#give(leaf, entry.outcome, number);
    }
  }

  // ── outcomes ──

  #deliverOutcome(delivery: Extract<Delivery, { kind: "outcome" }>): boolean {
    const leaf = this.waiting.at(delivery.path);
    if (leaf === undefined) return false;
    const { turn, ledger } = this.#state;
    const number = this.#state.beginDelivery();
    turn.deliver(leaf, kept(delivery.outcome), number, delivery.tag);
    if (delivery.expired === true) turn.cancel(leaf);
    if (delivery.records !== undefined) {
      for (const change of ledger.take(delivery.records, number)) turn.change(change);
    }
    this.#give(leaf, delivery.outcome, number);
    return true;
  }

  #give(leaf: Leaf, outcome: Outcome, number: number): void {
    this.#state.sources.give(outcome, number);
    this.waiting.remove(leaf);
    this.#drive(() => leaf.deliver(outcome));
  }

  // ── closing the whole execution ──

  #closeAll({ reason, awaited }: Extract<Delivery, { kind: "cancel" }>): boolean {
    if (this.closingReason !== undefined) return false;
    const number = this.#state.beginDelivery();
    const begun = this.#body.isBroken
      ? none
      : awaited.filter((path) => this.waiting.at(path) !== undefined);
    const entry = { path: cancelPath, kind: "cancel", input: begun } as const;
    this.#state.turn.answer(entry, { ok: false, error: reason }, number);
    this.#closeBody(reason, begun);
    return true;
  }

  #closeBody(reason: CancelledError | ExpiryError, awaited: readonly string[]): void {
    this.#drive(() => this.#body.close({ reason, awaited: new Set(awaited) }));
  }

  #endGrace(): boolean {
    const late = this.waiting.late();
    if (late.length === 0) return false;
    const entry = { path: gracePath, kind: "grace" } as const;
    this.#state.turn.answer(entry, { ok: true, value: undefined }, this.#state.beginDelivery());
    this.#giveUp(late);
    return true;
  }

  #giveUp(late: readonly Leaf[]): void {
    for (const leaf of late) {
      this.#drive(() => {
        if (this.waiting.has(leaf)) leaf.giveUp();
      });
    }
  }

  /** Lets a part of the workflow run until it waits. A body, or an undo step, that cannot be made to wait is ended. */
  #drive(act: () => void): void {
    try {
      act();
      this.#entrance.settleForks();
    } catch (error) {
      if (!(error instanceof Runaway)) throw error;
      this.#state.unwaited.reset();
      this.#drive(() => this.#body.giveUp(tooManyEffects()));
    }
  }
}

const none: readonly never[] = [];
