import type { AnyEffect } from "../effects/any-effect.ts";
import type { Effect, Flow } from "../effects/effect.ts";
import type { ContinueAsNewEffect } from "../effects/lineage.ts";
import type { CompensateEffect } from "../effects/scope.ts";
import { CancelledError, type ExpiryError } from "../errors.ts";
import {
  cancelPath,
  gracePath,
  resultPath,
  isImmediate,
  type Entry,
  type EntryKind,
  type Outcome,
} from "../journal.ts";
import { Answers, named, recordedAnswer, type AnswerHost } from "./answers.ts";
import { addErrors } from "./closing-errors.ts";
import type { Middleware } from "../middleware.ts";
import { Composites, type CompositeHost, type ScopeEffect } from "./composites.ts";
import { otherInput } from "./divergence.ts";
import { carried, dueTime, entryKind, nameOf, ownEnd, waitsForHost } from "./effect-entry.ts";
import { Forking } from "./forking.ts";
import { Frame, type Caller, type Stage } from "./frame.ts";
import { nextKind, type NextEffect } from "./invocation.ts";
import { kept } from "./kept.ts";
import {
  hasNoPath,
  middlewareNamed,
  middlewareRecord,
  MiddlewareStack,
  needsPath,
} from "./middleware-stack.ts";
import { Leaf, type LeafHost } from "./leaf.ts";
import { Ledger } from "./ledger.ts";
import type { Closing, ForkOwner, Node, Parent, Settlement } from "./node.ts";
import type { Recorded } from "./recorded.ts";
import { Shield, Within } from "./scopes.ts";
import {
  continuesElsewhere,
  failed,
  maxPathLength,
  maxUnwaitedEffects,
  nestedTooDeeply,
  notSupported,
  tooManyEffects,
  undoInUndo,
  type Refusal,
} from "./refusals.ts";
import type { Delivery, Done, Facts, Turn } from "./turn.ts";
import { UndoStack, type Undo, type UndoHost } from "./undo.ts";
import { Waiting } from "./waiting.ts";
import { WorkflowTurn } from "./workflow-turn.ts";
import { notAnEffect } from "./yielded.ts";

/** How many more it may yield after that before it is ended without being asked. */
const runawayEffects = 1_000;

/** What the execution has beside its journal. */
export interface CoroutineOptions {
  /** Around every effect, the first outermost: all of them for a run that begins, those that it began with for one that is resumed. */
  readonly middleware?: readonly Middleware[];
  /** Counters and state as they are now. */
  readonly counters?: ReadonlyMap<string, number>;
  readonly state?: ReadonlyMap<string, unknown>;
  /** On replay: also compare what an effect carries with what was recorded. Asked only of entries that have an input. @returns false for a difference. */
  readonly sameInput?: (recorded: Entry, effect: Effect<unknown>) => boolean;
  /** Told of every effect as it is yielded, in replay too, with its path; of one that takes no number, with that of the next. */
  readonly yielded?: (effect: AnyEffect, path: string) => void;
}

/** What the interpreter does: the inside of a coroutine. One object, since there is one for every running workflow. */
export class Driver implements Parent, Stage, LeafHost, CompositeHost, AnswerHost, UndoHost {
  readonly #root: Frame;
  readonly #options: CoroutineOptions;
  readonly aside = false;
  readonly #waiting = new Waiting();
  readonly ledger: Ledger;
  #answers: Answers | undefined;
  #forking: Forking | undefined;
  #undos: UndoStack | undefined;
  #composites: Composites | undefined;
  #middleware: MiddlewareStack | undefined;
  /** Delivery numbers of the error objects that were thrown into the workflow. */
  #thrown: WeakMap<object, number> | undefined;
  #begun = false;
  #done: Done | undefined;
  #closingAll: Closing | undefined;
  #deliveries = 0;
  #lastOutcome = 0;
  #failedByOutcome = false;
  #unwaited = 0;
  #order = 0;
  #facts: Facts = noFacts;
  #turn = new WorkflowTurn();
  #recorded: Recorded | undefined;
  /** How the body has ended, once its undo steps run. */
  #broken: Broken | undefined;
  /** How many deliveries there had been then. */
  #brokenAt = 0;
  /** What the next run is to begin with, once the body was left for it. */
  #continuation: { readonly input: unknown } | undefined;
  #undelivered: Entry[] | undefined;

