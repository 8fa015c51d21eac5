import type { AnyDurable, Durable } from "../durable.ts";
import { resolveDispatchOptions, type DispatchOptions } from "../dispatch-options.ts";
import { overridesOf, type Overrides } from "../overrides.ts";
import { assertDurable, validated } from "./call.ts";
import { makeEffect, type Effect } from "./effect.ts";

/** Start a separate execution and go on. */
export interface DispatchEffect extends Effect<string> {
  readonly kind: "dispatch";
  readonly name: string;
  readonly args: readonly unknown[];
  readonly dispatchOptions?: DispatchOptions;
  readonly options?: Overrides;
  /** The function itself; not enumerable. */
  readonly fn: AnyDurable;
}
/** Whether this execution has the new code. */
export interface PatchedEffect extends Effect<boolean> {
  readonly kind: "patched";
  readonly id: string;
}
/** End this run and start the next. */
export interface ContinueAsNewEffect extends Effect<never> {
  readonly kind: "continueAsNew";
  readonly args: readonly unknown[];
}
/** Run a closure inside the transaction that journals its result. `fn` is not enumerable. */
export interface TransactionEffect<out R = unknown> extends Effect<R> {
  readonly kind: "transaction";
  readonly name: string;
  readonly fn: (tx: never) => R | Promise<R>;
}

/** Start a separate execution and do not wait for it. It inherits nothing and is not cancelled with this one. @returns its id. @throws ExecutionExistsError, ValidationError; TypeError for a wrong option */
export function dispatch<A extends readonly unknown[], R>(
  fn: Durable<A, R>,
  args: NoInfer<A>,
  options?: DispatchOptions,
): Effect<string> {
  assertDurable("dispatch", fn);
  if (options?.transaction !== undefined)
    throw new TypeError(
      "a workflow's dispatch commits with its step; the option transaction is for stent.dispatch",
    );
  resolveDispatchOptions(options); // refused where it is written
  const overrides = overridesOf(fn);
  return makeEffect<DispatchEffect>(
    {
      kind: "dispatch",
      name: fn.functionName,
      args: Object.freeze([...validated(fn, args)]),
      ...(options === undefined ? {} : { dispatchOptions: options }),
      ...(overrides === undefined ? {} : { options: overrides }),
    } as Omit<DispatchEffect, typeof Symbol.iterator>,
    { fn },
  );
}

/** true in executions that reached this point with the new code; false in those that had passed it before. One answer an id and run. */
export function patched(id: string): Effect<boolean> {
  return makeEffect<PatchedEffect>({ kind: "patched", id });
}

/** End this run and start the next with a fresh journal under the same execution id and the version registered last. */
export function continueAsNew(...args: unknown[]): Effect<never> {
  return makeEffect<ContinueAsNewEffect>({ kind: "continueAsNew", args: Object.freeze(args) });
}

/**
 * Run a closure inside the transaction that journals its result: what it writes to the backend's own database and the journal entry
 * commit together, so the write happens exactly once. `tx` is a Kysely transaction. Await nothing but it: a closure that waits for
 * anything else is rolled back with an error. What the closure throws rolls back and is thrown here; it is not retried.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- a Kysely transaction over the user's own tables
export function transaction<R>(name: string, fn: (tx: any) => R | Promise<R>): Effect<R> {
  if (typeof name !== "string" || name === "" || typeof fn !== "function") {
    throw new TypeError(
      'transaction takes a name and a closure: transaction("post", (tx) => tx.insertInto("ledger").values(…).execute())',
    );
  }
  return makeEffect<TransactionEffect<R>>(
    { kind: "transaction", name } as Omit<TransactionEffect<R>, typeof Symbol.iterator>,
    { fn },
  );
}
