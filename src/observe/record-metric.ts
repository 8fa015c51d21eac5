import type { EngineEvent, MetricsRecorder, StepMetric, WorkflowEvent } from "./events.ts";

/** What metrics are told of. */
export type MetricEvent = Exclude<EngineEvent, { type: "executionBlocked" }>;

/** Tells a recorder. Ids of executions and tasks stay out: one that makes labels of what it is given would drown in them. */
export function recordMetric(metrics: MetricsRecorder, event: MetricEvent): unknown {
  switch (event.type) {
    case "taskClaimed":
      return metrics.taskClaimed({ ...metricOf(event), queuedMs: event.queuedMs });
    case "taskCompleted":
      return metrics.taskCompleted({ ...metricOf(event), durationMs: event.durationMs });
    case "taskFailed":
      return metrics.taskFailed({
        ...metricOf(event),
        reason: event.reason,
        retrying: event.retrying,
      });
    case "deadLettered":
      return metrics.deadLettered({ ...metricOf(event), reason: event.reason });
    case "workflowStarted":
      return metrics.workflowStarted?.({ ...metricOf(event), queuedMs: event.queuedMs });
    case "turnCompleted":
      return metrics.turnCompleted?.({ ...metricOf(event), durationMs: event.durationMs });
    case "workflowReplayed":
      return metrics.workflowReplayed?.({
        ...metricOf(event),
        entries: event.entries,
        durationMs: event.durationMs,
      });
    case "cacheMissed":
      return metrics.cacheMissed?.(metricOf(event));
    case "batchCommitted":
      return metrics.batchCommitted?.({
        transitions: event.transitions,
        durationMs: event.durationMs,
      });
    case "leaseRenewed":
      return metrics.leaseRenewed({ workerId: event.workerId, success: event.success });
    default:
      return event satisfies never;
  }
}

function metricOf({ step, kind, queue, workerId }: WorkflowEvent): StepMetric {
  return {
    step,
    kind,
    ...(queue === undefined ? {} : { queue }),
    ...(workerId === undefined ? {} : { workerId }),
  };
}
