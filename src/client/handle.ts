import type { SignalDefinition } from "../core/effects/signal.ts";
import type { Result } from "../core/result.ts";
import type { CancelOptions } from "./cancel.ts";
import type { ExecutionState } from "./execution-state.ts";
import type { Unended, WaitOptions } from "./wait.ts";

/** One execution, to be waited for, looked at and told things. */
export interface ExecutionHandle<R> {
  readonly id: string;
  /** @throws the execution's error; ExpiryError if it takes longer than `timeout`. */
  result(options?: WaitOptions): Promise<R>;
  wait(options?: WaitOptions): Promise<Result<R>>;
  state(): Promise<ExecutionState<R>>;
  // oxlint-disable-next-line typescript/no-explicit-any -- the receiver's type does not matter here
  signal<In>(name: string | SignalDefinition<any, In>, payload: In): Promise<void>;
  cancel(reason?: string): Promise<void>;
  /** The id. */
  toString(): string;
}

/** What a handle asks its client to do. */
export interface HandleActs {
  /** `unended`: when it is known not to have ended. */
  waitFor<R>(id: string, options?: WaitOptions, unended?: Unended): Promise<Result<R>>;
  stateOf<R>(id: string): Promise<ExecutionState<R>>;
  // oxlint-disable-next-line typescript/no-explicit-any -- the receiver's type does not matter here
  sendSignal<In>(id: string, name: string | SignalDefinition<any, In>, payload: In): Promise<void>;
  cancel(id: string, options?: CancelOptions): Promise<void>;
}

/** A handle on an execution of that id, whether there is one or not. */
export class ClientHandle<R> implements ExecutionHandle<R> {
  readonly id: string;
  readonly #acts: HandleActs;
  readonly #unended: Unended | undefined;

  /** `unended`: when it is known not to have ended. */
  constructor(id: string, acts: HandleActs, unended?: Unended) {
    this.id = id;
    this.#acts = acts;
    this.#unended = unended;
  }

  result(options?: WaitOptions): Promise<R> {
    return this.wait(options).then(unwrap);
  }

  wait(options?: WaitOptions): Promise<Result<R>> {
    return this.#acts.waitFor<R>(this.id, options, this.#unended);
  }

  state(): Promise<ExecutionState<R>> {
    return this.#acts.stateOf<R>(this.id);
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- the receiver's type does not matter here
  signal<In>(name: string | SignalDefinition<any, In>, payload: In): Promise<void> {
    return this.#acts.sendSignal(this.id, name, payload);
  }

  cancel(reason?: string): Promise<void> {
    return this.#acts.cancel(this.id, reason === undefined ? {} : { reason });
  }

  toString(): string {
    return this.id;
  }
}

function unwrap<R>(result: Result<R>): R {
  return result.unwrap();
}
