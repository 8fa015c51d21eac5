/**
 * Places of `maxConcurrent`, tokens of `rateLimit`, and results that stand for every other run (`idempotent`, `cached`).
 *
 *   L1  A place is taken by the claim that begins the work, under the row of its gate, and freed by the write that ends it: an attempt's with
 *       its outcome or with its session, a workflow's with its end. What was told to stop keeps its place until it has answered.
 *   L2  What finds no place waits aside, in `stent_waits`, and is due at no time: a claim does not meet it again. Whoever frees a place lets the
 *       first of those in, who then compete as others do. Both hold the row of the gate, so that no place is freed unseen.
 *   L3  What finds no token is due when there may be one, each at a time of its own.
 *   L4  What is run once reserves its result before it begins, and stores it with its outcome. Who comes meanwhile waits as for a place, and is
 *       let in by the outcome: then the result stands for its run, or, where that failed for good, the first of them runs.
 */
import { gatesFrom, ofGate, type Gates } from "../../core/gates.ts";
import type { Payload } from "../../core/payload.ts";
import type { StoredResult } from "../store.ts";
import type { Batch, RowOf, Statements } from "../batch.ts";
import { never } from "../never.ts";
import type { Procedure } from "../procedure.ts";

type Gate = RowOf<Statements["limits"]["gate"]>;

/** Work that is to begin. */
export interface Entrant {
  /** A task's key; below zero, an execution's. */
  readonly holder: number;
  /** Whose work it is: a task's execution, or the execution itself. */
  readonly execution: number;
  readonly gates: string;
  /** In which an attempt runs; undefined for a workflow. */
  readonly session: number | undefined;
  /** It begins, which takes a token. A workflow that goes on does not. */
  readonly begins: boolean;
  readonly rank: number;
  readonly dueAt: number;
}

/** "held": it was put aside. "busy": others are changing a gate just now. Else whether it may begin, or can never: who stands in its way waits for it. */
export type Entrance =
  | "open"
  | "held"
  | "busy"
  | { readonly deadlock: string; readonly stored?: undefined }
  | { readonly stored: StoredResult; readonly deadlock?: undefined };

/** Takes what the work needs to begin, or puts it aside. */
export function* enter(batch: Batch, entrant: Entrant): Procedure<Entrance> {
  const { limit, rate, result } = gatesFrom(entrant.gates);
  if (!entrant.begins && (yield* isInside(batch, entrant.holder, limit, result))) return "open";
  const run = result === undefined ? undefined : yield* lookAtResult(batch, result.name);
  if (run === "busy") return "busy";
  if (run !== undefined && "stored" in run) return run;
  if (run?.holder !== undefined && run.holder !== entrant.holder)
    return yield* waitForResult(batch, entrant, run.key, run.holder);
  const place = limit === undefined ? undefined : yield* lookAtPlaces(batch, entrant, limit);
  if (place === "busy") return "busy";
  if (place?.free === false) return yield* waitForPlace(batch, entrant, place.gate);
  const token =
    rate === undefined || !entrant.begins ? undefined : yield* lookAtTokens(batch, rate);
  if (token === "busy") return "busy";
  if (token !== undefined && !token.free) {
    batch.sql.limits.setTokens.do({ key: token.gate.key, ...token.after, now: batch.now });
    defer(batch, entrant.holder, token.after.promised);
    return "held";
  }
  if (token !== undefined)
    batch.sql.limits.setTokens.do({ key: token.gate.key, ...token.after, now: batch.now });
  if (place !== undefined && !place.had)
    batch.sql.limits.takePlace.do({
      gate: place.gate.key,
      holder: entrant.holder,
      session: entrant.session,
    });
  if (run !== undefined)
    batch.sql.limits.reserve.do({
      key: run.key,
      holder: entrant.holder,
      session: entrant.session,
      ttl: result?.ttlMs,
    });
  return "open";
}

/** A workflow that goes on has passed its gates, unless it has left them by its end meanwhile: seen without their rows, which others need. */
function* isInside(
  batch: Batch,
  holder: number,
  limit: Gates["limit"],
  result: Gates["result"],
): Procedure<boolean> {
  const { limits } = batch.sql;
  if (limit !== undefined && (yield* limits.gatesOf.all({ holder })).length === 0) return false;
  return result === undefined || (yield* limits.reservedBy.all({ holder })).length > 0;
}

/** What stands under its name: a result, or whose it will be. */
function* lookAtResult(
  batch: Batch,
  name: string,
): Procedure<
  | { readonly stored: StoredResult }
  | { readonly key: number; readonly holder: number | undefined }
  | "busy"
> {
  const { limits } = batch.sql;
  let row = yield* limits.result.get({ name });
  if (row === undefined) {
    if ((yield* limits.resultKey.get({ name })) !== undefined) return "busy";
    yield* limits.insertResult.run({ name });
    row = yield* limits.result.get({ name });
    if (row === undefined) return "busy";
  }
  const { key, holder, stored, value, expires_at: expiresAt } = row;
  if (stored === 1 && value !== null && (expiresAt === null || expiresAt > batch.now))
    return { stored: { name, value } };
  return { key, holder: holder ?? undefined };
}

