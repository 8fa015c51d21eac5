import type { Activity, AnyDurable, Workflow } from "../core/durable.ts";
import { run } from "../core/effects/local.ts";
import type { Flow } from "../core/effects/effect.ts";
import { FunctionRegistry } from "../core/registry.ts";
import type { Mock, Mocks } from "./mock.ts";

/** A registry whose functions have stand-ins: under their names, with their options. What is registered later is there too. */
export class MockedRegistry extends FunctionRegistry {
  readonly #base: FunctionRegistry;
  readonly #mocks: Mocks;
  readonly #standIns = new WeakMap<AnyDurable, AnyDurable>();

  constructor(base: FunctionRegistry, mocks: Mocks) {
    super();
    this.#base = base;
    this.#mocks = mocks;
  }

  override register(fn: AnyDurable, replace?: boolean): void {
    this.#base.register(fn, replace);
  }

  override get(name: string, version?: string): AnyDurable | undefined {
    return this.#standInFor(this.#base.get(name, version));
  }

  override exact(name: string, version: string | undefined): AnyDurable | undefined {
    return this.#standInFor(this.#base.exact(name, version));
  }

  override names(): string[] {
    return this.#base.names();
  }

  override all(): AnyDurable[] {
    return this.#base.all().map((fn) => this.#standInFor(fn) ?? fn);
  }

  /** The same object each time: what is known of a function is known by it. */
  #standInFor(fn: AnyDurable | undefined): AnyDurable | undefined {
    const mocked = fn === undefined ? undefined : this.#mocks.get(fn.functionName);
    if (fn === undefined || mocked === undefined) return fn;
    const standIn =
      this.#standIns.get(fn) ??
      (fn.kind === "activity" ? activityOf(fn, mocked) : workflowOf(fn, mocked));
    this.#standIns.set(fn, standIn);
    return standIn;
  }
}

function activityOf(activity: Activity<unknown[], unknown>, mocked: Mock["fn"]): AnyDurable {
  const { kind, functionName, options } = activity;
  const fn = async (...args: unknown[]): Promise<unknown> => mocked(...args);
  return Object.assign(fn, { kind, functionName, options, with: activity.with.bind(activity) });
}

/** A child that is one step. */
function workflowOf(workflow: Workflow<unknown[], unknown>, mocked: Mock["fn"]): AnyDurable {
  const { kind, functionName, options } = workflow;
  const fn = function* (...args: unknown[]): Flow<unknown> {
    return yield* run("stand-in", () => mocked(...args));
  };
  return Object.assign(fn, { kind, functionName, options, with: workflow.with.bind(workflow) });
}
