import { checkCallOptions, checkDefinitionOptions } from "./definition-options.ts";
import type {
  Activity,
  ActivityOptions,
  AnyDurable,
  Durable,
  Workflow,
  WorkflowOptions,
} from "./durable.ts";
import type { Flow } from "./effects/effect.ts";
import { knownOptions, wordOption } from "./option.ts";
import { overridesOf, setOverrides } from "./overrides.ts";
import { registerDefinition } from "./registry.ts";
import { mergeRetry } from "./retry.ts";

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
  refuseWhatGivesPromises(name, fn);
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
  knownOptions(`remote "${name}"`, options, ["kind", "version", "queue", "tags", "priority"]);
  const { kind = "workflow", ...rest } = options;
  wordOption(`kind of remote "${name}"`, ["activity", "workflow"], kind);
  const absent = (): never => {
    throw new TypeError(
      `"${name}" is remote: its code is in other processes; dispatch it, or yield* call(it, …) in a workflow`,
    );
  };
  checkName(kind, name);
  checkDefinitionOptions(kind, name, rest);
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
  const defined: Activity<unknown[], unknown> = Object.assign(
    (...args: unknown[]) => run(...args),
    {
      kind: "activity" as const,
      functionName: name,
      options: Object.freeze({ ...options }),
      with: (more: Parameters<Activity<unknown[], unknown>["with"]>[0]) => {
        checkCallOptions("activity", name, more);
        const merged = defineActivity(name, merge(defined.options, more), run);
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
  const defined: Workflow<unknown[], unknown> = Object.assign(
    (...args: unknown[]) => body(...args),
    {
      kind: "workflow" as const,
      functionName: name,
      options: Object.freeze({ ...options }),
      with: (more: Parameters<Workflow<unknown[], unknown>["with"]>[0]) => {
        checkCallOptions("workflow", name, more);
        const merged = defineWorkflow(name, merge(defined.options, more), body);
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

/** What `more` leaves undefined stays. */
function merge<O extends ActivityOptions<unknown[]> & WorkflowOptions<unknown[]>>(
  base: O,
  more: object,
): O {
  const given = Object.entries(more).filter(([, value]) => value !== undefined);
  const merged: O = { ...base, ...Object.fromEntries(given) };
  if (base.retry !== undefined && merged.retry !== undefined)
    merged.retry = mergeRetry(base.retry, merged.retry);
  return merged;
}

function split<O>(
  kind: AnyDurable["kind"],
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
  checkDefinitionOptions(kind, name, options);
  return [options, fn];
}

function checkName(kind: string, name: unknown): void {
  if (typeof name !== "string" || name === "" || name.length > maxNameLength) {
    throw new TypeError(
      `the name of ${kind === "activity" ? "an activity" : "a workflow"} must be a string of 1 to ${maxNameLength} characters, got ${typeof name === "string" ? `${name.length} characters` : String(name)}`,
    );
  }
}

/**
 * What gives a promise can give no generator, and that an async function or an activity gives one is sure before it is called. Of any
 * other function it is not: one that returns a generator (a wrapper, compiled code) looks like one that does not.
 */
function refuseWhatGivesPromises(name: string, fn: AnyFunction): void {
  const tag = tagOf(fn);
  if (tag === "[object AsyncFunction]" || tag === "[object AsyncGeneratorFunction]") {
    throw new TypeError(
      `workflow "${name}" is an async ${tag === "[object AsyncFunction]" ? "" : "generator "}function; a workflow is a generator function, which yields where others await: ` +
        `workflow("${name}", function* (…) { … yield* call(…) … }). What awaits is an activity: activity("${name}", async (…) => …)`,
    );
  }
  if (isDurable(fn) && fn.kind === "activity") {
    throw new TypeError(
      `workflow "${name}" is the activity "${fn.functionName}"; a workflow that runs it is function* (…) { return yield* call(it, …); }`,
    );
  }
}

/** Compiled code may return generators without being one. */
export function isGeneratorFunction(fn: AnyFunction): boolean {
  const tag = tagOf(fn);
  return tag === "[object GeneratorFunction]" || tag === "[object AsyncGeneratorFunction]";
}

/** A bound function has its target's. */
function tagOf(fn: AnyFunction): string {
  return Object.prototype.toString.call(fn);
}