function* waitForResult(
  batch: Batch,
  entrant: Entrant,
  key: number,
  runner: number,
): Procedure<Entrance> {
  const { limits } = batch.sql;
  const { holder, rank, dueAt } = entrant;
  if (runner < 0 && (yield* standsAbove(batch, entrant)).has(-runner)) {
    const id = (yield* limits.idOf.get({ key: -runner }))?.id ?? "";
    return { deadlock: `it waits for its own result: ${id}, which runs it, waits for it` };
  }
  limits.wait.do({ gate: -key, holder, rank, dueAt });
  defer(batch, holder, never);
  return "held";
}

/** Those who wait for it in the end: its execution, if it is a task, and all above. */
function* standsAbove(batch: Batch, { execution, holder }: Entrant): Procedure<Set<number>> {
  const { limits } = batch.sql;
  const above = new Set<number>();
  let next: number | null =
    holder < 0 ? ((yield* limits.parentOf.get({ key: execution }))?.parent ?? null) : execution;
  while (next !== null && !above.has(next)) {
    above.add(next);
    next = (yield* limits.parentOf.get({ key: next }))?.parent ?? null;
  }
  return above;
}

interface Place {
  readonly gate: Gate;
  readonly free: boolean;
  /** It has one already. */
  readonly had: boolean;
}

function* lookAtPlaces(
  batch: Batch,
  { holder }: Entrant,
  { name, places }: NonNullable<Gates["limit"]>,
): Procedure<Place | "busy"> {
  const gate = yield* gateOf(batch, name, { places });
  if (gate === undefined) return "busy";
  const { limits } = batch.sql;
  if (gate.places !== places) {
    limits.setPlaces.do({ key: gate.key, places });
    batch.freed.add(gate.key); // there may be more of them now
  }
  if ((yield* limits.place.get({ gate: gate.key, holder })) !== undefined)
    return { gate, free: true, had: true };
  const count = (yield* limits.taken.get({ gate: gate.key }))?.count ?? 0;
  return { gate: { ...gate, places }, free: count < places, had: false };
}

/** The row of a gate, made at its first use; undefined if others are changing it. */
function* gateOf(
  batch: Batch,
  name: string,
  made: { readonly places?: number; readonly tokens?: number },
): Procedure<Gate | undefined> {
  const { limits } = batch.sql;
  const found = yield* limits.gate.get({ name });
  if (found !== undefined) return found;
  if ((yield* limits.gateKey.get({ name })) !== undefined) return undefined;
  yield* limits.insertGate.run({ name, ...made, now: batch.now });
  return yield* limits.gate.get({ name });
}

function* waitForPlace(batch: Batch, entrant: Entrant, gate: Gate): Procedure<Entrance> {
  const deadlock = yield* deadlockAt(batch, entrant, gate);
  if (deadlock !== undefined) return { deadlock };
  const { holder, rank, dueAt } = entrant;
  batch.sql.limits.wait.do({ gate: gate.key, holder, rank, dueAt });
  defer(batch, holder, never);
  return "held";
}

/** All who have a place wait, in the end, for this work: its execution and those above it. @returns what to say of it */
function* deadlockAt(
  batch: Batch,
  entrant: Entrant,
  { key, name, places }: Gate,
): Procedure<string | undefined> {
  const { limits } = batch.sql;
  const above = yield* standsAbove(batch, entrant);
  if (above.size < (places ?? 0)) return undefined;
  const holders = yield* limits.holders.all({ gate: key, limit: above.size + 1 });
  if (!holders.every((one) => one.holder < 0 && above.has(-one.holder))) return undefined;
  const { fn, key: of } = ofGate(name);
  const ids: string[] = [];
  for (const one of holders) {
    const row = yield* limits.idOf.get({ key: -one.holder });
    if (row !== undefined) ids.push(row.id);
  }
  return `"${fn}"${of === undefined ? "" : ` with key "${of}"`} waits for a place of maxConcurrent (${places ?? 0}) that only its own ancestors hold: ${ids.join(", ")}`;
}

interface Token {
  readonly gate: Gate;
  readonly free: boolean;
  readonly after: { readonly tokens: number; readonly promised: number };
}

/** A token bucket: full at first, filled evenly. */
function* lookAtTokens(
  batch: Batch,
  { name, tokens: most, perMs }: NonNullable<Gates["rate"]>,
): Procedure<Token | "busy"> {
  const gate = yield* gateOf(batch, name, { tokens: most });
  if (gate === undefined) return "busy";
  const { now } = batch;
  const msEach = perMs / most;
  const since = Math.max(0, now - gate.at);
  const tokens = Math.min(most, (gate.tokens ?? most) + since / msEach);
  // What is a hair's breadth short of a token by rounding is one.
  if (tokens > 1 - rounding)
    return {
      gate,
      free: true,
      after: { tokens: Math.max(0, tokens - 1), promised: gate.promised },
    };
  const soonest = now + Math.ceil((1 - tokens) * msEach);
  const promised = Math.max(soonest, Math.ceil(gate.promised + msEach));
  return { gate, free: false, after: { tokens, promised } };
}

