import type { AnyEffect } from "../effects/any-effect.ts";
import type { Effect, Flow } from "../effects/effect.ts";
import type { CancelEffect, JoinEffect } from "../effects/fork.ts";
import type { StateSetEffect } from "../effects/record.ts";
import { CancelledError, type ExpiryError } from "../errors.ts";
import {
  cancelPath,
  gracePath,
  isImmediate,
  type Entry,
  type EntryKind,
  type Outcome,
} from "../journal.ts";
import { Composites, type CompositeHost, type ScopeEffect } from "./composites.ts";
import { otherInput, reordered } from "./divergence.ts";
import { carried, dueTime, entryKind, nameOf, ownEnd, waitsForHost } from "./effect-entry.ts";
import { CancelFork, closeLater, Fork, Join, type ForkHost, type ForkWait } from "./forks.ts";
import { Frame, type Caller, type Stage } from "./frame.ts";
import { kept } from "./kept.ts";
import { Leaf, type LeafHost } from "./leaf.ts";
import { Ledger } from "./ledger.ts";
import type { Closing, ForkOwner, Node, Parent, Settlement } from "./node.ts";
import type { Recorded } from "./recorded.ts";
import { Shield, Within } from "./scopes.ts";
import {
  failed,
  joinsItself,
  maxPathLength,
  maxUnwaitedEffects,
  nestedTooDeeply,
  noSuchTask,
  notSupported,
  tooManyEffects,
  waitsInCircle,
  type Refusal,
} from "./refusals.ts";
import type { Delivery, Done, Facts, Records, Turn } from "./turn.ts";
import { Waiting } from "./waiting.ts";
import { WorkflowTurn } from "./workflow-turn.ts";
import { notAnEffect } from "./yielded.ts";

/** How many more it may yield after that before it is ended without being asked. */
const runawayEffects = 1_000;

/** What the execution has beside its journal. */
export interface CoroutineOptions {
  /** Counters and state as they are now. */
  readonly counters?: ReadonlyMap<string, number>;
  readonly state?: ReadonlyMap<string, unknown>;
  /** On replay: also compare what an effect carries with what was recorded. Asked only of entries that have an input. @returns false for a difference. */
  readonly sameInput?: (recorded: Entry, effect: Effect<unknown>) => boolean;
}

/** What the interpreter does: the inside of a coroutine. One object, since there is one for every running workflow. */
export class Driver implements Parent, Stage, LeafHost, CompositeHost, ForkHost {
  readonly closing: undefined = undefined;
  readonly #root: Frame;
  readonly #options: CoroutineOptions;
  readonly #waiting = new Waiting();
  readonly #ledger: Ledger;
  #composites: Composites | undefined;
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
  /** In replay only. */
  #recorded: Recorded | undefined;
  readonly #undelivered: Entry[] = [];
  #forks: Map<string, Fork> | undefined;
  #forkWaits: Set<ForkWait> | undefined;
  /** What has to wait until no generator runs. */
  #later: (() => void)[] | undefined;
  /** Answers of `patched`, one an id and run. */
  #patches: Map<string, boolean> | undefined;

