import type { ResolvedDispatch } from "../core/dispatch-options.ts";
import type { AnyDurable } from "../core/durable.ts";
import type { Observer } from "../observe/observer.ts";

/** Dispatches within a span, from which those of what is dispatched go on. `idOf`: the execution's id, where it is one. */
export async function tracedDispatch<T>(
  observer: Observer,
  fn: AnyDurable,
  options: ResolvedDispatch,
  dispatch: (options: ResolvedDispatch) => Promise<T>,
  idOf?: (dispatched: T) => string,
): Promise<T> {
  const { functionName } = fn;
  const queue = options.queue ?? fn.options.queue;
  const attributes = queue === undefined ? {} : { "stent.queue": queue };
  const start = { kind: "dispatch" as const, name: functionName, trace: undefined, attributes };
  const span = observer.startSpan(start);
  if (span === undefined) return dispatch(options);
  try {
    const dispatched = await span.run(() => dispatch({ ...options, trace: span.trace }));
    span.end(idOf === undefined ? {} : { executionId: idOf(dispatched) });
    return dispatched;
  } catch (error) {
    span.end({ error });
    throw error;
  }
}
