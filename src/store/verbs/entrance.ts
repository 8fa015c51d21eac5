/**
 * Places of `maxConcurrent`, tokens of `rateLimit`, and results that stand for every other run (`idempotent`, `cached`).
 *
 *   L1  A place is taken by the claim that begins the work, under the row of its gate, and freed by the write that ends it: an attempt's with
 *       its outcome or with its session, a workflow's with its end. What was told to stop keeps its place until it has answered.
 *   L2  What may not begin waits aside, in `stent_waits`, and is due at no time: a claim does not meet it again until it is called.
 *   L3  What is run once reserves its result before it begins, and stores it with its outcome. Who comes meanwhile waits as for a place, and is
 *       called by the outcome: then the result stands for its run, or, where that failed for good, the first of them runs.
 *   L4  Whoever frees something, or leaves something to others, calls those who wait (see calling.ts). Nobody waits for the row of a gate: who
 *       claims passes over what others are changing, who calls leaves a wake. So no two batches wait for each other, and nothing is freed unseen.
 */
import { gatesFrom, ofGate, type Gates } from "../../core/gates.ts";
import type { StoredResult } from "../store.ts";
import type { Batch, RowOf, Statements } from "../batch.ts";
import { never } from "../never.ts";
import type { Procedure } from "../procedure.ts";
import { hasToken, tokensOf } from "./tokens.ts";

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
  readonly lane: number;
  readonly rank: number;
  readonly dueAt: number;
  /** When it is to be looked at whether it was called or not: its deadline, where its code is to run then. */
  readonly until?: number | undefined;
}

/** "held": it was put aside. "busy": others are changing a gate just now. Else whether it may begin, or can never: who stands in its way waits for it. */
export type Entrance =
  | "open"
  | "held"
  | "busy"
  | { readonly deadlock: string; readonly stored?: undefined }
  | { readonly stored: StoredResult; readonly deadlock?: undefined };

/** Places of a gate, of which this batch has the row. */
interface Places {
  readonly gate: Gate;
  readonly places: number;
  taken: number;
}

/** A bucket, of which this batch has the row. */
interface Bucket {
  readonly gate: Gate;
  readonly size: number;
  readonly perMs: number;
  tokens: number;
}

/** What stands under a name: a result, or whose it will be. */
type Run =
  | { readonly stored: StoredResult }
  | { readonly stored?: undefined; readonly key: number; holder: number | undefined };

/** The gates that the candidates of one claim have to pass: each is looked at once, all side by side. */
export class Entrances {
  readonly #batch: Batch;
  readonly #places = new Map<string, Places | "busy">();
  readonly #buckets = new Map<string, Bucket | "busy">();
  readonly #runs = new Map<string, Run | "busy">();
  readonly #parents = new Map<number, number | null>();

  constructor(batch: Batch) {
    this.#batch = batch;
  }