  constructor(generator: Flow<unknown>, options: CoroutineOptions) {
    this.#options = options;
    this.ledger = new Ledger(options.counters, options.state);
    this.#root = new Frame(this, generator, "", this);
  }

  get owner(): ForkOwner {
    return this.#root;
  }

  /** How the run ended; undefined while it goes on. */
  get done(): Done | undefined {
    return this.#done;
  }

  /** Whether the run failed by an error that was delivered to it, and not by one of its own. */
  get failedByOutcome(): boolean {
    return this.#failedByOutcome;
  }

  /** Effects that wait for the host. */
  get waiting(): Waiting {
    return this.#waiting;
  }

  get facts(): Facts {
    return this.#facts;
  }

  get turn(): WorkflowTurn {
    return this.#turn;
  }

  /** In replay only. */
  get recorded(): Recorded | undefined {
    return this.#recorded;
  }

  get deliveries(): number {
    return this.#deliveries;
  }

  /** Of what runs beside the body, which is its undo steps: these are not interrupted, but may ask. */
  get closing(): Closing | undefined {
    return this.#broken === undefined ? undefined : this.#closingAll;
  }

  /** Why the whole execution is being closed, if it is. */
  get closingReason(): CancelledError | ExpiryError | undefined {
    return this.#closingAll?.reason;
  }

  /** After a replay: outcomes that the journal has, that were not delivered, and that are still waited for. */
  undelivered(): readonly Entry[] {
    return this.#undelivered?.filter((entry) => this.#waiting.at(entry.path) !== undefined) ?? none;
  }

  /** Takes the outcomes of what has ended by itself at `now`; each is given once, to be delivered. */
  due(now: number): readonly Delivery[] {
    let deliveries: Delivery[] | undefined;
    for (
      let leaf = this.#waiting.takeDue(now);
      leaf !== undefined;
      leaf = this.#waiting.takeDue(now)
    ) {
      const expired = leaf.kind === "call";
      deliveries ??= [];
      deliveries.push({ kind: "outcome", path: leaf.path, outcome: ownEnd(leaf.effect), expired });
    }
    return deliveries ?? none;
  }

  /** Delivers what has arrived, in this order, and drives the workflow until it waits again. */
  advance(deliveries: readonly Delivery[], facts: Facts): Turn {
    this.#facts = facts;
    const turn = new WorkflowTurn();
    this.#turn = turn;
    if (!this.#begun) this.#start();
    for (const delivery of deliveries) {
      if (!this.#deliver(delivery)) turn.refuse(delivery);
    }
    return turn.result(this.#done, this.#waiting.wakeAt());
  }

  /** The body has ended. */
  settled(_root: Node, how: Settlement): void {
    const isValue = how.kind === "value" && this.#closingAll === undefined;
    if (!isValue) return this.#undo(this.#brokenBy(how));
    const { value } = how;
    if (value === leaving && this.#continuation !== undefined)
      return this.#finish({ kind: "continued", input: this.#continuation.input });
    const refused = this.#refusedResult(value);
    if (refused === undefined) this.#finish({ kind: "completed", value });
    else this.#undo(this.#failedBy(refused.error));
  }

  /** A result that cannot be stored is a failure of the workflow, which a replay has to know of. */
  #refusedResult(value: unknown): { readonly error: unknown } | undefined {
    if (this.#recorded !== undefined) {
      const refused = this.#recorded.takeRefusedResult();
      if (refused !== undefined) this.number();
      return refused;
    }
    try {
      this.#turn.keepResult(this.encode(value, { kind: "result", path: resultPath }));
      return undefined;
    } catch (error) {
      const number = this.number();
      this.#turn.add({
        path: resultPath,
        kind: "result",
        reached: number,
        delivery: number,
        outcome: kept({ ok: false, error }),
      });
      return { error };
    }
  }

  #finish(done: Done): void {
    this.#done = done;
    this.#dropAll();
  }

  #dropAll(): void {
    for (const leaf of this.#waiting.all()) this.drop(leaf);
  }

  // ── ending otherwise than by a value ──

  #brokenBy(how: Settlement): Broken {
    switch (how.kind) {
      case "value":
        return { errors: [] };
      case "closed":
        if (this.#closingAll !== undefined) return { errors: [...(how.errors ?? [])] };
        return this.#failedBy(new CancelledError());
      case "error":
        return this.#failedBy(how.error);
      default:
        return how satisfies never;
    }
  }

