import { parseDuration, type Duration } from "./duration.ts";
import type {
  Activity,
  ActivityOptions,
  AnyDurable,
  Durable,
  Workflow,
  WorkflowOptions,
} from "./durable.ts";
import type { Flow } from "./effects/effect.ts";
import { overridesOf, setOverrides } from "./overrides.ts";
import { registerDefinition } from "./registry.ts";
import { mergeRetry, resolveRetry } from "./retry.ts";

const maxNameLength = 200;

// oxlint-disable-next-line typescript/no-explicit-any -- any function may become an activity; its types are read off it
type AnyFunction = (...args: any[]) => any;

/** An async function registered under a stable name. @throws TypeError, RangeError or InvalidDurationError for a bad name or option; DuplicateFunctionError */
export function activity<F extends AnyFunction>(
  name: string,
  fn: F,
): Activity<Parameters<F>, Awaited<ReturnType<F>>>;
export function activity<F extends AnyFunction>(
  name: string,
  options: ActivityOptions<Parameters<F>>,
  fn: F,
): Activity<Parameters<F>, Awaited<ReturnType<F>>>;
export function activity(
  name: string,
  ...rest: [AnyFunction] | [ActivityOptions<unknown[]>, AnyFunction]
): Activity<unknown[], unknown> {
  const [options, fn] = split<ActivityOptions<unknown[]>>("activity", name, rest);
  if (isGeneratorFunction(fn)) {
    throw new TypeError(
      `activity "${name}" is a generator function; a function that yields effects is a workflow: workflow("${name}", …)`,
    );
  }
  const defined = defineActivity(name, options, async (...args) => fn(...args) as unknown);
  bodies.set(defined, fn);
  registerDefinition(defined);
  return defined;
}

/** A generator function registered under a stable name. @throws TypeError, RangeError or InvalidDurationError for a bad name or option; DuplicateFunctionError */
export function workflow<A extends readonly unknown[], R>(
  name: string,
  fn: (...args: A) => Flow<R>,
): Workflow<A, R>;
export function workflow<A extends readonly unknown[], R, K extends readonly unknown[] = A>(
  name: string,
  options: WorkflowOptions<K>,
  fn: (...args: A) => Flow<R>,
): Workflow<A, R>;
export function workflow(
  name: string,
  ...rest: [AnyFunction] | [WorkflowOptions<unknown[]>, AnyFunction]
): Workflow<unknown[], unknown> {
  const [options, fn] = split<WorkflowOptions<unknown[]>>("workflow", name, rest);
  const defined = defineWorkflow(name, options, (...args) => fn(...args) as Flow<unknown>);
  registerDefinition(defined);
  return defined;
}

/** Where a function runs whose code is in other processes. */
export interface RemoteOptions {
  /** Default "workflow". */
  readonly kind?: "activity" | "workflow";
  readonly version?: string;
  readonly queue?: string;
  readonly tags?: readonly string[];
  readonly priority?: number;
}

/**
 * A function whose code is in other processes: dispatch or call it by name, typed by `remote<typeof order>("order", { queue: "orders" })`.
 * Calling it runs nothing and throws a TypeError. It is not registered here.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- every durable function has to fit
export function remote<F extends Durable<any, any>>(name: string, options: RemoteOptions = {}): F {
  const { kind = "workflow", ...rest } = options;
  const absent = (): never => {
    throw new TypeError(
      `"${name}" is remote: its code is in other processes; dispatch it, or yield* call(it, …) in a workflow`,
    );
  };
  checkName(kind, name);
  const defined =
    kind === "activity" ? defineActivity(name, rest, absent) : defineWorkflow(name, rest, absent);
  remotes.add(defined);
  return defined as AnyDurable as F;
}

/** The functions that `activity` was given, by what it made of them. */
const bodies = new WeakMap<AnyDurable, AnyFunction>();

/** An activity's own function: what it returns, and what it throws at once, is not made a promise here. */
export function bodyOf(
  fn: Activity<readonly unknown[], unknown>,
): (...args: readonly unknown[]) => unknown {
  return bodies.get(fn) ?? fn;
}

const remotes = new WeakSet<AnyDurable>();

/** True for functions made by `remote`, whose code is elsewhere. */
export function isRemote(fn: AnyDurable): boolean {
  return remotes.has(fn);
}

/** True for what `activity`, `workflow` and `remote` return, of this copy of the package or another. */
export function isDurable(value: unknown): value is AnyDurable {
  return (
    typeof value === "function" &&
    "functionName" in value &&
    "kind" in value &&
    (value.kind === "activity" || value.kind === "workflow")
  );
}

