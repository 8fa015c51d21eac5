/**
 * Every error that Stent throws: one class for each thing a caller can act on.
 *
 *   E1  `code` is stable, in capitals, and listed in docs/errors.md; a test compares.
 *   E2  A message says what happened, where, and what to do now, with the values in it.
 *   E3  `name` is set by text on the prototype, so it survives minification and prints as built-in names do.
 */

/** What an error of Stent takes beside its message: a `cause`, and `errors` for what else went wrong meanwhile. */
export interface StentErrorOptions extends ErrorOptions {
  readonly errors?: readonly unknown[];
}

/** Base of all of Stent's own errors; `code` is stable and in capitals, and is what the CLI prints and scripts match. */
export class StentError extends Error {
  readonly code: string;
  /** Other errors that belong to this one, as in AggregateError: for example what `finally` blocks threw during a cancel. */
  declare readonly errors?: readonly unknown[];

  constructor(code: string, message: string, options?: StentErrorOptions) {
    super(message, options);
    this.code = code;
    if (options?.errors !== undefined) hide(this, "errors", options.errors);
  }
}

/** UNREGISTERED_FUNCTION: the name asked for is not registered in this process. */
export class UnregisteredFunctionError extends StentError {
  readonly functionName: string;

  constructor(functionName: string, knownNames: readonly string[]) {
    super(
      "UNREGISTERED_FUNCTION",
      `no durable function named "${functionName}" is registered here; registered: ${list(knownNames)}. ` +
        `Import the module that defines it, or use remote("${functionName}") if other processes run it.`,
    );
    this.functionName = functionName;
  }
}

/** DUPLICATE_FUNCTION: a second, different function under a taken name and version. */
export class DuplicateFunctionError extends StentError {
  constructor(functionName: string, version?: string) {
    const named = `"${functionName}"${version === undefined ? "" : ` version "${version}"`}`;
    super(
      "DUPLICATE_FUNCTION",
      `a different function is already registered as ${named}. Give one of the two another name, or another version.`,
    );
  }
}

/** What an ExpiryError says has run out: a wait, an execution's maxDuration, or an attempt's timeout. */
export type ExpiryCode = "WAIT_EXPIRED" | "EXECUTION_TIMED_OUT" | "ATTEMPT_TIMED_OUT";

/** WAIT_EXPIRED, EXECUTION_TIMED_OUT or ATTEMPT_TIMED_OUT: something took longer than it was given. */
export class ExpiryError extends StentError {
  declare readonly code: ExpiryCode;

  constructor(code: ExpiryCode, message: string, options?: StentErrorOptions) {
    super(code, message, options);
  }
}

/** CANCELLED: somebody asked for it; the message is the reason, or "Execution cancelled". */
export class CancelledError extends StentError {
  readonly reason: string | undefined;

  constructor(reason?: string, options?: StentErrorOptions) {
    super("CANCELLED", reason ?? "Execution cancelled", options);
    this.reason = reason;
  }
}

/** LEASE_LOST: the worker that ran this was taken for dead, or found itself cut off; its results are refused. */
export class LeaseLostError extends StentError {
  constructor(message: string, options?: StentErrorOptions) {
    super("LEASE_LOST", message, options);
  }
}

/** DRAINING: the worker is stopping and has aborted this attempt; another worker runs it again. */
export class DrainError extends StentError {
  constructor(message = "the worker is draining; this attempt is handed to another worker") {
    super("DRAINING", message);
  }
}

/** DEADLOCK: a call waits only for a slot or key that its own ancestors hold; the message names them. */
export class DeadlockError extends StentError {
  constructor(message: string) {
    super("DEADLOCK", message);
  }
}

/** POISON: what a call throws whose task was running in `maxClaims` worker sessions when they died. */
export class PoisonError extends StentError {
  constructor(message: string) {
    super("POISON", message);
  }
}

/** CLEANED_UP: going on would build on what clean-up or undo steps may have taken back; `steps` names what was done. */
export class CleanedUpError extends StentError {
  readonly steps: readonly string[];

  constructor(message: string, steps: readonly string[]) {
    super("CLEANED_UP", message);
    this.steps = steps;
  }
}

