/**
 * What a dispatch stores. Everything that can be refused of it is refused here, before the database is asked for anything.
 */
import { isRemote } from "../core/define.ts";
import type { AnyDurable } from "../core/durable.ts";
import { parseDuration } from "../core/duration.ts";
import { assertDurable } from "../core/effects/call.ts";
import { UnregisteredFunctionError } from "../core/errors.ts";
import { gatesOf } from "../core/gates.ts";
import { overridesOf, type Overrides } from "../core/overrides.ts";
import type { PayloadCodec } from "../core/payload.ts";
import { inputPlace } from "../core/places.ts";
import type { FunctionRegistry } from "../core/registry.ts";
import { validate, type AnySchema } from "../core/schema.ts";
import { totalTimeoutOf, unqueued } from "../core/step-options.ts";
import { digest } from "../runtime/digest.ts";
import { newExecutionId } from "../runtime/ids.ts";
import type { NewExecution } from "../store/store.ts";
import type { ResolvedDispatch } from "../core/dispatch-options.ts";

/** @throws TypeError for what is no durable function; UnregisteredFunctionError;  */
export function checkDispatchable(registry: FunctionRegistry, fn: AnyDurable): void {
  assertDurable("dispatch", fn);
  if (!isRemote(fn) && registry.get(fn.functionName) === undefined) {
    throw new UnregisteredFunctionError(fn.functionName, registry.names());
  }
}

/**
 * The execution of a function that `checkDispatchable` has let through. `root` is what its arguments are called in messages.
 * @throws TypeError for arguments that are no array; ValidationError; SerializationError naming the part that cannot be stored.
 */
export async function newExecution(
  codec: PayloadCodec,
  fn: AnyDurable,
  args: unknown,
  options: ResolvedDispatch,
  root = "args",
): Promise<NewExecution> {
  if (!Array.isArray(args)) {
    throw new TypeError(
      `${root} of "${fn.functionName}" must be an array of its arguments, got ${args === null ? "null" : typeof args}`,
    );
  }
  const id = options.id ?? newExecutionId();
  const schema: AnySchema | undefined = fn.kind === "workflow" ? fn.options.input : undefined;
  const accepted =
    schema === undefined ? (args as readonly unknown[]) : await validated(schema, args, fn, root);
  const overrides = overridesOf(fn);
  const queue = options.queue ?? fn.options.queue;
  return {
    id,
    ownId: options.id === undefined,
    kind: fn.kind,
    name: fn.functionName,
    version: fn.kind === "workflow" ? fn.options.version : undefined,
    input: codec.encode(accepted, inputPlace(id), root),
    options: storedOptions(overrides, options.trace),
    queue: queue === unqueued ? undefined : queue,
    priority: options.priority ?? fn.options.priority ?? 0,
    tags: options.tags ?? fn.options.tags ?? [],
    delayMs: options.delayMs,
    maxDurationMs: options.maxDurationMs ?? maxDurationOf(fn),
    totalTimeoutMs: totalTimeoutOf(fn, overrides),
    gates: gatesOf(fn, accepted, digest),
  };
}

function storedOptions(
  overrides: Overrides | undefined,
  trace: string | undefined,
): string | undefined {
  if (trace !== undefined) return JSON.stringify({ ...overrides, trace });
  return overrides === undefined || Object.keys(overrides).length === 0
    ? undefined
    : JSON.stringify(overrides);
}

/** Encoding so many takes a moment each; others may go on in between. */
const encodedAtOnce = 1_000;

/** As `newExecution`, for many. @throws also TypeError for what is no list of argument lists */
export async function newExecutions(
  codec: PayloadCodec,
  fn: AnyDurable,
  args: unknown,
  options: ResolvedDispatch,
): Promise<NewExecution[]> {
  if (!Array.isArray(args)) {
    throw new TypeError(`dispatchMany takes an array of argument lists, got ${typeof args}`);
  }
  const executions: NewExecution[] = [];
  for (const [index, one] of (args as readonly unknown[]).entries()) {
    executions.push(await newExecution(codec, fn, one, options, `args[${index}]`));
    if (index % encodedAtOnce === encodedAtOnce - 1) {
      await new Promise<void>((resume) => {
        setImmediate(resume);
      });
    }
  }
  return executions;
}

async function validated(
  schema: AnySchema,
  args: readonly unknown[],
  fn: AnyDurable,
  root: string,
): Promise<readonly unknown[]> {
  const what = `the input of workflow "${fn.functionName}"${root === "args" ? "" : ` (${root})`}`;
  const accepted = await validate(schema, args, what);
  if (Array.isArray(accepted)) return accepted as readonly unknown[];
  throw new TypeError(
    `the schema of ${what} must put out the arguments tuple, not ${typeof accepted}`,
  );
}

function maxDurationOf(fn: AnyDurable): number | undefined {
  if (fn.kind !== "workflow" || fn.options.maxDuration === undefined) return undefined;
  return parseDuration(fn.options.maxDuration);
}