function defineActivity(
  name: string,
  options: ActivityOptions<unknown[]>,
  run: (...args: unknown[]) => Promise<unknown>,
): Activity<unknown[], unknown> {
  const checked = checkOptions("activity", name, options, [
    "timeout",
    "totalTimeout",
    "heartbeatTimeout",
  ]);
  const defined: Activity<unknown[], unknown> = Object.assign(
    (...args: unknown[]) => run(...args),
    {
      kind: "activity" as const,
      functionName: name,
      options: checked,
      with: (more: Parameters<Activity<unknown[], unknown>["with"]>[0]) => {
        const merged = defineActivity(name, merge(checked, more), run);
        setOverrides(merged, overridesOf(defined), more);
        if (isRemote(defined)) remotes.add(merged);
        return merged;
      },
    },
  );
  return seal(defined, name);
}

function defineWorkflow(
  name: string,
  options: WorkflowOptions<unknown[]>,
  body: (...args: unknown[]) => Flow<unknown>,
): Workflow<unknown[], unknown> {
  const checked = checkOptions("workflow", name, options, ["maxDuration"]);
  const defined: Workflow<unknown[], unknown> = Object.assign(
    (...args: unknown[]) => body(...args),
    {
      kind: "workflow" as const,
      functionName: name,
      options: checked,
      with: (more: Parameters<Workflow<unknown[], unknown>["with"]>[0]) => {
        const merged = defineWorkflow(name, merge(checked, more), body);
        setOverrides(merged, overridesOf(defined), more);
        if (isRemote(defined)) remotes.add(merged);
        return merged;
      },
    },
  );
  return seal(defined, name);
}

function seal<F extends AnyDurable>(fn: F, name: string): F {
  return Object.freeze(Object.defineProperty(fn, "name", { value: name }));
}

function merge<O extends ActivityOptions<unknown[]> & WorkflowOptions<unknown[]>>(
  base: O,
  more: object,
): O {
  const merged: O = { ...base, ...more };
  if (base.retry !== undefined && merged.retry !== undefined)
    merged.retry = mergeRetry(base.retry, merged.retry);
  return merged;
}

function split<O>(
  kind: string,
  name: string,
  rest: [AnyFunction] | [O, AnyFunction],
): [O, AnyFunction] {
  checkName(kind, name);
  const [options, fn] = rest.length === 1 ? [{} as O, rest[0]] : rest;
  if (typeof fn !== "function") {
    throw new TypeError(
      `${kind} "${name}" needs a function: ${kind}("${name}", options?, function)`,
    );
  }
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`the options of ${kind} "${name}" must be an object`);
  }
  return [options, fn];
}

function checkName(kind: string, name: unknown): void {
  if (typeof name !== "string" || name === "" || name.length > maxNameLength) {
    throw new TypeError(
      `the name of ${kind === "activity" ? "an activity" : "a workflow"} must be a string of 1 to ${maxNameLength} characters, got ${typeof name === "string" ? `${name.length} characters` : String(name)}`,
    );
  }
}

/** Every option checked where the author can see the mistake: at the definition. */
function checkOptions<O extends ActivityOptions<unknown[]> & WorkflowOptions<unknown[]>>(
  kind: string,
  name: string,
  options: O,
  durations: readonly ("timeout" | "totalTimeout" | "heartbeatTimeout" | "maxDuration")[],
): O {
  const where = `of ${kind} "${name}"`;
  resolveRetry(options.retry, 1);
  for (const key of durations) positive(options[key], `${key} ${where}`);
  if (options.queue !== undefined && (typeof options.queue !== "string" || options.queue === "")) {
    throw new TypeError(`queue ${where} must be a non-empty string`);
  }
  if (options.priority !== undefined && !Number.isSafeInteger(options.priority)) {
    throw new TypeError(
      `priority ${where} must be a whole number, got ${String(options.priority)}`,
    );
  }
  if (
    options.tags !== undefined &&
    !(
      Array.isArray(options.tags) &&
      options.tags.every((tag) => typeof tag === "string" && tag !== "")
    )
  ) {
    throw new TypeError(`tags ${where} must be an array of non-empty strings`);
  }
  if (
    options.version !== undefined &&
    (typeof options.version !== "string" || options.version === "")
  ) {
    throw new TypeError(`version ${where} must be a non-empty string`);
  }
  return Object.freeze({ ...options });
}

function positive(value: Duration | undefined, what: string): void {
  if (value !== undefined && parseDuration(value) === 0) {
    throw new RangeError(`${what} must be longer than 0; leave it out for none`);
  }
}

function isGeneratorFunction(fn: AnyFunction): boolean {
  return (
    Object.prototype.toString.call(fn) === "[object GeneratorFunction]" ||
    Object.prototype.toString.call(fn) === "[object AsyncGeneratorFunction]"
  );
}