/** What went wrong with the database itself. */
export type DatabaseErrorCode =
  | "DATABASE_UNREACHABLE"
  | "DATABASE_MISSING"
  | "DATABASE_READ_ONLY"
  | "DATABASE_FULL"
  | "DATABASE_CORRUPT"
  | "DRIVER_MISSING"
  | "COMMIT_UNKNOWN";

/** DATABASE_… , DRIVER_MISSING or COMMIT_UNKNOWN: the database itself; the URL in the message is masked, the driver's error is the cause. */
export class DatabaseError extends StentError {
  declare readonly code: DatabaseErrorCode;

  constructor(code: DatabaseErrorCode, message: string, options?: StentErrorOptions) {
    super(code, message, options);
  }
}

/** CLOSED: the client was closed, before the call or while it waited; executions are untouched. */
export class ClosedError extends StentError {
  constructor(
    message = "this Stent client is closed; open another one. Executions are untouched by it.",
  ) {
    super("CLOSED", message);
  }
}

/** One complaint of a Standard Schema, as the library gave it. */
export interface ValidationIssue {
  readonly message: string;
  readonly path?: readonly unknown[];
}

/** VALIDATION_FAILED: what a Standard Schema refused; the message is the caller's, with the paths in it, `issues` are the library's. */
export class ValidationError extends StentError {
  readonly issues: readonly ValidationIssue[];

  constructor(message: string, issues: readonly ValidationIssue[]) {
    super("VALIDATION_FAILED", message);
    this.issues = issues;
  }
}

/** NON_RETRYABLE: throw it, or a subclass, from an activity to fail at once, whatever its retry policy says. */
export class NonRetryableError extends StentError {
  constructor(message: string, options?: ErrorOptions) {
    super("NON_RETRYABLE", message, options);
  }
}

/** What a replay found: the path, the effect the journal holds there, and the one the code yielded. */
export interface Divergence {
  readonly path: string;
  readonly recorded: object;
  readonly yielded: object;
  /** Replaces the generated message. */
  readonly message?: string;
}

/** NON_DETERMINISM: on replay the code yielded another effect than the journal holds; the execution is blocked, nothing is lost. */
export class NonDeterminismError extends StentError {
  readonly path: string;
  readonly recorded: object;
  readonly yielded: object;

  constructor(divergence: Divergence) {
    super("NON_DETERMINISM", divergence.message ?? describeDivergence(divergence));
    this.path = divergence.path;
    this.recorded = divergence.recorded;
    this.yielded = divergence.yielded;
  }
}

/** EXECUTION_NOT_FOUND: no execution has this id. */
export class ExecutionNotFoundError extends StentError {
  constructor(executionId: string) {
    super(
      "EXECUTION_NOT_FOUND",
      `no execution has the id "${executionId}" in this database. Check the id and the database; ` +
        `it may also have been deleted after its retention period.`,
    );
  }
}

/** EXECUTION_EXISTS: the id of a dispatch is taken. */
export class ExecutionExistsError extends StentError {
  constructor(message: string) {
    super("EXECUTION_EXISTS", message);
  }
}

/** EXECUTION_RUNNING: asked of an execution that has not ended, what only an ended one can give. */
export class ExecutionRunningError extends StentError {
  constructor(message: string) {
    super("EXECUTION_RUNNING", message);
  }
}

/** EXECUTION_FINISHED: asked of an execution that has ended, what only one under way can take. */
export class ExecutionFinishedError extends StentError {
  constructor(message: string) {
    super("EXECUTION_FINISHED", message);
  }
}

/** DEAD_LETTER_NOT_FOUND: no dead letter has this task id. */
export class DeadLetterNotFoundError extends StentError {
  constructor(taskId: string) {
    super(
      "DEAD_LETTER_NOT_FOUND",
      `no dead letter has the task id "${taskId}". It may have been replayed or discarded already; listDeadLetters() shows what is there.`,
    );
  }
}

