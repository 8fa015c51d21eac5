export { Stent, type BootstrapOptions } from "./stent.ts";
export type { Middleware } from "./core/middleware.ts";
export type { Health } from "./stent/health.ts";
export type { StentOptions } from "./stent/options.ts";
export type { Admin, Migrations } from "./stent/admin.ts";
export type { WorkerStatusOverview } from "./stent/workers.ts";

export type { Finding } from "./client/admin/doctor.ts";
export type { ExportOptions } from "./client/admin/export.ts";
export type { FunctionRecord } from "./client/admin/functions.ts";
export type { ImportOptions } from "./client/admin/import.ts";
export type { QueueDepth } from "./client/admin/queues.ts";
export type { Stats, StatsOptions } from "./client/admin/stats.ts";
export type { WorkerRecord } from "./client/admin/workers.ts";
export type { BulkAction, BulkOptions, BulkResult } from "./client/bulk.ts";
export type { CancelOptions } from "./client/cancel.ts";
export type { CleanupOptions } from "./client/cleanup.ts";
export type { DeadLetter, DeadLetterPage, ReplayOptions } from "./client/dead-letters.ts";
export type { DispatchOptions } from "./core/dispatch-options.ts";
export type { ExecutionFilter } from "./client/execution-filter.ts";
export type {
  ExecutionState,
  ExecutionSummary,
  ProgressEntry,
  WaitReason,
} from "./client/execution-state.ts";
export type { ExecutionHandle } from "./client/handle.ts";
export type { HistoryEntry } from "./client/history.ts";
export type { TaskFilter } from "./client/list-tasks.ts";
export type { Page } from "./client/page.ts";
export type { RetryOptions } from "./client/retry.ts";
export type { SendSignalOptions } from "./client/send-signal.ts";
export type { TaskRecord } from "./client/task-record.ts";
export type { WaitOptions } from "./client/wait.ts";

export { activity, remote, workflow, type RemoteOptions } from "./core/define.ts";
export type {
  Activity,
  ActivityOptions,
  CallOptions,
  Durable,
  DurableOptions,
  Workflow,
  WorkflowOptions,
} from "./core/durable.ts";
export { parseDuration, type Duration } from "./core/duration.ts";
export { registerError } from "./core/error-classes.ts";
export {
  CancelledError,
  CleanedUpError,
  ClosedError,
  DatabaseError,
  DeadlockError,
  DeadLetterNotFoundError,
  DrainError,
  DuplicateFunctionError,
  ExecutionExistsError,
  ExecutionFinishedError,
  ExecutionNotFoundError,
  ExecutionRunningError,
  ExpiryError,
  InvalidDurationError,
  LeaseLostError,
  NoContextError,
  NonDeterminismError,
  NonRetryableError,
  NotSupportedError,
  PoisonError,
  RemoteError,
  SchemaMismatchError,
  SerializationError,
  StentError,
  TurnLimitError,
  UnregisteredFunctionError,
  ValidationError,
  type DatabaseErrorCode,
  type ExpiryCode,
  type StentErrorOptions,
  type ValidationIssue,
} from "./core/errors.ts";
export { FunctionRegistry, registry } from "./core/registry.ts";
export { Result, type ResultMethods } from "./core/result.ts";
export type { RetryPolicy, RetryPredicate } from "./core/retry.ts";
export type { StandardSchema } from "./core/schema.ts";
export type { Place, Serializer } from "./core/serializer.ts";
export { compressed, type CompressionOptions } from "./core/serializer/compressed.ts";
export {
  encrypted,
  type EncryptionKey,
  type EncryptionOptions,
} from "./core/serializer/encrypted.ts";
export type { ExecutionStatus } from "./core/status.ts";

export type { AnyEffect } from "./core/effects/any-effect.ts";
export {
  all,
  allSettled,
  branch,
  race,
  type AllEffect,
  type AllSettledEffect,
  type BranchEffect,
  type RaceEffect,
} from "./core/effects/branch.ts";
export { call, type CallEffect } from "./core/effects/call.ts";
export type { Branch, Effect, Flow } from "./core/effects/effect.ts";
export {
  cancel,
  fork,
  join,
  type CancelEffect,
  type ForkEffect,
  type JoinEffect,
  type Task,
} from "./core/effects/fork.ts";
export {
  continueAsNew,
  dispatch,
  patched,
  transaction,
  type ContinueAsNewEffect,
  type DispatchEffect,
  type PatchedEffect,
  type TransactionEffect,
} from "./core/effects/lineage.ts";
export {
  random,
  run,
  uuid,
  type RandomEffect,
  type RunEffect,
  type UuidEffect,
} from "./core/effects/local.ts";
export {
  map,
  starmap,
  type MapEffect,
  type MapOptions,
  type Settling,
} from "./core/effects/map.ts";
export {
  counters,
  progress,
  state,
  type CounterAddEffect,
  type CounterGetEffect,
  type ProgressEffect,
  type StateGetEffect,
  type StateSetEffect,
} from "./core/effects/record.ts";
export {
  cancelled,
  compensate,
  shield,
  within,
  type CancelledEffect,
  type CompensateEffect,
  type ShieldEffect,
  type WithinEffect,
} from "./core/effects/scope.ts";
export {
  defineSignal,
  sendSignal,
  signal,
  type SendSignalEffect,
  type SignalDefinition,
  type SignalEffect,
} from "./core/effects/signal.ts";
export {
  now,
  sleep,
  sleepUntil,
  type NowEffect,
  type SleepEffect,
  type SleepUntilEffect,
} from "./core/effects/time.ts";

export type { NotificationBackend } from "./notify/notifier.ts";
export { redis, type RedisClient, type RedisOptions } from "./notify/redis.ts";
export type { Logger, MetricsRecorder } from "./observe/events.ts";
export { fromPino, type PinoLogger } from "./observe/from-pino.ts";
export type { SpanStart, TraceSpan, Tracing } from "./observe/tracing.ts";
export type { Clock } from "./runtime/clock.ts";
export type { Backend } from "./store/backend.ts";
export { postgres } from "./store/postgres.ts";
export type { PostgresOptions } from "./store/postgres/settings.ts";
export { sqlite } from "./store/sqlite.ts";
export { context, type ActivityContext } from "./worker/context.ts";
export { WorkerLifecycle, type WorkerState } from "./worker/lifecycle.ts";
export type { ServeOptions } from "./worker/serve-options.ts";
