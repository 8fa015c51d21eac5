/**
 * What an activity's code is told of the attempt that runs it, and what it may leave behind.
 *
 *   X1  Counters, state and progress count only if the attempt succeeds: they are collected here and handed over with its value.
 *   X2  After the attempt has ended or was given up they refuse: what could not count must not seem to.
 *   X3  An attempt that asks for nothing costs nothing: the context, its AbortSignal and the records are made when they are first used.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { NoContextError } from "../core/errors.ts";
import { TurnoverMap } from "../core/turnover-map.ts";
import type { Records } from "../core/interpreter/turn.ts";
import type { Logger } from "../observe/events.ts";
import { childLogger } from "../observe/observer.ts";

/** What an activity knows of the attempt that runs it. Its methods may be taken out of it. */
export interface ActivityContext {
  readonly executionId: string;
  readonly taskId: string;
  readonly functionName: string;
  /** 1 for the first. */
  readonly attempt: number;
  /** The same for every attempt of this step, another for every run of the execution: hand it to the service you call. */
  readonly idempotencyKey: string;
  /** Fires with the reason CancelledError, ExpiryError (ATTEMPT_TIMED_OUT, or EXECUTION_TIMED_OUT), LeaseLostError or DrainError. */
  readonly signal: AbortSignal;
  /** Says that the attempt is alive, and how far it is: the next attempt finds the details as `lastHeartbeat`. Never throws. */
  heartbeat(this: void, details?: unknown): void;
  /** The details of the last heartbeat of the attempts before this one; undefined if there was none. */
  readonly lastHeartbeat: unknown;
  /** Counters of the execution. @throws RangeError for no finite number; NoContextError after the attempt's end. */
  readonly counters: { add(this: void, name: string, amount?: number): void };
  /** The execution's own state; the value is stored as it is when the attempt succeeds. @throws NoContextError after the attempt's end. */
  readonly state: { set(this: void, key: string, value: unknown): void };
  /** An entry of `stateOf().progress`. @throws NoContextError after the attempt's end. */
  progress(this: void, detail: string): void;
  /** The logger, with the execution, task, function and attempt in every line. */
  readonly log: Logger;
}

/** What an activity may ask for about its attempt. */
export interface AttemptFacts {
  readonly executionId: string;
  readonly taskId: string;
  readonly idempotencyKey: string;
  readonly functionName: string;
  readonly attempt: number;
  readonly lastHeartbeat: unknown;
  /** One that never throws: an Observer's, or a child of it. */
  readonly logger: Logger;
}

/** Where the heartbeats of an attempt go. */
export interface HeartbeatListener {
  heartbeat(details: unknown): void;
}

/** Code of the user's that is no activity: the body of a workflow, a `run` closure. */
export interface OtherCode {
  /** "workflow "order"". */
  readonly title: string;
  readonly executionId: string;
}

/** The state of this module, which has to be one a process: whose code is running. */
const storage = new AsyncLocalStorage<AttemptScope | OtherCode>();
const running = new TurnoverMap<number, AttemptScope>();
let attempts = 0;
/** Functions of which an attempt has ended since `takeActive`. */
const endedSince = new Set<string>();

/** An attempt may tell this much progress; of more, the newest are kept. */
const maxProgress = 1_000;

/**
 * The attempt inside which this is called. @throws NoContextError elsewhere: outside activities, in workflows, and in what an activity
 * has left running after its end.
 */
export function context(): ActivityContext {
  const scope = storage.getStore();
  if (!(scope instanceof AttemptScope)) throw new NoContextError();
  return scope.open();
}

/** To whom the code that runs now belongs: an attempt, ended or not, or code that is no activity. */
export function currentOwner(): AttemptScope | OtherCode | undefined {
  return storage.getStore();
}

/** Runs code that is no activity as its own. */
export function runAs<A extends unknown[], R>(
  owner: OtherCode,
  fn: (...args: A) => R,
  ...args: A
): R {
  return storage.run(owner, fn, ...args);
}

/** The attempts of this process whose functions run and count, in the order of their start. */
export function runningScopes(): Iterable<AttemptScope> {
  return running.values();
}

/** Names of the functions of which an attempt runs, or has run since this was asked last: who blocks the event loop has ended when it is free again. */
export function takeActive(): readonly string[] {
  const names = new Set(endedSince);
  endedSince.clear();
  for (const scope of running.values()) names.add(scope.functionName);
  return [...names];
}

/** One attempt as its function sees it: everything that the function's code does belongs to it, wherever it awaits. */
export class AttemptScope {
  readonly executionId: string;
  readonly taskId: string;
  readonly functionName: string;
  readonly attempt: number;
  readonly idempotencyKey: string;
  readonly lastHeartbeat: unknown;
  readonly #logger: Logger;
  #heartbeats: HeartbeatListener | undefined;
  readonly #number = attempts++;
  #phase: "running" | "givenUp" | "ended" = "running";
  #abortReason: Error | undefined;
  #controller: AbortController | undefined;
  #context: ActivityContext | undefined;
  #counters: Map<string, number> | undefined;
  #state: Map<string, unknown> | undefined;
  #progress: string[] | undefined;

  constructor(facts: AttemptFacts, heartbeats: HeartbeatListener) {
    // Copied: whatever an activity creates and keeps, a connection say, keeps this scope too, and should not keep the arguments as well.
    this.executionId = facts.executionId;
    this.taskId = facts.taskId;
    this.functionName = facts.functionName;
    this.attempt = facts.attempt;
    this.idempotencyKey = facts.idempotencyKey;
    this.lastHeartbeat = facts.lastHeartbeat;
    this.#logger = facts.logger;
    this.#heartbeats = heartbeats;
  }