  constructor(generator: Flow<unknown>, options: CoroutineOptions) {
    this.#options = options;
    this.#ledger = new Ledger(options.counters, options.state);
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

  get ledger(): Ledger {
    return this.#ledger;
  }

  /** Why the whole execution is being closed, if it is. */
  get closingReason(): CancelledError | ExpiryError | undefined {
    return this.#closingAll?.reason;
  }

  /** After a replay: outcomes that the journal has, that were not delivered, and that are still waited for. */
  undelivered(): readonly Entry[] {
    return this.#undelivered.filter((entry) => this.#waiting.at(entry.path) !== undefined);
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
    if (!this.#begun) this.#begin();
    for (const delivery of deliveries) {
      if (!this.#deliver(delivery)) turn.refuse(delivery);
    }
    return turn.result(this.#done, this.#waiting.wakeAt());
  }

  /** The root has ended. */
  settled(_root: Node, how: Settlement): void {
    const closing = this.#closingAll;
    if (closing !== undefined) {
      this.#finish({
        kind: "closed",
        reason: closing.reason,
        errors: how.kind === "closed" ? (how.errors ?? []) : [],
      });
    } else if (how.kind === "value") {
      this.#finish({ kind: "completed", value: how.value });
    } else {
      const error = how.kind === "error" ? how.error : new CancelledError();
      this.#finish({ kind: "failed", error, failedBy: this.#deliveryOf(error) });
    }
  }

  #finish(done: Done): void {
    this.#done = done;
    for (const leaf of this.#waiting.all()) this.drop(leaf);
  }

  /** A workflow that cannot be made to wait is ended. @throws any other error */
  #endRunaway(error: unknown): void {
    if (!(error instanceof Runaway)) throw error;
    const closing = this.#closingAll;
    this.#finish(
      closing === undefined
        ? { kind: "failed", error: tooManyEffects(), failedBy: this.#lastOutcome }
        : { kind: "closed", reason: closing.reason, errors: [tooManyEffects()] },
    );
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
    if (delivery.records !== undefined) this.#apply(delivery.records);
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
    const awaited = delivery.awaited.filter((path) => this.#waiting.at(path) !== undefined);
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
    return this.#number();
  }

  #number(): number {
    this.#deliveries += 1;
    return this.#deliveries;
  }

  later(act: () => void): void {
    (this.#later ??= []).push(act);
  }

  get forkWaits(): Set<ForkWait> {
    return (this.#forkWaits ??= new Set());
  }

  #doLater(): void {
    do {
      for (
        let index = 0;
        index < (this.#later?.length ?? 0) && this.#done === undefined;
        index += 1
      )
        this.#later?.[index]?.();
      this.#later = undefined;
    } while (this.#resolvedDeadlock());
  }

  /** Branches that wait for one another's end would wait for ever: the one that closed the circle is told so. */
  #resolvedDeadlock(): boolean {
    if (this.#done !== undefined || this.#waiting.size > 0) return false;
    const last = [...(this.#forkWaits ?? [])].at(-1);
    if (last === undefined) return false;
    last.giveUp(waitsInCircle());
    return true;
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

  enter(effect: Effect<unknown>, frame: Caller): Node | Settlement {
    const known = effect as AnyEffect;
    const refusal = this.#tooMany(waitsForHost(known));
    if (refusal !== undefined) return refusal;
    switch (known.kind) {
      case "cancelled":
        return { kind: "value", value: frame.closing?.reason };
      case "counters.add":
        return this.#addToCounter(known.name, known.amount);
      case "state.set":
        return this.#setState(known);
      case "progress":
        return this.#tellProgress(known.detail);
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
        return this.#onFork(known, frame.nextPath(), frame);
      case "patched":
        return this.#isPatched(known.id);
      case "compensate":
      case "continueAsNew":
      case "transaction":
        return notSupported(known.kind);
      default:
        return this.#node(known, frame.nextPath(), frame);
    }
  }

  /** The node of an effect that has a path. */
  #node(effect: AnyEffect, path: string, parent: Parent): Node | Settlement {
    if (path.length > maxPathLength) return nestedTooDeeply();
    switch (effect.kind) {
      case "now":
        return this.#immediate(effect, path, () => this.#readClock());
      case "random":
        return this.#immediate(effect, path, () => same(this.#facts.random()));
      case "uuid":
        return this.#immediate(effect, path, () => same(this.#facts.uuid()));
      case "counters.get":
        return this.#immediate(effect, path, () =>
          same(this.#ledger.counters.get(effect.name) ?? 0),
        );
      case "state.get":
        return this.#immediate(effect, path, () => this.#readState(effect.name));
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
        return this.#fork(path, caller.owner, branch);
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

  #fork(path: string, owner: ForkOwner, branch: (parent: Parent) => Node): Settlement {
    const fork = new Fork(path, this, owner);
    this.#forks ??= new Map();
    this.#forks.set(path, fork);
    owner.forked(fork);
    fork.begin(branch(fork));
    return { kind: "value", value: Object.freeze({ id: path }) };
  }

  #onFork(effect: JoinEffect | CancelEffect, path: string, caller: Caller): Node | Settlement {
    const fork = this.#forks?.get(effect.task);
    if (fork === undefined) return noSuchTask(effect.kind, effect.task);
    if (effect.kind === "join") {
      return fork.contains(path) ? joinsItself() : new Join(fork, caller, this);
    }
    if (!fork.contains(path)) return new CancelFork(fork, caller, this);
    closeLater(fork, this);
    return nothing;
  }

  #isPatched(id: string): Settlement {
    this.#patches ??= new Map();
    const known = this.#patches.get(id);
    const answer = known ?? this.#recorded?.hasPatch(id) ?? true;
    this.#patches.set(id, answer);
    if (known === undefined && this.#recorded === undefined)
      this.#turn.change(this.#ledger.patch(id, this.#deliveries));
    return { kind: "value", value: answer };
  }

  log(errors: readonly unknown[]): void {
    this.leaveUnheard(errors);
  }

  /** An error made here, by the delivery that is being given. */
  thrown(error: ExpiryError): void {
    this.#thrown ??= new WeakMap();
    this.#thrown.set(error, this.#deliveries);
  }

  /** An effect that is answered at its yield (by J3). */
  #immediate(effect: AnyEffect, path: string, answer: () => Answer): Settlement {
    const kind = entryKind(effect);
    const recorded = this.#recorded?.take(effect, kind, path);
    const number = this.#number();
    if (recorded !== undefined) return recordedAnswer(effect, recorded, number);
    const { recorded: value, given } = answer();
    this.#turn.add({
      path,
      kind,
      ...named(effect),
      reached: number,
      delivery: number,
      outcome: { ok: true, value },
    });
    return { kind: "value", value: given };
  }

  /** The workflow may change the Date that it is given (by C4). */
  #readClock(): Answer {
    const now = this.#facts.now();
    return { recorded: new Date(now), given: new Date(now) };
  }

  /** The workflow may change the value that it is given (by C4). */
  #readState(name: string): Answer {
    const recorded = this.#ledger.state.get(name);
    if (typeof recorded !== "object" || recorded === null || this.#facts.decode === undefined)
      return same(recorded);
    const entry = { kind: "state.set", path: name } as const;
    return { recorded, given: this.#facts.decode(this.#encode(recorded, entry), entry) };
  }

  schedule(leaf: Leaf): Settlement | undefined {
    const { effect, kind, path } = leaf;
    if (this.#recorded !== undefined)
      return this.#reschedule(leaf, this.#recorded.take(effect, kind, path));
    let input: unknown;
    try {
      input = this.#encode(carried(effect), leaf);
    } catch (error) {
      const number = this.#number();
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

  #reschedule(leaf: Leaf, recorded: Entry): Settlement | undefined {
    if (isImmediate(recorded)) return recordedAnswer(leaf.effect, recorded, this.#number());
    this.#compareInput(recorded, leaf.effect);
    if (recorded.outcome !== undefined && recorded.delivery === undefined)
      this.#undelivered.push(recorded);
    leaf.reached = recorded.reached;
    this.#waiting.add(leaf, recorded.dueAt);
    return undefined;
  }

  drop(leaf: Leaf): void {
    this.#waiting.remove(leaf);
    this.#turn.cancel(leaf);
  }

  #encode(value: unknown, entry: { readonly kind: EntryKind; readonly path: string }): unknown {
    return this.#facts.encode === undefined ? value : this.#facts.encode(value, entry);
  }

  // ── counters, state, progress: in replay they have been applied already ──

  #addToCounter(name: string, amount: number): Settlement {
    if (this.#recorded === undefined)
      this.#turn.change(this.#ledger.add(name, amount, this.#deliveries));
    return nothing;
  }

  #setState({ name, value }: StateSetEffect): Settlement {
    const reached = this.#deliveries;
    const ordinal = this.#ledger.countSet(name, reached);
    if (this.#recorded !== undefined) {
      const refused = this.#recorded.refusal(name, reached, ordinal)?.outcome;
      return refused?.ok === false ? failed(refused.error) : nothing;
    }
    const entry = { kind: "state.set", path: name } as const;
    try {
      const encoded = this.#encode(value, entry);
      const decoded =
        this.#facts.decode === undefined ? encoded : this.#facts.decode(encoded, entry);
      this.#turn.change(this.#ledger.set(name, decoded, reached));
      return nothing;
    } catch (error) {
      this.#turn.change(this.#ledger.refuse(name, error, ordinal, reached));
      return failed(error);
    }
  }

  #tellProgress(detail: unknown): Settlement {
    if (this.#recorded === undefined)
      this.#turn.change(this.#ledger.tell(detail, this.#deliveries));
    return nothing;
  }

  #apply(records: Records): void {
    const reached = this.#deliveries;
    const turn = this.#turn;
    for (const [name, amount] of Object.entries(records.counters ?? {}))
      turn.change(this.#ledger.add(name, amount, reached));
    for (const [name, value] of Object.entries(records.state ?? {}))
      turn.change(this.#ledger.set(name, value, reached));
    for (const detail of records.progress ?? []) turn.change(this.#ledger.tell(detail, reached));
  }

  // ── replay ──

  /** Brings it to where its journal ends. @throws NonDeterminismError */
  replay(recorded: Recorded): void {
    if (recorded.isEmpty) return;
    this.#recorded = recorded;
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
    const seen = new Set<unknown>();
    for (
      let current: unknown = error;
      typeof current === "object" && current !== null && !seen.has(current);
    ) {
      const number = this.#thrown?.get(current);
      if (number !== undefined) {
        this.#failedByOutcome = true;
        return number;
      }
      seen.add(current);
      current = "cause" in current ? current.cause : undefined;
    }
    return this.#lastOutcome;
  }
}

/** Thrown through the interpreter when a workflow cannot be made to wait. */
class Runaway extends Error {}

/** An answer given at the yield: what the journal has of it, and what the workflow gets. */
interface Answer {
  readonly recorded: unknown;
  readonly given: unknown;
}

const nothing: Settlement = { kind: "value", value: undefined };

const none: readonly never[] = [];

const noFacts: Facts = {
  now: () => 0,
  random: () => 0,
  uuid: () => "",
};

function same(value: unknown): Answer {
  return { recorded: value, given: value };
}

function named(effect: AnyEffect): { readonly name?: string } {
  const name = nameOf(effect);
  return name === undefined ? {} : { name };
}

function recordedAnswer(effect: AnyEffect, recorded: Entry, number: number): Settlement {
  if (recorded.delivery !== number || recorded.outcome === undefined)
    throw reordered(effect, recorded, number);
  return recorded.outcome.ok
    ? { kind: "value", value: recorded.outcome.value }
    : failed(recorded.outcome.error);
}