  /** Looks at what these have to pass. In the order of their names, in which whoever makes new rows makes them. */
  *look(gates: Iterable<string>): Procedure<void> {
    const limits = new Map<string, NonNullable<Gates["limit"]>>();
    const rates = new Map<string, NonNullable<Gates["rate"]>>();
    const results = new Map<string, NonNullable<Gates["result"]>>();
    for (const text of new Set(gates)) {
      const { limit, rate, result } = gatesFrom(text);
      if (limit !== undefined && !this.#places.has(limit.name)) limits.set(limit.name, limit);
      if (rate !== undefined && !this.#buckets.has(rate.name)) rates.set(rate.name, rate);
      if (result !== undefined && !this.#runs.has(result.name)) results.set(result.name, result);
    }
    const batch = this.#batch;
    const named = inOrder(results);
    yield* batch.each(named, (result) => this.#lookAtResult(result));
    const [places, buckets] = [inOrder(limits), inOrder(rates)];
    yield* batch.each(places, (limit) => this.#lookAtPlaces(limit));
    yield* batch.each(buckets, (rate) => this.#lookAtBucket(rate));
  }

  /** Takes what the work needs to begin, or puts it aside. */
  *enter(entrant: Entrant): Procedure<Entrance> {
    const { limit, rate, result } = gatesFrom(entrant.gates);
    if (!entrant.begins && (yield* this.#isInside(entrant.holder, limit, result))) return "open";
    const run = result && this.#runs.get(result.name);
    const places = limit && this.#places.get(limit.name);
    const bucket = rate && entrant.begins ? this.#buckets.get(rate.name) : undefined;
    if (run === "busy" || places === "busy" || bucket === "busy") return "busy";
    if (run?.stored !== undefined) {
      this.#batch.sql.limits.stopWaiting.do({ holder: entrant.holder });
      return run;
    }
    if (run?.holder !== undefined && run.holder !== entrant.holder) {
      this.#leaveToOthers(places, bucket);
      return yield* this.#waitForResult(entrant, run.key, run.holder);
    }
    if (places !== undefined && places.taken >= places.places) {
      this.#leaveToOthers(bucket);
      return yield* this.#waitForPlace(entrant, places);
    }
    if (bucket !== undefined && !hasToken(bucket.tokens)) {
      this.#leaveToOthers(places);
      return this.#waitForToken(entrant, bucket);
    }
    this.#pass(entrant, { run, places, bucket, ttl: result?.ttlMs });
    return "open";
  }

  #pass(
    { holder, session }: Entrant,
    {
      run,
      places,
      bucket,
      ttl,
    }: {
      readonly run: Exclude<Run, { readonly stored: StoredResult }> | undefined;
      readonly places: Places | undefined;
      readonly bucket: Bucket | undefined;
      readonly ttl: number | undefined;
    },
  ): void {
    const { limits } = this.#batch.sql;
    limits.stopWaiting.do({ holder });
    if (bucket !== undefined) {
      bucket.tokens = Math.max(0, bucket.tokens - 1);
      this.#batch.freed.add(bucket.gate.key); // the next token is for the next
    }
    if (places !== undefined) {
      places.taken += 1;
      limits.takePlace.do({ gate: places.gate.key, holder, session });
    }
    if (run !== undefined) {
      run.holder = holder;
      limits.reserve.do({ key: run.key, holder, session, ttl });
    }
  }

  /** What is in the buckets now. Comes behind the last who entered. */
  write(): void {
    const { sql, now } = this.#batch;
    for (const bucket of this.#buckets.values()) {
      if (bucket === "busy") continue;
      const { gate, size: places, perMs: per, tokens } = bucket;
      // Not before the time of the last who wrote it: what was filled since then would be filled again.
      const at = Math.max(gate.at, now);
      sql.limits.setTokens.do({ key: gate.key, places, per, tokens, now: at });
    }
    this.#buckets.clear();
  }

  /** A workflow that goes on has passed its gates, unless it has left them by its end meanwhile: seen without their rows, which others need. */
  *#isInside(holder: number, limit: Gates["limit"], result: Gates["result"]): Procedure<boolean> {
    const traces = yield* this.#batch.sql.limits.tracesOf.all({ holder });
    const has = (trace: "place" | "result"): boolean => traces.some(({ what }) => what === trace);
    return (limit === undefined || has("place")) && (result === undefined || has("result"));
  }

  // ── looking ──

  *#lookAtResult({ name }: NonNullable<Gates["result"]>): Procedure<void> {
    const { limits } = this.#batch.sql;
    let row = yield* limits.result.get({ name });
    if (row === undefined && (yield* limits.resultKey.get({ name })) === undefined) {
      yield* limits.insertResult.run({ name });
      row = yield* limits.result.get({ name });
    }
    this.#runs.set(name, row === undefined ? "busy" : this.#runOf(row));
  }

  #runOf(row: RowOf<Statements["limits"]["result"]>): Run {
    const { key, name, holder, stored, value, expires_at: expiresAt } = row;
    if (stored === 1 && value !== null && (expiresAt === null || expiresAt > this.#batch.now))
      return { stored: { name, value } };
    return { key, holder: holder ?? undefined };
  }

  *#lookAtPlaces({ name, places }: NonNullable<Gates["limit"]>): Procedure<void> {
    const gate = yield* this.#gateOf(name, { places });
    if (gate === undefined) {
      this.#places.set(name, "busy");
      return;
    }
    const { limits } = this.#batch.sql;
    if (gate.places !== places) {
      limits.setPlaces.do({ key: gate.key, places });
      this.#batch.freed.add(gate.key); // there may be more of them now
    }
    const taken = (yield* limits.taken.get({ gate: gate.key }))?.count ?? 0;
    this.#places.set(name, { gate, places, taken });
  }

  *#lookAtBucket({ name, tokens: size, perMs }: NonNullable<Gates["rate"]>): Procedure<void> {
    const gate = yield* this.#gateOf(name, { places: size, per: perMs, tokens: size });
    const tokens = gate && tokensOf({ ...gate, places: size, per: perMs }, this.#batch.now);
    this.#buckets.set(
      name,
      gate === undefined || tokens === undefined ? "busy" : { gate, size, perMs, tokens },
    );
  }

  /** The row of a gate, made at its first use; undefined if others are changing it. */
  *#gateOf(
    name: string,
    made: { readonly places: number; readonly per?: number; readonly tokens?: number },
  ): Procedure<Gate | undefined> {
    const { sql, now } = this.#batch;
    const { limits } = sql;
    const found = yield* limits.gate.get({ name });
    if (found !== undefined) return found;
    if ((yield* limits.gateKey.get({ name })) !== undefined) return undefined;
    yield* limits.insertGate.run({ name, ...made, now });
    return yield* limits.gate.get({ name });
  }

  // ── waiting ──

  *#waitForResult(entrant: Entrant, key: number, runner: number): Procedure<Entrance> {
    if (runner < 0 && (yield* this.#standsAbove(entrant)).has(-runner)) {
      const id = (yield* this.#batch.sql.limits.idOf.get({ key: -runner }))?.id ?? "";
      return { deadlock: `it waits for its own result: ${id}, which runs it, waits for it` };
    }
    return this.#wait(entrant, -key);
  }

  *#waitForPlace(entrant: Entrant, places: Places): Procedure<Entrance> {
    const deadlock = yield* this.#deadlockAt(entrant, places);
    return deadlock === undefined ? this.#wait(entrant, places.gate.key) : { deadlock };
  }

  /** There is always one who was called for the next token. */
  #waitForToken(entrant: Entrant, { gate: { key } }: Bucket): Entrance {
    this.#batch.freed.add(key);
    return this.#wait(entrant, key);
  }

  /** It may have been called to one of them, and waits elsewhere now: what is free there is for the next. */
  #leaveToOthers(...gates: readonly (Places | Bucket | undefined)[]): void {
    for (const one of gates) if (one !== undefined) this.#batch.freed.add(one.gate.key);
  }

  #wait({ holder, lane, rank, dueAt, until = never }: Entrant, gate: number): Entrance {
    const { limits } = this.#batch.sql;
    limits.wait.do({ gate, holder, lane, rank, dueAt });
    limits.leaveOtherLines.do({ gate, holder });
    if (holder < 0) limits.deferExecution.do({ key: -holder, dueAt: until });
    else limits.deferTask.do({ key: holder, dueAt: never });
    return "held";
  }