const rounding = 1e-6;

function defer(batch: Batch, holder: number, dueAt: number): void {
  const { limits } = batch.sql;
  if (holder < 0) limits.deferExecution.do({ key: -holder, dueAt });
  else limits.deferTask.do({ key: holder, dueAt });
}

/** How work has left: "again" before its next attempt, "over" without a result, or with one. */
export type Leaving = "again" | "over" | { readonly stored: Payload | undefined };

/** The work is over, or will not begin, or pauses: its places are free, and its result is there or free. */
export function* leave(batch: Batch, holder: number, how: Leaving = "over"): Procedure<void> {
  const { limits } = batch.sql;
  for (const { gate } of yield* limits.gatesOf.all({ holder })) batch.freed.add(gate);
  limits.leave.do({ holder });
  if (how === "again") return;
  limits.stopWaiting.do({ holder });
  const reserved = yield* limits.reservedBy.all({ holder });
  if (reserved.length === 0) return;
  for (const { key } of reserved) batch.freed.add(-key);
  if (how === "over" || how.stored === undefined) limits.release.do({ holder });
  else limits.store.do({ holder, value: how.stored, now: batch.now });
}

/** The same of every attempt of a session that is dead. */
export function* leaveSession(batch: Batch, session: number): Procedure<void> {
  const { limits } = batch.sql;
  for (const { gate } of yield* limits.gatesOfSession.all({ session })) batch.freed.add(gate);
  limits.leaveSession.do({ session });
  for (const { holder } of yield* limits.reservedIn.all({ session })) {
    if (holder !== null && !(yield* isThere(batch, holder))) yield* leave(batch, holder);
  }
}

/** Whether it will be begun again. */
function* isThere(batch: Batch, holder: number): Procedure<boolean> {
  if (holder > 0) return (yield* batch.sql.tasks.byKey.get({ key: holder })) !== undefined;
  return (yield* batch.sql.executions.standing.get({ key: -holder }))?.ended_at === null;
}

/** How many of those who wait are read at a time. */
const mostAtOnce = 1_000;

/** Lets those in who wait for what this batch has freed (L2, L4). In the order of the gates, so that no two batches wait for each other. */
export function* letIn(batch: Batch): Procedure<void> {
  for (const key of [...batch.freed].toSorted((a, b) => a - b)) {
    batch.freed.delete(key);
    if (key < 0) yield* letInByResult(batch, -key);
    else yield* letSomeIn(batch, key, yield* freePlaces(batch, key));
  }
}

function* freePlaces(batch: Batch, key: number): Procedure<number> {
  const { limits } = batch.sql;
  const gate = yield* limits.freedGate.get({ key });
  const taken = (yield* limits.taken.get({ gate: key }))?.count ?? 0;
  return (gate?.places ?? 0) - taken;
}

/** A result is for all who wait; where there is none, one of them is to run. What nobody wants any more is forgotten. */
function* letInByResult(batch: Batch, key: number): Procedure<void> {
  const row = yield* batch.sql.limits.freedResult.get({ key });
  if (row === undefined || row.holder !== null) return;
  const left = yield* letSomeIn(batch, -key, row.stored === 1 ? Infinity : 1);
  if (left === 1 && row.stored === 0) batch.sql.limits.removeResult.do({ key });
}

/** @returns for how many more there is room */
function* letSomeIn(batch: Batch, gate: number, places: number): Procedure<number> {
  const { limits } = batch.sql;
  let free = places;
  while (free > 0) {
    const waiting = yield* limits.waiting.all({ gate, limit: Math.min(free, mostAtOnce) });
    if (waiting.length === 0) break;
    for (const { holder, due_at: dueAt } of waiting) {
      limits.stopWaiting.do({ holder });
      const of = { key: Math.abs(holder), dueAt, never };
      const readmit = holder < 0 ? limits.readmitExecution : limits.readmitTask;
      // Somebody who is not there any more waits for nothing.
      if ((yield* readmit.run(of)) > 0) free -= 1;
    }
    batch.hintReady();
  }
  return free;
}

/** The result that stands for a call, if there is one already. */
export function* storedFor(batch: Batch, gates: string): Procedure<StoredResult | undefined> {
  const { result } = gatesFrom(gates);
  if (result === undefined) return undefined;
  const { name } = result;
  const row = yield* batch.sql.limits.storedResult.get({ name, now: batch.now });
  return row === undefined || row.value === null ? undefined : { name, value: row.value };
}
