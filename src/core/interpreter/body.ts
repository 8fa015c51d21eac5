import type { ContinueAsNewEffect } from "../effects/lineage.ts";
import type { CompensateEffect } from "../effects/scope.ts";
import type { Flow } from "../effects/effect.ts";
import { CancelledError, type ExpiryError } from "../errors.ts";
import { resultPath } from "../journal.ts";
import { addErrors } from "./closing-errors.ts";
import type { Entrance } from "./entrance.ts";
import { Frame, type Caller } from "./frame.ts";
import { kept } from "./kept.ts";
import {
  nothing,
  type Closing,
  type ForkOwner,
  type Node,
  type Parent,
  type Settlement,
} from "./node.ts";
import { continuesElsewhere, undoInUndo } from "./refusals.ts";
import type { RunState } from "./run-state.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Done } from "./turn.ts";
import { UndoStack, type Undo, type UndoHost } from "./undo.ts";

/** The workflow's own generator, its undo steps behind it, and how the run ends by them. */
export class Body implements Parent, UndoHost {
  readonly aside = false;
  readonly #state: RunState;
  readonly #scheduler: Scheduler;
  readonly #entrance: Entrance;
  readonly #root: Frame;
  #undos: UndoStack | undefined;
  #done: Done | undefined;
  #closing: Closing | undefined;
  #failedByOutcome = false;
  /** How it has ended, once its undo steps run. */
  #broken: Broken | undefined;
  /** How many deliveries there had been then. */
  #brokenAt = 0;
  /** What the next run is to begin with, once it was left for that. */
  #continuation: { readonly input: unknown } | undefined;

  constructor(generator: Flow<unknown>, state: RunState, scheduler: Scheduler, entrance: Entrance) {
    this.#state = state;
    this.#scheduler = scheduler;
    this.#entrance = entrance;
    this.#root = new Frame(entrance, generator, "", this);
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

  /** Of what runs beside the body, which is its undo steps: these are not interrupted, but may ask. */
  get closing(): Closing | undefined {
    return this.#broken === undefined ? undefined : this.#closing;
  }

  /** Why the whole execution is being closed, if it is. */
  get closingReason(): CancelledError | ExpiryError | undefined {
    return this.#closing?.reason;
  }

  /** It has ended, or was given up, and its undo steps run. */
  get isBroken(): boolean {
    return this.#broken !== undefined;
  }

  begin(): void {
    const how = this.#root.begin();
    if (how !== undefined) this.settled(this.#root, how);
  }

  /** The whole execution is closed. */
  close(closing: Closing): void {
    this.#closing = closing;
    if (this.#broken !== undefined) return; // by U2
    const how = this.#root.close(closing);
    if (how !== undefined) this.settled(this.#root, how);
  }

  settled(_root: Node, how: Settlement): void {
    const isValue = how.kind === "value" && this.#closing === undefined;
    if (!isValue) return this.#undo(this.#brokenBy(how));
    const { value } = how;
    if (value === leaving && this.#continuation !== undefined)
      return this.#finish({ kind: "continued", input: this.#continuation.input });
    const refused = this.#refusedResult(value);
    if (refused === undefined) this.#finish({ kind: "completed", value });
    else this.#undo(this.#failedBy(refused.error));
  }

  /** It, or the undo step that runs, cannot be made to wait. */
  giveUp(reason: Error): void {
    if (this.#broken !== undefined) {
      this.#scheduler.dropAll();
      this.#undos?.giveUp(reason);
    } else if (this.#closing === undefined) {
      this.#undo({ failure: { error: reason, failedBy: this.#state.sources.last }, errors: [] });
    } else {
      this.#undo({ errors: [reason] });
    }
  }

  /** Registers an undo step. */
  compensate(effect: CompensateEffect, caller: Caller): Settlement {
    if (this.#broken !== undefined) return undoInUndo();
    const refusal = this.#entrance.composites.refuseUndo(effect);
    if (refusal !== undefined) return refusal;
    this.#undos ??= new UndoStack(this);
    this.#undos.push(effect.undo, caller.aside);
    return nothing;
  }

  /** It is left as by a return. */
  continueAsNew(effect: ContinueAsNewEffect, caller: Caller): Settlement {
    const path = caller.nextPath();
    if ((caller.origin ?? caller) !== this.#root || this.#root.unwinding)
      return continuesElsewhere();
    const entered = this.#scheduler.enterNextRun(effect, path);
    if (!("input" in entered)) return entered;
    this.#continuation = entered;
    this.#root.leave(leaving);
    return nothing;
  }

  /** A result that cannot be stored is a failure of the workflow, which a replay has to know of. */
  #refusedResult(value: unknown): { readonly error: unknown } | undefined {
    const state = this.#state;
    if (state.recorded !== undefined) {
      const refused = state.recorded.takeRefusedResult();
      if (refused !== undefined) state.number();
      return refused;
    }
    const entry = { kind: "result", path: resultPath } as const;
    try {
      state.turn.keepResult(state.encode(value, entry));
      return undefined;
    } catch (error) {
      state.turn.answer(entry, kept({ ok: false, error }), state.number());
      return { error };
    }
  }

  #finish(done: Done): void {
    this.#done = done;
    this.#scheduler.dropAll();
  }

  // ── ending otherwise than by a value ──

  #brokenBy(how: Settlement): Broken {
    switch (how.kind) {
      case "value":
        return { errors: [] };
      case "closed":
        if (this.#closing !== undefined) return { errors: [...(how.errors ?? [])] };
        return this.#failedBy(new CancelledError());
      case "error":
        return this.#failedBy(how.error);
      default:
        return how satisfies never;
    }
  }

  /** The delivery that left the workflow as this error; else the last outcome. */
  #failedBy(error: unknown): Broken {
    const { sources } = this.#state;
    const source = sources.of(error);
    if (source !== undefined) this.#failedByOutcome = true;
    return { failure: { error, failedBy: source ?? sources.last }, errors: [] };
  }

  /** By U1. What is left of the body waits for nothing any more. */
  #undo(broken: Broken): void {
    this.#broken = broken;
    this.#brokenAt = this.#state.deliveries;
    this.#state.unwaited.reset();
    this.#scheduler.dropAll();
    this.#entrance.forgetForks();
    if (this.#undos === undefined || this.#undos.run()) this.undone();
  }

  undoing(undo: Undo, path: string, parent: Parent): Node {
    return this.#entrance.composites.undo(undo, path, parent);
  }

  undoFailed(path: string, error: unknown): void {
    this.#broken?.errors.push(error);
    const source = this.#state.sources.of(error) ?? 0;
    this.#state.turn.failUndo({ path, error, failedBy: source > this.#brokenAt ? source : 0 });
  }

  /** What was thrown after the first error stands in its `errors`. */
  undone(): void {
    const { failure, errors } = this.#broken ?? { failure: undefined, errors: [] };
    const closing = this.#closing;
    if (closing !== undefined) {
      const first = failure === undefined ? [] : [failure.error];
      this.#finish({ kind: "closed", reason: closing.reason, errors: [...first, ...errors] });
    } else if (failure !== undefined) {
      if (!addErrors(failure.error, errors)) this.#state.turn.leaveUnheard(errors);
      this.#finish({ kind: "failed", ...failure });
    }
  }
}

/** How the body has ended, where it was not by a value: `failure` unless it was closed; and what was thrown after that. */
interface Broken {
  readonly failure?: { readonly error: unknown; readonly failedBy: number };
  readonly errors: unknown[];
}

/** What a body gives that was left for its next run. */
const leaving = Symbol("continueAsNew");
