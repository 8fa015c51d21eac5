import type { Duration } from "./duration.ts";
import {
  durationOption,
  knownOptions,
  nameOption,
  namesOption,
  positiveDurationOption,
  show,
  wordOption,
} from "./option.ts";

/** How an execution is started. */
export interface DispatchOptions {
  /** Own execution id; a second dispatch under it follows `ifExists`. Default: a UUIDv7. Not with dispatchMany (TypeError). */
  id?: string;
  /**
   * "reject" (default): ExecutionExistsError. "join": the one that is there. "restart-if-failed": from the top if it ended failed,
   * timed out or cancelled, else join.
   */
  ifExists?: "reject" | "join" | "restart-if-failed";
  /** How long it waits before it starts. */
  delay?: Duration;
  /** Longest run, counted from the scheduled start; past it: state timed_out. `expiry` is the seed's alias; both given: TypeError. */
  maxDuration?: Duration;
  expiry?: Duration;
  /** `tags`, `priority` and `queue`: before those of the definition. */
  tags?: readonly string[];
  priority?: number;
  /** "default" names the unqueued. */
  queue?: string;
  /**
   * An open transaction of yours on the same database: a Kysely transaction, a client of pg or a database of better-sqlite3. The dispatch
   * commits with it, or not at all.
   */
  transaction?: unknown;
}

/** Dispatch options, checked; durations in milliseconds. Undefined: what the definition says, or nothing. */
export interface ResolvedDispatch {
  readonly id: string | undefined;
  readonly ifExists: "reject" | "join" | "restart-if-failed";
  readonly delayMs: number;
  readonly maxDurationMs: number | undefined;
  readonly tags: readonly string[] | undefined;
  readonly priority: number | undefined;
  readonly queue: string | undefined;
  readonly transaction: unknown;
  /** The span from which those of the execution go on. */
  readonly trace?: string | undefined;
}

const known = [
  "id",
  "ifExists",
  "delay",
  "maxDuration",
  "expiry",
  "tags",
  "priority",
  "queue",
  "transaction",
];
const policies = ["reject", "join", "restart-if-failed"] as const;
const maxIdLength = 255;

/** Every option checked once. @throws TypeError, RangeError or InvalidDurationError naming the option. */
export function resolveDispatchOptions(options: DispatchOptions = {}): ResolvedDispatch {
  knownOptions("dispatch", options, known);
  if (options.maxDuration !== undefined && options.expiry !== undefined) {
    throw new TypeError("maxDuration and expiry are two names for one option; give one of them");
  }
  return {
    id: idOf(options.id),
    ifExists: wordOption("ifExists", policies, options.ifExists) ?? "reject",
    delayMs: durationOption("delay", options.delay) ?? 0,
    maxDurationMs:
      positiveDurationOption("maxDuration", options.maxDuration) ??
      positiveDurationOption("expiry", options.expiry),
    tags: namesOption("tags", options.tags),
    priority: priorityOf(options.priority),
    queue: nameOption("queue", options.queue),
    transaction: options.transaction,
  };
}

/** The options of `dispatchMany`. @throws as `resolveDispatchOptions`; TypeError for an `id`, which only one of many could have. */
export function resolveManyOptions(options: DispatchOptions = {}): ResolvedDispatch {
  const resolved = resolveDispatchOptions(options);
  if (resolved.id === undefined) return resolved;
  throw new TypeError(
    "dispatchMany takes no id: only one of many could have it; dispatch that one",
  );
}

function idOf(id: string | undefined): string | undefined {
  if (nameOption("id", id) === undefined) return undefined;
  if (id !== undefined && id.length <= maxIdLength && !unstorable.test(id)) return id;
  throw new TypeError(
    `id must be at most ${maxIdLength} characters of text, got ${id?.length ?? 0} characters: ${show(id)}`,
  );
}

/** Control characters, and halves of characters. */
const unstorable = /[\p{Control}\p{Surrogate}]/u;

function priorityOf(priority: number | undefined): number | undefined {
  if (priority === undefined || Number.isSafeInteger(priority)) return priority;
  throw new TypeError(`priority must be a whole number, got ${show(priority)}`);
}
