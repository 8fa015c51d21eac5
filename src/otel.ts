/** Spans for OpenTelemetry. */
import {
  context,
  createTraceState,
  isSpanContextValid,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type SpanContext,
  type Tracer,
  type TracerProvider,
} from "@opentelemetry/api";
import { knownOptions, show } from "./core/option.ts";
import type { SpanStart, TraceSpan, Tracing } from "./observe/tracing.ts";

/** How `otel` works. */
export interface OtelOptions {
  /** Where spans go; default: the provider that is registered with the API. */
  tracerProvider?: TracerProvider;
}

/** For the option `tracing` of a Stent. @throws TypeError naming the option */
export function otel(options: OtelOptions = {}): Tracing {
  knownOptions("otel", options, ["tracerProvider"]);
  const { tracerProvider } = options;
  if (tracerProvider !== undefined && typeof tracerProvider.getTracer !== "function")
    throw new TypeError(`tracerProvider must have getTracer, got ${show(tracerProvider)}`);
  const tracer = (tracerProvider ?? trace).getTracer("stentjs");
  return { start: (span) => startSpan(tracer, span) };
}

const kinds = {
  dispatch: SpanKind.PRODUCER,
  turn: SpanKind.CONSUMER,
  activity: SpanKind.CONSUMER,
} as const;

function startSpan(tracer: Tracer, { kind, name, trace: from, attributes }: SpanStart): TraceSpan {
  const parent = kind === "dispatch" && from === undefined ? context.active() : contextOf(from);
  const span = tracer.startSpan(
    `${kind} ${name}`,
    { kind: kinds[kind], attributes: { "stent.function": name, ...attributes } },
    parent,
  );
  const inside = trace.setSpan(parent, span);
  return {
    trace: textOf(span.spanContext()),
    run: (fn) => context.with(inside, fn),
    end({ error, executionId }) {
      if (executionId !== undefined) span.setAttribute("stent.execution.id", executionId);
      if (error !== undefined) {
        const { name: errorName, message } =
          error instanceof Error ? error : new Error(show(error));
        span.recordException({ name: errorName, message });
        span.setStatus({ code: SpanStatusCode.ERROR, message: `${errorName}: ${message}` });
      }
      span.end();
    },
  };
}

/** As W3C has it: traceparent, and behind a space the tracestate if there is one. By hand, since a process may have registered another propagator, or none. */
function textOf(of: SpanContext): string | undefined {
  if (!isSpanContextValid(of)) return undefined;
  const flags = of.traceFlags.toString(16).padStart(2, "0");
  const state = of.traceState?.serialize();
  const parent = `00-${of.traceId}-${of.spanId}-${flags}`;
  return state === undefined || state === "" ? parent : `${parent} ${state}`;
}

/** Not what is active here: that may be the request in which another execution was dispatched. */
function contextOf(text: string | undefined): Context {
  const found = /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?: (.*))?$/.exec(text ?? "");
  if (found === null) return ROOT_CONTEXT;
  const [, traceId = "", spanId = "", flags = "", state] = found;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
    ...(state === undefined ? {} : { traceState: createTraceState(state) }),
  });
}
