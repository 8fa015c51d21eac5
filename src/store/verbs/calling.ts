/**
 * Who waits at a gate is called: comes back into the queue, to compete for what is there as others do.
 *
 *   C1  Of every lane the first are called, as many as there are places or tokens: whether a worker takes that lane nobody knows, and who is
 *       called in vain must not keep others waiting. Who comes too late waits again, in the place that it had.
 *   C2  Called but not come yet counts: of each lane no more are in the queue than may begin.
 *   C3  For a token somebody is called as long as anybody waits: at the time when it is there.
 *   C4  A gate that others are changing is left to whoever claims next.
 */
import type { Batch, RowOf, Statements } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { msUntil, tokensOf, type BucketRow } from "./tokens.ts";

type Gate = RowOf<Statements["limits"]["gate"]>;
type Result = RowOf<Statements["limits"]["result"]>;

/** How many of a lane are called at once: bounds how long the batch takes. */
const mostAtOnce = 1_000;
/** Tokens of so long are given out beforehand: who is called one by one comes as often as claims are made, at most. */
const aheadMs = 50;

/** Calls those who wait for what this batch has freed. */
export function* callFreed(batch: Batch): Procedure<void> {
  const freed = [...batch.freed];
  batch.freed.clear();
  const keys = freed.filter((key) => key > 0);
  const results = freed.filter((key) => key < 0).map((key) => -key);
  const { limits } = batch.sql;
  if (keys.length > 0) {
    const gates = yield* limits.freedGates.all({ keys: JSON.stringify(keys) });
    yield* batch.each(gates, (gate) => callAtGate(batch, gate));
    for (const key of missing(keys, gates)) {
      if ((yield* limits.gateIsThere.get({ key })) !== undefined) leaveToOthers(batch, key);
    }
  }
  if (results.length > 0) {
    const rows = yield* limits.freedResults.all({ keys: JSON.stringify(results) });
    yield* batch.each(rows, (row) => callForResult(batch, row));
    for (const key of missing(results, rows)) {
      if ((yield* limits.resultIsThere.get({ key })) !== undefined) leaveToOthers(batch, -key);
    }
  }
}

/** Those that others are changing, or that are gone. */
function missing(keys: readonly number[], seen: readonly { readonly key: number }[]): number[] {
  const there = new Set(seen.map(({ key }) => key));
  return keys.filter((key) => !there.has(key));
}

/** By C4. */
function leaveToOthers(batch: Batch, gate: number): void {
  batch.sql.sessions.leaveWake.do({ gate });
  batch.hintReady();
}

function* callAtGate(batch: Batch, gate: Gate): Procedure<void> {
  const { key, per } = gate;
  const { limits } = batch.sql;
  if (per !== null) {
    const bucket = { ...gate, per };
    yield* call(
      batch,
      key,
      yield* limits.waitingLanes.all({ gate: key }),
      forTokens(batch, bucket),
    );
    return;
  }
  const [taken, lanes] = yield* batch.both(
    () => limits.taken.get({ gate: key }),
    () => limits.waitingLanes.all({ gate: key }),
  );
  const places = gate.places - (taken?.count ?? 0);
  yield* call(batch, key, lanes, { places, dueIn: () => 0 });
}

/** By C3. */
function forTokens(batch: Batch, bucket: BucketRow): Calls {
  const tokens = tokensOf(bucket, batch.now);
  const ahead = Math.floor(tokens + (aheadMs * bucket.places) / bucket.per);
  return { places: Math.max(1, ahead), dueIn: (nth) => msUntil(nth, tokens, bucket) };
}

/** A result is for all who wait; where there is none, one of them is to run. What nobody wants any more is forgotten. */
function* callForResult(batch: Batch, { key, holder, stored }: Result): Procedure<void> {
  if (holder !== null) return;
  const { limits } = batch.sql;
  const lanes = yield* limits.waitingLanes.all({ gate: -key });
  const isThere = stored === 1;
  if (lanes.length === 0 && !isThere) limits.removeResult.do({ key });
  yield* call(batch, -key, lanes, { places: isThere ? Infinity : 1, dueIn: () => 0 });
}

/** How many of each lane may be in the queue, and when each of them is due, from now on. */
interface Calls {
  readonly places: number;
  /** Of the first, the second, …: from 1 on. */
  readonly dueIn: (nth: number) => number;
}

function* call(
  batch: Batch,
  gate: number,
  lanes: readonly { readonly lane: number }[],
  { places, dueIn }: Calls,
): Procedure<void> {
  if (places <= 0) return;
  const { limits } = batch.sql;
  const limit = Math.min(places, mostAtOnce);
  yield* batch.each(lanes, function* ({ lane }) {
    const [called, waiting] = yield* batch.both(
      () => limits.called.get({ gate, lane, limit }),
      () => limits.waiting.all({ gate, lane, limit }),
    );
    const before = places === Infinity ? 0 : (called?.count ?? 0);
    const next = waiting.slice(0, limit - before);
    for (const [index, { holder, due_at: dueAt }] of next.entries()) {
      const at = Math.max(dueAt, batch.now + dueIn(before + index + 1));
      limits.call.do({ gate, holder });
      if (holder < 0) limits.deferExecution.do({ key: -holder, dueAt: at });
      else limits.deferTask.do({ key: holder, dueAt: at });
    }
    if (next.length > 0) batch.hintReady();
    if (next.length === mostAtOnce) leaveToOthers(batch, gate);
  });
}