  /** All who have a place wait, in the end, for this work: its execution and those above it. @returns what to say of it */
  *#deadlockAt(entrant: Entrant, { gate, places }: Places): Procedure<string | undefined> {
    const { limits } = this.#batch.sql;
    // An attempt waits for nobody.
    if ((yield* limits.anyAttempt.get({ gate: gate.key })) !== undefined) return undefined;
    const above = yield* this.#standsAbove(entrant);
    if (above.size < places) return undefined;
    const holders = yield* limits.holders.all({ gate: gate.key, limit: above.size + 1 });
    if (!holders.every((one) => above.has(-one.holder))) return undefined;
    const { fn, key: of } = ofGate(gate.name);
    const ids: string[] = [];
    for (const one of holders) {
      const row = yield* limits.idOf.get({ key: -one.holder });
      if (row !== undefined) ids.push(row.id);
    }
    return `"${fn}"${of === undefined ? "" : ` with key "${of}"`} waits for a place of maxConcurrent (${places}) that only its own ancestors hold: ${ids.join(", ")}`;
  }

  /** Those who wait for it in the end: its execution, if it is a task, and all above. */
  *#standsAbove({ execution, holder }: Entrant): Procedure<Set<number>> {
    const above = new Set<number>();
    let next = holder < 0 ? yield* this.#parentOf(execution) : execution;
    while (next !== null && !above.has(next)) {
      above.add(next);
      next = yield* this.#parentOf(next);
    }
    return above;
  }

  *#parentOf(key: number): Procedure<number | null> {
    let parent = this.#parents.get(key);
    if (parent === undefined) {
      parent = (yield* this.#batch.sql.limits.parentOf.get({ key }))?.parent ?? null;
      this.#parents.set(key, parent);
    }
    return parent;
  }
}

function inOrder<T>(named: ReadonlyMap<string, T>): T[] {
  return [...named].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}

/** The result that stands for a call, if there is one already. */
export function* storedFor(batch: Batch, gates: string): Procedure<StoredResult | undefined> {
  const { result } = gatesFrom(gates);
  if (result === undefined) return undefined;
  const { name } = result;
  const row = yield* batch.sql.limits.storedResult.get({ name, now: batch.now });
  return row === undefined || row.value === null ? undefined : { name, value: row.value };
}