  #failedBy(error: unknown): Broken {
    return { failure: { error, failedBy: this.#deliveryOf(error) }, errors: [] };
  }

  /** By U1. What is left of the body waits for nothing any more. */
  #undo(broken: Broken): void {
    this.#broken = broken;
    this.#brokenAt = this.#deliveries;
    this.#unwaited = 0;
    this.#dropAll();
    this.#forking?.forget();
    if (this.#undos === undefined || this.#undos.run()) this.undone();
  }

  undoing(undo: Undo, path: string, parent: Parent): Node {
    return this.#branches.undo(undo, path, parent);
  }

  undoFailed(path: string, error: unknown): void {
    this.#broken?.errors.push(error);
    const source = this.#sourceOf(error) ?? 0;
    this.#turn.failUndo({ path, error, failedBy: source > this.#brokenAt ? source : 0 });
  }

  /** What was thrown after the first error stands in its `errors`. */
  undone(): void {
    const { failure, errors } = this.#broken ?? { failure: undefined, errors: [] };
    const closing = this.#closingAll;
    if (closing !== undefined) {
      const first = failure === undefined ? [] : [failure.error];
      this.#finish({ kind: "closed", reason: closing.reason, errors: [...first, ...errors] });
    } else if (failure !== undefined) {
      if (!addErrors(failure.error, errors)) this.leaveUnheard(errors);
      this.#finish({ kind: "failed", ...failure });
    }
  }

  /** A body, or an undo step, that cannot be made to wait is ended. @throws any other error */
  #endRunaway(error: unknown): void {
    if (!(error instanceof Runaway)) throw error;
    this.#unwaited = 0;
    const reason = tooManyEffects();
    try {
      if (this.#broken !== undefined) {
        this.#dropAll();
        this.#undos?.giveUp(reason);
      } else if (this.#closingAll === undefined) {
        this.#undo({ failure: { error: reason, failedBy: this.#lastOutcome }, errors: [] });
      } else {
        this.#undo({ errors: [reason] });
      }
    } catch (another) {
      this.#endRunaway(another);
    }
  }

