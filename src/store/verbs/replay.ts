/** Replaying dead letters: the step that failed for good is tried anew, and everything that failed by it goes on. */
import { isUndo } from "../../core/journal.ts";
import { taskIdOf } from "../../core/places.ts";
import { unqueued, type StoredOptions } from "../../core/step-options.ts";
import type { ReplayAnswer, ReplayRequest } from "../store.ts";
import { tagsOf, type Batch } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import type { Row } from "./reopening.ts";
import { retry } from "./retry.ts";

/** What a dead letter says of its task. */
interface Kept {
  readonly path: string;
  readonly attempt: number;
}

/** Opens the step and what failed by it again: all of it or nothing. */
export function* replay(batch: Batch, request: ReplayRequest): Procedure<ReplayAnswer> {
  const letter = yield* batch.sql.sessions.letter.get({ task: request.task });
  const row =
    letter === undefined
      ? undefined
      : yield* batch.sql.executions.byKey.get({ key: letter.execution });
  if (letter === undefined || row === undefined) return { kind: "not-found" };
  const kept = JSON.parse(letter.record) as Kept;
  if (isUndo(kept)) return { kind: "undo" };
  let task = request.task;
  const { id: executionId } = row;
  const ask = { executionId, from: "failure" as const, force: false };
  // First, since a map puts its items where its entry says.
  const answer = yield* retry(batch, ask, function* override() {
    task =
      letter.seq < 0
        ? yield* overrideJob(batch, row, kept, request)
        : yield* overrideEntry(batch, row, letter.seq, kept, request);
  });
  if (answer.kind !== "done") return answer as ReplayAnswer;
  if (request.keepsCount) keepCount(batch, row, letter.seq, kept);
  return { kind: "done", task };
}

function* overrideEntry(
  batch: Batch,
  row: Row,
  seq: number,
  { path }: Kept,
  request: ReplayRequest,
): Procedure<string> {
  const place = { execution: row.key, run: row.run, seq };
  const entry = yield* batch.sql.journal.one.get(place);
  const options = optionsOf(entry?.options ?? null, request);
  batch.sql.journal.setOptions.do({ ...place, options: JSON.stringify(options) });
  return taskIdOf({ id: row.id, run: row.run, cut: entry?.cut ?? row.cut }, path, options);
}

/** A job is its execution: that is moved to the other queue. */
function* overrideJob(
  batch: Batch,
  row: Row,
  { path }: Kept,
  request: ReplayRequest,
): Procedure<string> {
  const { queue: _, ...options } = optionsOf(row.options, request);
  const queue = request.queue === undefined ? row.queue : request.queue;
  const { kind, name, version, tags } = row;
  const lane = yield* batch.lane({
    kind,
    name,
    version: version ?? undefined,
    queue: queue ?? undefined,
    tags: tagsOf(tags),
  });
  batch.sql.executions.move.do({
    key: row.key,
    queue,
    lane,
    options: JSON.stringify(options),
  });
  return taskIdOf(row, path, options);
}

function optionsOf(stored: string | null, { queue }: ReplayRequest): StoredOptions {
  const options = JSON.parse(stored ?? "{}") as StoredOptions;
  return {
    ...options,
    replays: (options.replays ?? 0) + 1,
    ...(queue === undefined ? {} : { queue: queue ?? unqueued }),
  };
}

function keepCount(batch: Batch, row: Row, seq: number, { attempt }: Kept): void {
  if (seq < 0)
    batch.sql.executions.keepCount.do({
      key: row.key,
      attempt: attempt + 1,
      failures: row.failures + 1,
    });
  else
    batch.sql.journal.keepCount.do({
      execution: row.key,
      run: row.run,
      seq,
      attempt,
      failures: attempt,
    });
}
