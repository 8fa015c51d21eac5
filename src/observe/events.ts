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
}

/** Whose event it is. `step` is the function's name. */
export interface StepEvent {
  readonly step: string;
  readonly kind: string;
  readonly queue: string | undefined;
  readonly workerId: string | undefined;
  readonly executionId: string;
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
  | { readonly type: "leaseRenewed"; readonly workerId: string; readonly success: boolean }
  | {
      readonly type: "executionBlocked";
      readonly executionId: string;
      readonly workflow: string;
      readonly reason: string;
    };