  #start(): void {
    const { middleware = none } = this.#options;
    if (middleware.length > 0) {
      this.#middleware = this.#stackOf(middleware);
      this.#turn.change(middlewareRecord(middleware));
    }
    this.#begin();
  }

  #stackOf(middleware: readonly Middleware[]): MiddlewareStack {
    return new MiddlewareStack(middleware, this, (effect, caller) => this.#enter(effect, caller));
  }

  #begin(): void {
    this.#begun = true;
    try {
      const how = this.#root.begin();
      if (how !== undefined) this.settled(this.#root, how);
      this.#doLater();
    } catch (error) {
      this.#endRunaway(error);
    }
  }

  // ── delivering ──

  #deliver(delivery: Delivery): boolean {
    if (this.#done !== undefined) return false;
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

  #deliverOutcome(delivery: Extract<Delivery, { kind: "outcome" }>): boolean {
    const leaf = this.#waiting.at(delivery.path);
    if (leaf === undefined) return false;
    const number = this.#nextDelivery();
    this.#turn.deliver(leaf, kept(delivery.outcome), number, delivery.tag);
    if (delivery.expired === true) this.#turn.cancel(leaf);
    if (delivery.records !== undefined) this.#answering.apply(delivery.records);
    this.#give(leaf, delivery.outcome, number);
    return true;
  }

  #give(leaf: Leaf, outcome: Outcome, number: number): void {
    this.#lastOutcome = number;
    this.#waiting.remove(leaf);
    if (!outcome.ok && typeof outcome.error === "object" && outcome.error !== null) {
      this.#thrown ??= new WeakMap();
      this.#thrown.set(outcome.error, number);
    }
    try {
      leaf.deliver(outcome);
      this.#doLater();
    } catch (error) {
      this.#endRunaway(error);
    }
  }

  #closeAll(delivery: Extract<Delivery, { kind: "cancel" }>): boolean {
    if (this.#closingAll !== undefined) return false;
    const number = this.#nextDelivery();
    const awaited =
      this.#broken === undefined
        ? delivery.awaited.filter((path) => this.#waiting.at(path) !== undefined)
        : none;
    this.#turn.add({
      path: cancelPath,
      kind: "cancel",
      reached: number,
      delivery: number,
      input: awaited,
      outcome: { ok: false, error: delivery.reason },
    });
    this.#closeRoot(delivery.reason, awaited);
    return true;
  }

  #closeRoot(reason: CancelledError | ExpiryError, awaited: readonly string[]): void {
    const closing: Closing = { reason, awaited: new Set(awaited) };
    this.#closingAll = closing;
    if (this.#broken !== undefined) return; // by U2
    try {
      const how = this.#root.close(closing);
      if (how !== undefined) this.settled(this.#root, how);
      this.#doLater();
    } catch (error) {
      this.#endRunaway(error);
    }
  }

  #endGrace(): boolean {
    const late = this.#waiting.late();
    if (late.length === 0) return false;
    const number = this.#nextDelivery();
    this.#turn.add({
      path: gracePath,
      kind: "grace",
      reached: number,
      delivery: number,
      outcome: { ok: true, value: undefined },
    });
    this.#giveUp(late);
    return true;
  }

  #giveUp(late: readonly Leaf[]): void {
    try {
      for (const leaf of late) {
        if (this.#waiting.has(leaf)) leaf.giveUp();
        this.#doLater();
      }
    } catch (error) {
      this.#endRunaway(error);
    }
  }

  #nextDelivery(): number {
    this.#unwaited = 0;
    return this.number();
  }

  number(): number {
    this.#deliveries += 1;
    return this.#deliveries;
  }

  /** No generator runs. */
  #doLater(): void {
    this.#forking?.settle(
      () => this.#done !== undefined,
      () => this.#waiting.size === 0,
    );
  }

  // ── entering effects ──

  waits(): void {
    this.#unwaited -= 1;
  }

  refuse(yielded: unknown): unknown {
    return this.#tooMany(false)?.error ?? notAnEffect(yielded);
  }

  tell(leaf: Leaf): void {
    this.#turn.cancel(leaf);
  }

  leaveUnheard(errors: readonly unknown[]): void {
    this.#turn.leaveUnheard(errors);
  }

  get #answering(): Answers {
    this.#answers ??= new Answers(this);
    return this.#answers;
  }

  get #forks(): Forking {
    this.#forking ??= new Forking();
    return this.#forking;
  }

  get #branches(): Composites {
    this.#composites ??= new Composites(this, this);
    return this.#composites;
  }

  decided(path: string, winner: string): void {
    const delivery = this.#deliveries;
    if (this.#recorded !== undefined) this.#recorded.takeWinner(path, winner, delivery);
    else this.#turn.add({ path, kind: "race", name: winner, reached: delivery, delivery });
  }

  /** Counts what may be answered at once. What waits for the host is let through past the limit: it is what the workflow should do. */
  #tooMany(mayWait: boolean): Refusal | undefined {
    this.#unwaited += 1;
    if (this.#unwaited <= maxUnwaitedEffects) return undefined;
    if (this.#unwaited > maxUnwaitedEffects + runawayEffects) throw new Runaway();
    return mayWait ? undefined : failed(tooManyEffects());
  }

  enter(effect: Effect<unknown>, caller: Caller): Node | Settlement {
    const middleware = this.#middleware;
    if (middleware !== undefined) {
      if (effect.kind === nextKind) return middleware.next(effect as NextEffect, caller);
      if (caller.handedOn !== true && !caller.aside)
        return (
          this.#tooMany(waitsForHost(effect as AnyEffect)) ?? middleware.around(effect, caller)
        );
      if (caller.pathless === true && !hasNoPath(effect)) return needsPath(effect);
    }
    return this.#enter(effect, caller);
  }

  #enter(effect: Effect<unknown>, frame: Caller): Node | Settlement {
    const known = effect as AnyEffect;
    this.#options.yielded?.(known, frame.place);
    // What comes through middleware has been counted before it.
    const refusal = frame.handedOn === true ? undefined : this.#tooMany(waitsForHost(known));
    if (refusal !== undefined) return refusal;
    switch (known.kind) {
      case "cancelled":
        return { kind: "value", value: frame.closing?.reason };
      case "counters.add":
      case "state.set":
      case "progress":
      case "patched":
        return this.#answering.remark(known);
      case "all":
      case "allSettled":
      case "race":
        return this.#branches.refuse(known) ?? this.#node(known, frame.nextPath(), frame);
      case "fork":
      case "shield":
      case "within":
        return this.#branches.refuse(known) ?? this.#scope(known, frame.nextPath(), frame);
      case "join":
      case "cancel":
        return this.#forks.on(known, frame.nextPath(), frame);
      case "compensate":
        return this.#register(known, frame);
      case "continueAsNew":
        return this.#continue(known, frame);
      default:
        return this.#node(known, frame.nextPath(), frame);
    }
  }

  /** The node of an effect that has a path. */
  #node(effect: AnyEffect, path: string, parent: Parent): Node | Settlement {
    if (path.length > maxPathLength) return nestedTooDeeply();
    switch (effect.kind) {
      case "now":
      case "random":
      case "uuid":
      case "counters.get":
      case "state.get":
        return this.#answering.question(effect, path);
      case "branch":
      case "all":
      case "allSettled":
      case "race":
        this.#recorded?.expectBranches(effect, path);
        return this.#branches.node(effect, path, parent);
      default:
        if (!waitsForHost(effect)) return notSupported(effect.kind);
        this.#order += 1;
        return new Leaf(path, entryKind(effect), effect, this.#order, parent, this);
    }
  }

  #scope(effect: ScopeEffect, path: string, caller: Caller): Node | Settlement {
    if (path.length > maxPathLength) return nestedTooDeeply();
    const branch = (parent: Parent): Node => this.#branches.single(effect, path, parent);
    switch (effect.kind) {
      case "fork":
        this.#recorded?.expectBranches(effect, path);
        return this.#forks.fork(path, caller, branch);
      case "shield":
        this.#recorded?.expectBranches(effect, path);
        return new Shield(caller, branch);
      case "within": {
        this.#order += 1;
        const order = this.#order;
        const timer = (parent: Parent): Node =>
          new Leaf(path, "within", effect, order, parent, this);
        return new Within(effect.duration, caller, this, { timer, branch });
      }
      default:
        return effect satisfies never;
    }
  }

  #register(effect: CompensateEffect, caller: Caller): Settlement {
    if (this.#broken !== undefined) return undoInUndo();
    const refusal = this.#branches.refuseUndo(effect);
    if (refusal !== undefined) return refusal;
    this.#undos ??= new UndoStack(this);
    this.#undos.push(effect.undo, caller.aside);
    return nothing;
  }

  /** The body is left as by a return; what it was given for the next run has an entry, which waits for nothing. */
  #continue(effect: ContinueAsNewEffect, caller: Caller): Settlement {
    const path = caller.nextPath();
    if ((caller.origin ?? caller) !== this.#root || this.#root.unwinding)
      return continuesElsewhere();
    const recorded = this.#recorded?.take(effect, "continueAsNew", path);
    let input: unknown;
    if (recorded === undefined) {
      try {
        input = this.encode(effect.args, { kind: "continueAsNew", path });
      } catch (error) {
        return this.#refused(effect, "continueAsNew", path, error);
      }
      this.#turn.add({ path, kind: "continueAsNew", effect, input, reached: this.#deliveries });
    } else if (isImmediate(recorded)) {
      return recordedAnswer(effect, recorded, this.number());
    } else {
      this.#compareInput(recorded, effect);
      ({ input } = recorded);
    }
    this.#continuation = { input };
    this.#root.leave(leaving);
    return nothing;
  }

  log(errors: readonly unknown[]): void {
    this.leaveUnheard(errors);
  }

  /** An error made here, by the delivery that is being given. */
  thrown(error: ExpiryError): void {
    this.#thrown ??= new WeakMap();
    this.#thrown.set(error, this.#deliveries);
  }

  schedule(leaf: Leaf): Settlement | undefined {
    const { effect, kind, path } = leaf;
    if (this.#recorded !== undefined)
      return this.#reschedule(leaf, this.#recorded.take(effect, kind, path));
    let input: unknown;
    try {
      input = this.encode(carried(effect), leaf);
    } catch (error) {
      return this.#refused(effect, kind, path, error);
    }
    const dueAt = dueTime(effect, this.#facts);
    const reached = this.#deliveries;
    const name = nameOf(effect);
    leaf.reached = reached;
    // Written out: there is one a step.
    this.#turn.schedule(
      leaf,
      name === undefined
        ? { path, kind, effect, input, dueAt, reached }
        : { path, kind, name, effect, input, dueAt, reached },
    );
    this.#waiting.add(leaf, dueAt);
    return undefined;
  }

  /** What it carries cannot be stored: the error is thrown at the yield, in replay too. */
  #refused(effect: AnyEffect, kind: EntryKind, path: string, error: unknown): Settlement {
    const number = this.number();
    this.#turn.add({
      path,
      kind,
      ...named(effect),
      effect,
      reached: number,
      delivery: number,
      outcome: kept({ ok: false, error }),
    });
    return failed(error);
  }

  #reschedule(leaf: Leaf, recorded: Entry): Settlement | undefined {
    if (isImmediate(recorded)) return recordedAnswer(leaf.effect, recorded, this.number());
    this.#compareInput(recorded, leaf.effect);
    if (recorded.outcome !== undefined && recorded.delivery === undefined)
      (this.#undelivered ??= []).push(recorded);
    leaf.reached = recorded.reached;
    this.#waiting.add(leaf, recorded.dueAt);
    return undefined;
  }

  drop(leaf: Leaf): void {
    this.#waiting.remove(leaf);
    this.#turn.cancel(leaf);
  }

  encode(value: unknown, entry: { readonly kind: EntryKind; readonly path: string }): unknown {
    return this.#facts.encode === undefined ? value : this.#facts.encode(value, entry);
  }

  // ── replay ──

  /** Brings it to where its journal ends. @throws NonDeterminismError */
  replay(recorded: Recorded): void {
    if (recorded.isEmpty) return;
    this.#recorded = recorded;
    const middleware = middlewareNamed(recorded.middleware, this.#options.middleware ?? none);
    if (middleware.length > 0) this.#middleware = this.#stackOf(middleware);
    this.#begin();
    for (const entry of recorded.deliveries) this.#redeliver(entry, recorded);
    recorded.expectNothingLeft();
    this.#recorded = undefined;
    this.#turn = new WorkflowTurn();
  }

  #redeliver(entry: Entry, recorded: Recorded): void {
    const number = this.#nextDelivery();
    if (number !== entry.delivery) throw recorded.outOfOrder(entry, number);
    if (entry.kind === "cancel") {
      recorded.takeEvent(entry);
      const reason = entry.outcome?.ok === false ? entry.outcome.error : undefined;
      this.#closeRoot(reason as CancelledError, entry.input as readonly string[]);
    } else if (entry.kind === "grace") {
      recorded.takeEvent(entry);
      this.#giveUp(this.#waiting.late());
    } else {
      const leaf = this.#waiting.at(entry.path);
      if (leaf === undefined || entry.outcome === undefined)
        throw recorded.outOfOrder(entry, number);
      this.#give(leaf, entry.outcome, number);
    }
  }

  #compareInput(recorded: Entry, effect: AnyEffect): void {
    if (this.#options.sameInput === undefined || this.#options.sameInput(recorded, effect)) return;
    throw otherInput(effect, recorded);
  }

  /** The delivery that left the workflow as this error: by identity, or in its chain of causes; else the last outcome. */
  #deliveryOf(error: unknown): number {
    const source = this.#sourceOf(error);
    if (source !== undefined) this.#failedByOutcome = true;
    return source ?? this.#lastOutcome;
  }

  #sourceOf(error: unknown): number | undefined {
    const seen = new Set<unknown>();
    for (
      let current: unknown = error;
      typeof current === "object" && current !== null && !seen.has(current);
    ) {
      const number = this.#thrown?.get(current);
      if (number !== undefined) return number;
      seen.add(current);
      current = "cause" in current ? current.cause : undefined;
    }
    return undefined;
  }
}

/** How the body has ended, where it was not by a value: `failure` unless it was closed; and what was thrown after that. */
interface Broken {
  readonly failure?: { readonly error: unknown; readonly failedBy: number };
  readonly errors: unknown[];
}

/** Thrown through the interpreter when a workflow cannot be made to wait. */
class Runaway extends Error {}

/** What a body gives that was left for its next run. */
const leaving = Symbol("continueAsNew");

const nothing: Settlement = { kind: "value", value: undefined };

const none: readonly never[] = [];

const noFacts: Facts = {
  now: () => 0,
  random: () => 0,
  uuid: () => "",
};