  /** Runs the attempt's function as the code of this scope. */
  run<R>(fn: (...args: readonly unknown[]) => R, args: readonly unknown[]): R {
    running.set(this.#number, this);
    return storage.run(this, fn, ...args);
  }

  /** Why the attempt was told to stop; undefined if it was not. */
  get abortReason(): Error | undefined {
    return this.#abortReason;
  }

  /** Fires the AbortSignal, for those who have asked for it and those who will. The first reason stands. */
  abort(reason: Error): void {
    if (this.#abortReason !== undefined) return;
    this.#abortReason = reason;
    // What listens is the function's code.
    const controller = this.#controller;
    if (controller !== undefined) storage.run(this, () => controller.abort(reason));
  }

  /** The attempt no longer counts, though its function goes on. @returns false if it had ended, or was given up before. */
  giveUp(): boolean {
    if (this.#phase !== "running") return false;
    this.#phase = "givenUp";
    this.#letGo();
    return true;
  }

  /** The function has settled. @returns what it has left in counters, state and progress. */
  end(): Records | undefined {
    this.#phase = "ended";
    const [counters, state, progress] = [this.#counters, this.#state, this.#progress];
    this.#letGo();
    if (counters === undefined && state === undefined && progress === undefined) return undefined;
    return {
      ...(counters === undefined ? {} : { counters: Object.fromEntries(counters) }),
      ...(state === undefined ? {} : { state: Object.fromEntries(state) }),
      ...(progress === undefined ? {} : { progress }),
    };
  }

  #letGo(): void {
    running.take(this.#number);
    endedSince.add(this.functionName);
    this.#heartbeats = undefined;
    this.#counters = undefined;
    this.#state = undefined;
    this.#progress = undefined;
  }

  /** The context, for code of this scope. @throws NoContextError when the function has settled. */
  open(): ActivityContext {
    if (this.#phase === "ended") {
      throw new NoContextError(
        `context() was called by what ${this.#title} left running when it ended; await everything that the activity starts`,
      );
    }
    return (this.#context ??= new ScopeContext(this));
  }

  /** The logger with this attempt's fields. */
  get log(): Logger {
    const { executionId, taskId, functionName, attempt } = this;
    return childLogger(this.#logger, { executionId, taskId, functionName, attempt });
  }

  /** What `abort` fires. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  /** No effect after the end, and no error: where it is called from a forgotten interval, a throw would end the process. */
  heartbeat(details: unknown): void {
    this.#heartbeats?.heartbeat(details);
  }

  /** For `context().counters.add`. */
  addToCounter(name: string, amount: number): void {
    this.#refuseAfterEnd("counters.add()");
    checkName(name);
    if (typeof amount !== "number" || !Number.isFinite(amount)) {
      throw new RangeError(
        `a counter can only be changed by a finite number, got ${String(amount)}`,
      );
    }
    this.#counters ??= new Map();
    this.#counters.set(name, (this.#counters.get(name) ?? 0) + amount);
  }

  /** For `context().state.set`. */
  setState(key: string, value: unknown): void {
    this.#refuseAfterEnd("state.set()");
    checkName(key);
    this.#state ??= new Map();
    this.#state.set(key, value);
  }

  /** For `context().progress`. */
  addProgress(detail: unknown): void {
    this.#refuseAfterEnd("progress()");
    this.#progress ??= [];
    this.#progress.push(String(detail));
    if (this.#progress.length > maxProgress) this.#progress.shift();
  }

  /** By X2. */
  #refuseAfterEnd(what: string): void {
    if (this.#phase === "running") return;
    throw new NoContextError(
      this.#phase === "ended"
        ? `${what} was called after the end of ${this.#title}; await everything that the activity starts`
        : `${what} was called after ${this.#title} had been given up (${this.#abortReason?.message ?? "it was abandoned"}): ` +
            `what it still does counts for nothing. End the activity when context().signal fires.`,
    );
  }

  get #title(): string {
    return `attempt ${this.attempt} of activity "${this.functionName}" (execution ${this.executionId})`;
  }
}

/**
 * The scope as its code sees it. Its methods are closures, so that `const { heartbeat } = context()` works; a class, because an object
 * literal with getters takes 2 µs more.
 */
class ScopeContext implements ActivityContext {
  readonly executionId: string;
  readonly taskId: string;
  readonly functionName: string;
  readonly attempt: number;
  readonly idempotencyKey: string;
  readonly lastHeartbeat: unknown;
  readonly heartbeat: ActivityContext["heartbeat"];
  readonly counters: ActivityContext["counters"];
  readonly state: ActivityContext["state"];
  readonly progress: ActivityContext["progress"];
  readonly #scope: AttemptScope;
  #log: Logger | undefined;

  constructor(scope: AttemptScope) {
    this.#scope = scope;
    this.executionId = scope.executionId;
    this.taskId = scope.taskId;
    this.functionName = scope.functionName;
    this.attempt = scope.attempt;
    this.idempotencyKey = scope.idempotencyKey;
    this.lastHeartbeat = scope.lastHeartbeat;
    this.heartbeat = (details) => scope.heartbeat(details);
    this.counters = { add: (name, amount = 1) => scope.addToCounter(name, amount) };
    this.state = { set: (key, value) => scope.setState(key, value) };
    this.progress = (detail) => scope.addProgress(detail);
  }

  get signal(): AbortSignal {
    return this.#scope.signal;
  }

  get log(): Logger {
    return (this.#log ??= this.#scope.log);
  }
}

function checkName(name: string): void {
  if (typeof name === "string" && name !== "") return;
  throw new TypeError("counters and state need a name: a non-empty string");
}
