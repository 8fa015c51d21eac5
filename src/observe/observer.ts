/**
 * Hands what happens to the user's logger and metrics.
 *
 *   O1  Nothing they do reaches the work: they are called and not awaited; what they throw, or reject with later, ends here (I13).
 *   O2  A hook that fails is named once, by the logger, or on stderr if it is the logger's; never again, or the noise would grow with the work.
 */
import type { EngineEvent, Logger, MetricsRecorder } from "./events.ts";
import { recordMetric } from "./record-metric.ts";
import { stderrLogger } from "./stderr-logger.ts";
import { HarmlessSpan, type SpanStart, type TraceSpan, type Tracing } from "./tracing.ts";

/** The user's hooks. Default logger: warnings and errors to stderr. */
export interface ObserverOptions {
  readonly logger?: Logger | undefined;
  readonly metrics?: MetricsRecorder | undefined;
  readonly tracing?: Tracing | undefined;
}

/** The one reader of events, and a logger that never throws. */
export class Observer {
  /** The user's logger, made harmless. */
  readonly log: Logger;
  /** Somebody wants to be told of turns; else nobody need measure them. */
  readonly watchesTurns: boolean;
  /** Spans are made. */
  get traces(): boolean {
    return this.#tracing !== undefined;
  }

  /** Somebody wants to be told of commits. */
  readonly watchesCommits: boolean;
  readonly #metrics: MetricsRecorder | undefined;
  readonly #tracing: Tracing | undefined;
  readonly #options: ObserverOptions;
  /** For events, which come several times a step and say themselves whose they are. */
  readonly #eventLog: Logger;
  readonly #failedHooks: Set<string>;

  /** `of`: the one whose events these are too; `log`: its logger, with more in each line. */
  constructor(options: ObserverOptions = {}, of?: Observer, log?: Logger) {
    this.#options = options;
    this.#eventLog =
      of === undefined ? harmlessLogger(options.logger ?? stderrLogger) : of.#eventLog;
    this.log = log ?? this.#eventLog;
    this.#failedHooks = of === undefined ? new Set() : of.#failedHooks;
    const { metrics, tracing } = options;
    this.#tracing = tracing;
    this.#metrics = metrics;
    this.watchesTurns =
      tracing !== undefined ||
      metrics?.turnCompleted !== undefined ||
      metrics?.workflowStarted !== undefined;
    this.watchesCommits = metrics?.batchCommitted !== undefined;
  }

  /** The same for one worker, whose id is in every line. */
  forWorker(workerId: string): Observer {
    return new Observer(this.#options, this, childLogger(this.log, { workerId }));
  }

  /** Begins a span that can do no harm; none where nobody traces. */
  startSpan(start: SpanStart): TraceSpan | undefined {
    const tracing = this.#tracing;
    if (tracing === undefined) return undefined;
    try {
      return new HarmlessSpan(tracing.start(start), (error) => this.#tracingFailed(error));
    } catch (error) {
      this.#tracingFailed(error);
      return undefined;
    }
  }

  #tracingFailed(error: unknown): void {
    if (this.#failedHooks.has("tracing")) return;
    this.#failedHooks.add("tracing"); // by O2
    this.log.warn("tracing failed; the work goes on, and this is not reported again", { error });
  }

  /** Tells the log and the metrics. Call it after the commit. */
  emit(event: EngineEvent): void {
    writeLine(this.#eventLog, event);
    const metrics = this.#metrics;
    if (metrics === undefined || event.type === "executionBlocked") return;
    callHarmlessly(
      () => recordMetric(metrics, event),
      (error) => {
        if (this.#failedHooks.has(event.type)) return;
        this.#failedHooks.add(event.type); // by O2
        this.log.warn(
          `the hook metrics.${event.type} failed; the work goes on, and this is not reported again`,
          { error },
        );
      },
    );
  }
}

/** A logger that adds these fields to every line; those of the line win. An error in place of fields stands under `error`. */
export function childLogger(logger: Logger, fields: object): Logger {
  return {
    debug: (message, own) => logger.debug(message, merge(fields, own)),
    info: (message, own) => logger.info(message, merge(fields, own)),
    warn: (message, own) => logger.warn(message, merge(fields, own)),
    error: (message, own) => logger.error(message, merge(fields, own)),
  };
}

function merge(fields: object, own: object | undefined): object {
  try {
    // What makes an error worth logging is not enumerable.
    return own instanceof Error ? { ...fields, error: own } : { ...fields, ...own };
  } catch {
    return fields; // a getter threw, and no line is worth the work (O1)
  }
}

function harmlessLogger(logger: Logger): Logger {
  const failed = new Set<string>();
  const report = (level: keyof Logger, error: unknown): void => {
    if (failed.has(level)) return;
    failed.add(level); // by O2
    callHarmlessly(
      () => stderrLogger.warn(`logger.${level} failed; this is not reported again`, { error }),
      () => undefined,
    );
  };
  const harmless =
    (level: keyof Logger) =>
    (message: string, fields?: object): void => {
      // Written out: this runs several times a step.
      try {
        const given: unknown =
          fields === undefined ? logger[level](message) : logger[level](message, fields);
        if (typeof given === "object" && given !== null) {
          void Promise.resolve(given).then(undefined, (error: unknown) => report(level, error));
        }
      } catch (error) {
        report(level, error);
      }
    };
  return {
    debug: harmless("debug"),
    info: harmless("info"),
    warn: harmless("warn"),
    error: harmless("error"),
  };
}

function writeLine(log: Logger, event: EngineEvent): void {
  switch (event.type) {
    case "taskClaimed":
      return log.debug("task claimed", event);
    case "taskCompleted":
      return log.debug("task completed", event);
    case "taskFailed":
      return log.info(event.retrying ? "task failed and is retried" : "task failed", event);
    case "deadLettered":
      return log.warn(`"${event.step}" became a dead letter: ${event.reason}`, event);
    case "workflowReplayed":
      return log.debug("workflow replayed", event);
    case "workflowStarted":
    case "turnCompleted":
    case "cacheMissed":
    case "batchCommitted":
      return; // numbers, not news
    case "leaseRenewed":
      return event.success
        ? log.debug("lease renewed", event)
        : log.warn(`worker ${event.workerId} could not renew its lease`, event);
    case "executionBlocked":
      return log.error(`an execution of "${event.workflow}" is blocked: ${event.reason}`, event);
    default:
      return event satisfies never;
  }
}

/** Calls a hook of the user's and goes on, whatever it does: throw, give a promise that is rejected, or one that never settles. */
function callHarmlessly(hook: () => unknown, onError: (error: unknown) => void): void {
  try {
    const given = hook();
    if (typeof given !== "object" || given === null) return;
    void Promise.resolve(given).then(undefined, onError);
  } catch (error) {
    onError(error);
  }
}
