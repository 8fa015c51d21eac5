/**
 * What a batch would find when it begins, told beforehand from what this process has seen last: then all of it is sent in one go, with
 * statements in front that fail unless everything is as it was told. Most turns come from who holds their execution and has stored its
 * last one; nothing else can have happened to these but a cancel.
 *
 *   P1  What was told is asserted under the locks that a batch takes in any case (R1). Where it fails nothing is stored, and the batch
 *       begins anew by looking.
 *   P2  The time that is told is never before the database's own at the moment at which the batch was begun (I7).
 */
import type { HeldRow } from "../batch.ts";
import { standingBits, standingColumn } from "../statements/executions.ts";
import type { ClaimAnswer, DispatchAnswer, Settled, Transition, TurnRequest } from "../store.ts";
import { numberArray } from "./array-literal.ts";
import { begin, hasWork, writeId, type Opening, type WriteId } from "./opening.ts";
import type { Query } from "./statement.ts";

/** A batch whose beginning is told: what it would find, and the statements that fail if it would not. */
export interface Predicted {
  readonly opening: Opening;
  readonly queries: readonly Query[];
}

/** How long the distance between the two clocks is taken for the same. */
const clockHoldsMs = 1_000;

/** What this process knows of the executions that it holds. */
export class Predictions {
  readonly #held = new Map<number, HeldRow>();
  #latest = 0;
  #offset: { readonly ms: number; readonly since: number } | undefined;

  /** Undefined where something has to be looked at. */
  of(transitions: readonly Transition[], id: WriteId): Predicted | undefined {
    const now = this.#now();
    if (now === undefined) return undefined;
    const sessions = new Set<number>();
    const ending = new Set<number>();
    const rows = new Map<number, HeldRow>();
    for (const { kind, request } of transitions) {
      if (kind === "heartbeat") continue;
      if (kind === "claim") {
        sessions.add(request.session);
        continue;
      }
      if (kind === "dispatch" && request.executions.every(({ ownId }) => ownId === true)) {
        for (const session of request.adopt) if (session !== undefined) sessions.add(session);
        continue;
      }
      if (kind !== "turn" || touchesOthers(request)) return undefined;
      const row = this.#held.get(request.execution);
      if (row === undefined || rows.has(row.key)) return undefined;
      const ends = request.next.kind === "end";
      rows.set(row.key, { ...row, work: ends ? 0 : undefined });
      sessions.add(request.session);
      if (ends) ending.add(row.key);
    }
    if (transitions.length === 0) return undefined;
    return {
      opening: {
        now,
        anyMark: false,
        live: new Map([...sessions].map((key) => [key, true])),
        tasks: new Map(),
        taskRows: new Map(),
        executions: [...rows.values()],
        held: rows,
      },
      queries: queriesOf(id, sessions, [...rows.values()], ending),
    };
  }

  /** By P2: the database has told `databaseNow` to whoever asked at `asked`, by the clock of `performance`. */
  noteTime(databaseNow: number, asked: number): void {
    this.#offset = { ms: databaseNow + 1 - asked, since: asked };
  }

  /** Times of one process do not go back by the little that is told too late; a clock that was set back does. */
  inOrder(now: number): number {
    const latest = this.#latest - now < clockHoldsMs ? Math.max(this.#latest, now) : now;
    this.#latest = latest;
    return latest;
  }

  /** What was found when the batch began is so still, for those that their turn has left as they were; and what it has taken is as it was answered. */
  learn(
    transitions: readonly Transition[],
    settled: readonly Settled[],
    held: ReadonlyMap<number, HeldRow>,
  ): void {
    for (const [place, transition] of transitions.entries()) {
      const { kind, request } = transition;
      const one = settled[place];
      if (kind === "turn") {
        const row = held.get(request.execution);
        if (row !== undefined && isLeftAsItWas(request, one)) this.#keep(row);
        else this.#held.delete(request.execution);
      } else if (kind === "dispatch" || kind === "claim") {
        for (const row of takenRows(transition, one)) this.#keep(row);
      }
    }
  }

  /** Something was not as it was told. */
  forget(transitions: readonly Transition[]): void {
    for (const { kind, request } of transitions)
      if (kind === "turn") this.#held.delete(request.execution);
  }

