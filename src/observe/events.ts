/** What happens in the engine, as data; logs and metrics are readers of it. */

/** Where lines for people go. `fields` are plain data; an error stands under `error`. */
export interface Logger {
  debug(message: string, fields?: object): void;
  info(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  error(message: string, fields?: object): void;
}

/** Which step a metric is about: the function's name, whether it is an activity or a workflow, and where it ran. */
export interface StepMetric {
  queue?: string;
  step: string;
  kind: string;
  workerId?: string;
}

/** Where numbers go. Called after the commit, never awaited; what it throws is logged once and has no effect on the work. */
export interface MetricsRecorder {
  taskClaimed(event: StepMetric & { queuedMs: number }): void;
  taskCompleted(event: StepMetric & { durationMs: number }): void;
  taskFailed(event: StepMetric & { reason: string; retrying: boolean }): void;
  deadLettered(event: StepMetric & { reason: string }): void;
  leaseRenewed(event: { workerId: string; success: boolean }): void;
  /** A workflow has made its first turn; `queuedMs`: how long it was due before a worker took it. Like those below it may be left out, and costs nothing then. */
  workflowStarted?(event: StepMetric & { queuedMs: number }): void;
  /** One go of a workflow is stored, with everything that it took from its beginning: reading, replaying if it came to that, running it, the commit. */
  turnCompleted?(event: StepMetric & { durationMs: number }): void;
  /** A workflow was run again from its journal of so many entries. */
  workflowReplayed?(event: StepMetric & { entries: number; durationMs: number }): void;
  /** It had to be, since it was not in the memory of the worker that took it. */
  cacheMissed?(event: StepMetric): void;
  /** So many changes were stored in one transaction. */
  batchCommitted?(event: { transitions: number; durationMs: number }): void;
}

/** Whose event it is. `step` is the function's name. */
export interface WorkflowEvent {
  readonly step: string;
  readonly kind: string;
  readonly queue: string | undefined;
  readonly workerId: string | undefined;
  readonly executionId: string;
}

export interface StepEvent extends WorkflowEvent {
  readonly taskId: string;
}

/** Something that happened and is committed. */
export type EngineEvent =
  | (StepEvent & { readonly type: "taskClaimed"; readonly queuedMs: number })
  | (StepEvent & { readonly type: "taskCompleted"; readonly durationMs: number })
  | (StepEvent & {
      readonly type: "taskFailed";
      readonly reason: string;
      readonly retrying: boolean;
    })
  | (StepEvent & { readonly type: "deadLettered"; readonly reason: string })
  | (WorkflowEvent & { readonly type: "workflowStarted"; readonly queuedMs: number })
  | (WorkflowEvent & { readonly type: "turnCompleted"; readonly durationMs: number })
  | (WorkflowEvent & {
      readonly type: "workflowReplayed";
      readonly entries: number;
      readonly durationMs: number;
    })
  | (WorkflowEvent & { readonly type: "cacheMissed" })
  | {
      readonly type: "batchCommitted";
      readonly transitions: number;
      readonly durationMs: number;
    }
  | { readonly type: "leaseRenewed"; readonly workerId: string; readonly success: boolean }
  | {
      readonly type: "executionBlocked";
      readonly executionId: string;
      readonly workerId: string;
      readonly workflow: string;
      readonly reason: string;
    };
