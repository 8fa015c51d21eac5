import {
  CleanedUpError,
  DeadLetterNotFoundError,
  ExecutionFinishedError,
  ExecutionRunningError,
  NotSupportedError,
} from "../core/errors.ts";
import { knownOptions, nameOption } from "../core/option.ts";
import { unqueued } from "../core/step-options.ts";
import type { PayloadCodec } from "../core/payload.ts";
import { resultPlace } from "../core/places.ts";
import type { DeadLetterRow } from "../store/store.ts";
import type { Connection } from "./connection.ts";
import { cursorOf, positionOf } from "./cursor.ts";
import { limitOf } from "./execution-filter.ts";
import { storedErrorOf } from "./or-unreadable.ts";
import type { Page } from "./page.ts";
import { keptTaskOf, maxAttemptsIn } from "./row-codec.ts";
import type { TaskRecord } from "./task-record.ts";

/** A task that has used up its attempts, or was running in too many sessions when they died. */
export interface DeadLetter {
  readonly task: TaskRecord;
  readonly executionId: string;
  readonly reason: string;
  readonly movedAt: Date;
}

/** Which page of the dead letters. */
export interface DeadLetterPage {
  /** Default 50. */
  limit?: number;
  cursor?: string;
}

const list = "dead-letters";
const defaultLimit = 50;

/** Dead letters, newest first. @throws TypeError, RangeError for a wrong option */
export async function listDeadLetters(
  { store, codec }: Connection,
  options: DeadLetterPage = {},
): Promise<Page<DeadLetter>> {
  knownOptions("listDeadLetters", options, ["limit", "cursor"]);
  const limit = limitOf(options.limit, defaultLimit);
  const [before] = positionOf(list, options.cursor) ?? [];
  const rows = await store.deadLetters({
    ...(before === undefined ? {} : { before }),
    limit: limit + 1,
  });
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return {
    items: rows.slice(0, limit).map((row) => deadLetter(codec, row)),
    nextCursor: last === undefined ? undefined : cursorOf(list, [last.key]),
  };
}

/** The dead letter of a task, if there is one. */
export async function getDeadLetter(
  { store, codec }: Connection,
  taskId: string,
): Promise<DeadLetter | undefined> {
  const row = await store.deadLetter(taskId);
  return row === undefined ? undefined : deadLetter(codec, row);
}

/** How a dead letter is replayed. */
export interface ReplayOptions {
  /** Where the task runs now; left out: where it did. "default": where the unqueued does. */
  queue?: string;
  /** false: the attempts so far count. Default true. */
  resetRetries?: boolean;
}

/**
 * Reopens the failed step and its execution, which goes on from there, and with it every ancestor that failed by it. @returns the new task's id.
 * @throws DeadLetterNotFoundError, CleanedUpError, ExecutionRunningError; NotSupportedError for that of an undo step
 */
export async function replayDeadLetter(
  { committer }: Connection,
  taskId: string,
  options: ReplayOptions = {},
): Promise<string> {
  knownOptions("replayDeadLetter", options, ["queue", "resetRetries"]);
  const queue = nameOption("queue", options.queue);
  const answer = await committer.submit("replay", {
    task: taskId,
    queue: queue === unqueued ? null : queue,
    keepsCount: options.resetRetries === false,
  });
  switch (answer.kind) {
    case "done":
      return answer.task;
    case "not-found":
      throw new DeadLetterNotFoundError(taskId);
    case "undo":
      throw new NotSupportedError(
        `task "${taskId}" is an undo step; this version does not replay these: do by hand what it was to undo, and discard the dead letter`,
      );
    case "running":
      throw new ExecutionRunningError(
        `the execution of task "${taskId}" is under way again; what it failed by is tried anew already, or cannot be while it runs`,
      );
    case "finished":
      throw new ExecutionFinishedError(
        `the execution of task "${taskId}" completed or was cancelled; there is nothing to go on with`,
      );
    case "cleaned-up":
      throw new CleanedUpError(
        `execution "${answer.executionId}" cannot go on from its failure: after it ${answer.steps.join(", ")} was done, and may have taken back what it would build on. Retry it with from: "start", or with force: true`,
        answer.steps,
      );
    default:
      return answer satisfies never;
  }
}

/** @returns whether there was one. */
export function discardDeadLetter({ committer }: Connection, taskId: string): Promise<boolean> {
  return committer.submit("discardDeadLetter", { task: taskId });
}

function deadLetter(codec: PayloadCodec, row: DeadLetterRow): DeadLetter {
  const kept = keptTaskOf(row);
  const { id, name, kind, attempt, queue, priority, tags, createdAt } = kept;
  const { executionId, reason, error } = row;
  const movedAt = new Date(row.movedAt);
  // It ended its execution, and is kept as that one's failure.
  const failure = storedErrorOf(codec, error, resultPlace(executionId));
  return {
    task: {
      id,
      executionId,
      name,
      kind,
      state: "failed",
      attempt,
      maxAttempts: maxAttemptsIn(kept),
      queue,
      priority,
      tags,
      workerId: undefined,
      createdAt: new Date(createdAt),
      scheduledFor: undefined,
      startedAt: undefined,
      completedAt: movedAt,
      error: failure,
    },
    executionId,
    // Of an encrypted error no more than the name stands in clear.
    reason: failure?.name === reason ? `${reason}: ${failure.message}` : reason,
    movedAt,
  };
}
