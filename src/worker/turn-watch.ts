import { monotonicMs } from "../runtime/clock.ts";
import type { TraceSpan } from "../observe/tracing.ts";
import type { WorkflowEvent } from "../observe/events.ts";
import type { Hold } from "./hold.ts";
import { storedOptions } from "./step-runner.ts";

/** A turn as the observer is told of it. There is one a turn, so none is made where nobody wants to know. */
export class TurnWatch {
  readonly #hold: Hold;
  readonly #startedAt = monotonicMs();
  readonly #queuedMs: number | undefined;
  readonly #span: TraceSpan | undefined;

  private constructor(hold: Hold) {
    const { execution, host } = hold;
    this.#hold = hold;
    // Of later runs it is not known since when they were due.
    const isFirst = execution.fresh && execution.run === 1;
    this.#queuedMs = isFirst
      ? Math.max(0, host.deps.clock.now() - Math.max(execution.notBefore, execution.createdAt))
      : undefined;
    if (host.deps.observer.traces) this.#span = this.#startSpan();
  }

  #startSpan(): TraceSpan | undefined {
    const { execution, host } = this.#hold;
    const { id, name, run, queue, options } = execution;
    return host.deps.observer.startSpan({
      kind: "turn",
      name,
      trace: storedOptions(options).trace,
      attributes: {
        "stent.execution.id": id,
        "stent.run": run,
        "stent.worker.id": host.workerId,
        ...(queue === undefined ? {} : { "stent.queue": queue }),
      },
    });
  }

  /** For what the turn asks for. */
  get trace(): string | undefined {
    return this.#span?.trace;
  }

  /** Begins what the turn asks for, as part of its span. */
  run(begin: () => void): void {
    if (this.#span === undefined) begin();
    else this.#span.run(begin);
  }

  static begin(hold: Hold): TurnWatch | undefined {
    return hold.host.deps.observer.watchesTurns ? new TurnWatch(hold) : undefined;
  }

  /** The turn is stored. `first`: it is the first one of its run here. */
  stored(first: boolean): void {
    const { observer } = this.#hold.host.deps;
    const event = workflowEvent(this.#hold);
    if (first && this.#queuedMs !== undefined)
      observer.emit({ type: "workflowStarted", ...event, queuedMs: this.#queuedMs });
    this.#span?.end({});
    observer.emit({ type: "turnCompleted", ...event, durationMs: monotonicMs() - this.#startedAt });
  }
}

/** Whose event it is. */
export function workflowEvent({ execution, host }: Hold): WorkflowEvent {
  return {
    step: execution.name,
    kind: "workflow",
    queue: execution.queue,
    workerId: host.workerId,
    executionId: execution.id,
  };
}
