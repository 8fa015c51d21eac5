import type { Durable } from "../core/durable.ts";
import { assertDurable } from "../core/effects/call.ts";

/** A stand-in for an activity or a child workflow; of `run` and `transaction` closures, see `mockClosure`. */
export interface Mock {
  readonly activity: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- typed where it is made
  readonly fn: (...args: any[]) => unknown;
  /** It stands in for a closure of that name. */
  readonly closure?: true;
}

/** A stand-in for this function, typed by it. It runs as an activity does: under the policy, with a `context()`. @throws TypeError */
export function mock<A extends readonly unknown[], R>(
  activity: Durable<A, R>,
  fn: NoInfer<(...args: A) => R | Promise<R>>,
): Mock {
  assertDurable("mock", activity);
  assertFunction("mock", fn);
  return Object.freeze({ activity: activity.functionName, fn });
}

/** A stand-in for what `run(name, …)` and `transaction(name, …)` would run. @throws TypeError */
export function mockClosure(name: string, fn: () => unknown): Mock {
  if (typeof name !== "string" || name === "")
    throw new TypeError('mockClosure takes a name and a function: mockClosure("post", () => 1)');
  assertFunction("mockClosure", fn);
  return Object.freeze({ activity: name, fn, closure: true });
}

/** Stand-ins by what they stand in for; of several for one, the last. */
export class Mocks {
  readonly #durables = new Map<string, Mock["fn"]>();
  readonly #closures = new Map<string, Mock["fn"]>();

  /** @throws TypeError for what is no list of stand-ins */
  constructor(mocks: readonly Mock[] = []) {
    if (!Array.isArray(mocks) || !mocks.every(isMock))
      throw new TypeError("mocks must be a list of stand-ins: mocks: [mock(activity, () => …)]");
    for (const { activity, fn, closure } of mocks)
      (closure === true ? this.#closures : this.#durables).set(activity, fn);
  }

  /** Of an activity or a workflow. */
  get(name: string): Mock["fn"] | undefined {
    return this.#durables.get(name);
  }

  closure(name: string): Mock["fn"] | undefined {
    return this.#closures.get(name);
  }
}

function isMock(value: unknown): value is Mock {
  if (typeof value !== "object" || value === null) return false;
  return "activity" in value && typeof value.activity === "string" && "fn" in value;
}

function assertFunction(what: string, fn: unknown): void {
  if (typeof fn !== "function")
    throw new TypeError(`${what} takes the function that stands in as its second argument`);
}