  #now(): number | undefined {
    const at = performance.now();
    if (this.#offset === undefined || at - this.#offset.since > clockHoldsMs) return undefined;
    return Math.ceil(at + this.#offset.ms);
  }

  /** The newest last. What is not taken again is held no longer. */
  #keep(row: HeldRow): void {
    this.#held.delete(row.key);
    this.#held.set(row.key, row);
    if (this.#held.size <= mostHeld) return;
    for (const key of this.#held.keys()) {
      this.#held.delete(key);
      return;
    }
  }
}

const mostHeld = 20_000;

/** Whether it reads or writes more than its own execution, its parent's inbox, and what is new. */
function touchesOthers(request: TurnRequest): boolean {
  const { withdrawn, told, sends, dispatches, children, fanouts, knowsCancel } = request;
  const lists = [withdrawn, told, sends, dispatches, children, fanouts];
  return knowsCancel || lists.some((list) => list.length > 0);
}

/** Executions that a dispatch or a claim has taken, as far as its answer tells how they stand. */
function takenRows(
  transition: Extract<Transition, { readonly kind: "dispatch" | "claim" }>,
  settled: Settled | undefined,
): HeldRow[] {
  if (settled === undefined || !("answer" in settled)) return [];
  const { kind, request } = transition;
  if (kind === "dispatch") {
    return (settled.answer as DispatchAnswer).flatMap((one, index) => {
      const worker = request.adopt[index];
      const execution = request.executions[index];
      if (one.kind !== "created" || one.claim === 0) return [];
      if (worker === undefined || execution === undefined) return [];
      const { key, claim } = one;
      const standing = execution.maxDurationMs === undefined ? 0 : standingBits.deadline;
      return rootRow({ key, id: execution.id, worker, claim, run: 1, standing });
    });
  }
  return (settled.answer as ClaimAnswer).executions.flatMap((one) => {
    const { key, id, claim, run, cut, deadline, state, blocked } = one;
    if (state !== "running" || blocked || mayHaveParent(id)) return [];
    const standing =
      cut * standingBits.cut +
      (deadline === undefined ? 0 : standingBits.deadline) +
      (one.gates === undefined ? 0 : standingBits.gated);
    return rootRow({ key, id, worker: request.session, claim, run, standing });
  });
}

/** What nobody waits for as its parent. Told of a child it would be wrong, and asserted in vain (P1). */
function rootRow(
  row: Pick<HeldRow, "key" | "id" | "worker" | "claim" | "run" | "standing">,
): HeldRow {
  return { ...row, parent: null, parent_run: null, parent_seq: null, work: undefined };
}

/** Ids of children are made of their parent's, with slashes; other ids may have some as well. */
function mayHaveParent(id: string): boolean {
  return id.includes("/");
}

function isLeftAsItWas(request: TurnRequest, settled: Settled | undefined): boolean {
  if (settled === undefined || !("answer" in settled) || request.knowsCancel) return false;
  const { answer } = settled;
  const stored = typeof answer === "object" && "kind" in answer && answer.kind === "stored";
  return stored && "released" in answer && !answer.released && request.next.kind !== "continue";
}

function queriesOf(
  id: WriteId,
  sessions: ReadonlySet<number>,
  rows: readonly HeldRow[],
  ending: ReadonlySet<number>,
): Query[] {
  const held = new Set(rows.map(({ key }) => key));
  const parents = rows.flatMap(({ key, parent }) =>
    parent === null || held.has(parent) || !ending.has(key) ? [] : parent,
  );
  const locked: Partial<HeldRow>[] = [...rows, ...new Set(parents)].map((row) =>
    typeof row === "number" ? { key: row } : row,
  );
  const column = (of: (row: Partial<HeldRow>) => number | null | undefined): string =>
    numberArray(locked.map((row) => of(row) ?? null));
  return [
    query("begin", begin, []),
    query("told", toldSessions, [id.writer, id.batch, numberArray([...sessions]), sessions.size]),
    ...(locked.length === 0
      ? []
      : [
          query("told_executions", toldExecutions, [
            column(({ key }) => key),
            column(({ worker }) => worker),
            column(({ claim }) => claim),
            column(({ run }) => run),
            column(({ standing }) => standing),
            column(({ parent_seq }) => parent_seq ?? -1),
            locked.length,
          ]),
        ]),
    ...(ending.size === 0 ? [] : [query("told_work", toldWork, [numberArray([...ending])])]),
  ];
}

function query(name: string, text: string, values: unknown[]): Query {
  return { name: `stent_${name}`, text, values, rowMode: "array" };
}

/** A division by zero where a session is not live, or a mark has been left. */
const toldSessions = `
  with written as (${writeId}),
  live as (select key from stent_workers where key = any($3::bigint[]) and state = 'live' order by key for key share)
  select 1 / case when (select count(*) from written) = 1 and (select count(*) from live) = $4::bigint and not exists (select 1 from stent_marks) then 1 else 0 end`;

/** The same where an execution is not as it was told. Parents are locked only. */
const toldExecutions = `
  with locked as (
    select x.key
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
      as t(told, holder, number, of_run, stands, of_seq)
    join stent_executions x on x.key = t.told
    where t.holder is null or (
      x.worker = t.holder and x.claim = t.number and x.run = t.of_run and ${standingColumn} = t.stands
      and coalesce(x.parent_seq, -1) = t.of_seq)
    order by x.key for no key update of x)
  select 1 / case when count(*) = $7::bigint then 1 else 0 end from locked`;

/** The same where one that ends has work left. */
const toldWork = `
  select 1 / case when exists (
    select 1 from unnest($1::bigint[]) as x(key)
    where ${hasWork}) then 0 else 1 end`;