/** INVALID_DURATION: a text, number or object that is no duration; the message shows it. */
export class InvalidDurationError extends StentError {
  constructor(
    text: string,
    hint = 'write for example "30s", "1h30m", a number of milliseconds, or { minutes: 5 }',
  ) {
    super("INVALID_DURATION", `cannot read ${shorten(text)} as a duration: ${hint}`);
  }
}

/** SERIALIZATION: a value cannot be stored, or a stored one cannot be read; `path` names the part of the value, where known. */
export class SerializationError extends StentError {
  readonly path: string | undefined;

  constructor(message: string, options?: StentErrorOptions & { readonly path?: string }) {
    super("SERIALIZATION", message, options);
    this.path = options?.path;
  }
}

/** SCHEMA_MISMATCH: the tables in the database are not those of this version of Stent. */
export class SchemaMismatchError extends StentError {
  constructor(message: string) {
    super("SCHEMA_MISMATCH", message);
  }
}

/** NO_CONTEXT: `context()` was called where no activity is running. */
export class NoContextError extends StentError {
  constructor(
    message = "context() works only inside an activity that a worker is running; call it in the activity's body",
  ) {
    super("NO_CONTEXT", message);
  }
}

/** TURN_LIMIT: a turn yielded more than the named limit of effects without waiting for anything. */
export class TurnLimitError extends StentError {
  constructor(message: string) {
    super("TURN_LIMIT", message);
  }
}

/** NOT_SUPPORTED: an option that this version does not have yet. */
export class NotSupportedError extends StentError {
  constructor(message: string) {
    super("NOT_SUPPORTED", message);
  }
}

/**
 * REMOTE_ERROR, or the original's own code: stands in for an error class that is not registered here, with the same name, message,
 * stack, cause and own properties. `originalName` is the class it had. Register the class with `registerError` to get it as itself.
 */
export class RemoteError extends StentError {
  readonly originalName: string;

  constructor(originalName: string, message: string, options?: StentErrorOptions) {
    super("REMOTE_ERROR", message, options);
    this.originalName = originalName;
  }
}

/** All of Stent's error classes by name, the base included. */
export const stentErrors = {
  StentError,
  UnregisteredFunctionError,
  DuplicateFunctionError,
  ExpiryError,
  CancelledError,
  LeaseLostError,
  DrainError,
  DeadlockError,
  PoisonError,
  CleanedUpError,
  DatabaseError,
  ClosedError,
  ValidationError,
  NonRetryableError,
  NonDeterminismError,
  ExecutionNotFoundError,
  ExecutionExistsError,
  ExecutionRunningError,
  ExecutionFinishedError,
  DeadLetterNotFoundError,
  InvalidDurationError,
  SerializationError,
  SchemaMismatchError,
  NoContextError,
  TurnLimitError,
  NotSupportedError,
  RemoteError,
} as const;

/** On the prototype of each of Stent's error classes, with its name: tells them from a user's class of the same name, over two copies of the package. */
export const stentErrorBrand: unique symbol = Symbol.for("stentjs.error");

for (const [name, errorClass] of Object.entries(stentErrors)) {
  hide(errorClass.prototype, "name", name); // by E3
  hide(errorClass.prototype, stentErrorBrand, name);
}

function hide(target: object, key: PropertyKey, value: unknown): void {
  Object.defineProperty(target, key, {
    value,
    writable: true,
    configurable: true,
    enumerable: false,
  });
}

const maxListed = 20;

function list(names: readonly string[]): string {
  if (names.length === 0) return "none";
  const rest = names.length - maxListed;
  return names.slice(0, maxListed).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

function shorten(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function describeDivergence({ path, recorded, yielded }: Divergence): string {
  return (
    `the workflow is not deterministic: at path ${path} its journal holds ${describeEffect(recorded)}, but the code now yields ` +
    `${describeEffect(yielded)}. The execution is blocked, nothing is lost. Put the code back, guard the change with patched(), or ` +
    `register it under a new version; each worker that starts later tries it once more, and so does retry().`
  );
}

function describeEffect(effect: { readonly kind?: unknown; readonly name?: unknown }): string {
  const kind = typeof effect.kind === "string" ? effect.kind : "an unknown effect";
  return typeof effect.name === "string" ? `${kind} "${effect.name}"` : kind;
}
