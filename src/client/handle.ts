import type { SignalDefinition } from "../core/effects/signal.ts";
import type { Result } from "../core/result.ts";
import type { CancelOptions } from "./cancel.ts";
import type { ExecutionState } from "./execution-state.ts";
import type { WaitOptions } from "./wait.ts";

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
  /** `notSince`: nothing had ended it at this count of commits. */
  waitFor<R>(id: string, options?: WaitOptions, notSince?: number): Promise<Result<R>>;
  stateOf<R>(id: string): Promise<ExecutionState<R>>;
  // oxlint-disable-next-line typescript/no-explicit-any -- the receiver's type does not matter here
  sendSignal<In>(id: string, name: string | SignalDefinition<any, In>, payload: In): Promise<void>;
  cancel(id: string, options?: CancelOptions): Promise<void>;
}

/** A handle on an execution of that id, whether there is one or not. */
export class ClientHandle<R> implements ExecutionHandle<R> {
  readonly id: string;
  readonly #acts: HandleActs;
  readonly #notSince: number | undefined;

  /** `notSince`: nothing had ended it at this count of commits. */
  constructor(id: string, acts: HandleActs, notSince?: number) {
    this.id = id;
    this.#acts = acts;
    this.#notSince = notSince;
  }

  result(options?: WaitOptions): Promise<R> {
    return this.wait(options).then(unwrap);
  }

  wait(options?: WaitOptions): Promise<Result<R>> {
    return this.#acts.waitFor<R>(this.id, options, this.#notSince);
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
