import type { ActivityOptions, AnyDurable, CallOptions, WorkflowOptions } from "./durable.ts";
import { parseDuration } from "./duration.ts";
import { retryToData, type RetryData } from "./retry.ts";

/** What `with` puts on one place of call, as data that travels with the call. Durations in milliseconds. */
export interface Overrides {
  readonly queue?: string;
  readonly priority?: number;
  readonly tags?: readonly string[];
  readonly retry?: RetryData;
  readonly version?: string;
  readonly timeout?: number;
  readonly totalTimeout?: number;
  readonly heartbeatTimeout?: number;
  readonly maxDuration?: number;
}

type AnyCallOptions = CallOptions<ActivityOptions<never>> & CallOptions<WorkflowOptions<never>>;

const overridesOfFunction = new WeakMap<AnyDurable, Overrides>();

/** What was set on this function object by `with`; undefined for the function as it was defined. */
export function overridesOf(fn: AnyDurable): Overrides | undefined {
  return overridesOfFunction.get(fn);
}

/** Remembers on `fn` what `with` set: the options of an earlier `with`, under those of this one. @throws TypeError, InvalidDurationError */
export function setOverrides(
  fn: AnyDurable,
  earlier: Overrides | undefined,
  options: AnyCallOptions,
): void {
  overridesOfFunction.set(fn, Object.freeze({ ...earlier, ...toOverrides(options) }));
}

function toOverrides(options: AnyCallOptions): Overrides {
  return {
    ...(options.queue === undefined ? {} : { queue: options.queue }),
    ...(options.priority === undefined ? {} : { priority: options.priority }),
    ...(options.tags === undefined ? {} : { tags: options.tags }),
    ...(options.retry === undefined ? {} : { retry: retryToData(options.retry) }),
    ...(options.version === undefined ? {} : { version: options.version }),
    ...duration("timeout", options.timeout),
    ...duration("totalTimeout", options.totalTimeout),
    ...duration("heartbeatTimeout", options.heartbeatTimeout),
    ...duration("maxDuration", options.maxDuration),
  };
}

function duration(name: string, value: Parameters<typeof parseDuration>[0] | undefined): object {
  return value === undefined ? {} : { [name]: parseDuration(value) };
}
