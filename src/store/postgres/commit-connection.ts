import { randomUUID } from "node:crypto";
import type pg from "pg";
import { ClosedError } from "../../core/errors.ts";
import type { Hints, Settled, Transition, TurnAnswer, TurnRequest } from "../store.ts";
import { Aside, mayMeetUsers } from "./aside.ts";
import { TransitionError, writeBatch, type Committed, type Writing } from "./committing.ts";
import { discardPlans, isPowerOfTwo, type PostgresConnections } from "./connection.ts";
import { UntoldError } from "./conversation.ts";
import { begin } from "./opening.ts";
import { Predictions } from "./prediction.ts";
import { isConstraint, isLost, isRefusedData, isTransient, postgresCode } from "./errors.ts";
import { pause } from "./pause.ts";
import { Turns } from "./turns.ts";

/** How long a commit tries to reach the database, and to get its locks. */
const patienceMs = 30_000;

/** Locks are waited for shortly, since a whole batch waits: what holds one is then asked for by itself. */
const commitSettings = [
  "set lock_timeout = '200ms'",
  // Who is frozen in the middle of a batch holds up whoever is to take its work.
  "set idle_in_transaction_session_timeout = '5s'",
  // Statements are sent without waiting for those before: should a begin fail, what follows must not be stored by itself.
  "set default_transaction_read_only = on",
].join("; ");

/** Rows of processes that have stored nothing for so long; nobody asks for them any more. */
const forgetWriters = "delete from stent_writers where at < clock_timestamp() - interval '7 days'";

/** What writing has in common for every batch. */
type Shared = Pick<Writing, "lanes" | "failures" | "now" | "statements">;

/** A batch that meets a lock is tried again whole as often as this, and then in halves. */
const triesOfABatch = 2;

/** What another transaction has stored meanwhile is met by a constraint, and seen at the next try. */
const triesOfOne = 5;

/**
 * The one connection on which this process commits: opened when it is needed, and anew when it was lost.
 *
 *   C1  A commit whose answer was lost is not repeated before it is known that nothing of it is stored: its number stands in a row of this
 *       process, which is locked until the transaction is over.
 *   C2  A transition is refused by itself only if it is impossible by itself. What lasts no longer than another's transaction is waited for.
 *   C3  What a user's open transaction may stand in the way of is waited for aside: nothing else is.
 */
export class CommitConnection {
  readonly #connections: PostgresConnections;
  readonly #writing: Shared;
  readonly #writer = randomUUID();
  readonly #predictions = new Predictions();
  readonly #patienceMs: number;
  /** By C3. Undefined for what works aside itself. */
  readonly #spare: CommitConnection | undefined;
  readonly #aside: Aside | undefined;
  readonly #turns = new Turns();
  #batch = 0;
  #client: pg.Client | undefined;
  #closed = false;

  constructor(
    connections: PostgresConnections,
    writing: Shared,
    place: "first" | "aside" = "first",
  ) {
    this.#connections = connections;
    this.#writing = writing;
    this.#patienceMs = place === "first" ? patienceMs : 0;
    if (place === "aside") return;
    const spare = new CommitConnection(connections, writing, "aside");
    this.#spare = spare;
    this.#aside = new Aside((transition) => spare.write([transition]));
  }

  /** Stores all of these but for those that are impossible, behind what was handed in before. Rejects only if nothing is stored. */
  write(transitions: readonly Transition[]): Promise<Committed> {
    return this.#turns.take(() => this.#write(transitions));
  }

  async #write(transitions: readonly Transition[]): Promise<Committed> {
    const giveUpAt = performance.now() + this.#patienceMs;
    let checks = false;
    let foretold = false;
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#once(transitions, checks, !foretold);
      } catch (thrown) {
        foretold = true;
        const error = thrown instanceof UntoldError ? thrown.cause : thrown;
        if (thrown instanceof UntoldError && isUnmet(error)) {
          this.#predictions.forget(transitions);
          continue;
        }
        if (!checks && isUnmet(error)) {
          checks = true;
          continue;
        }
        if (error instanceof TransitionError) return this.#without(transitions, error);
        if (isLocked(error) && this.#aside !== undefined && transitions.some(mayMeetUsers))
          return this.#besides(transitions, this.#aside);
        if (isConstraint(error) || isRefusedData(error)) {
          const [only] = transitions;
          if (transitions.length > 1) return this.#inHalves(transitions);
          if (only === undefined || tries >= triesOfOne || isRefusedData(error))
            return refused(error);
        } else if (isTransient(error) && tries >= triesOfABatch && transitions.length > 1) {
          return this.#inHalves(transitions);
        } else if (!isTransient(error) && !isLost(error)) throw error;
        if (performance.now() > giveUpAt) throw error;
        await pause(tries);
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#spare?.close();
    await this.#client?.end().catch(() => undefined);
  }

  async #without(transitions: readonly Transition[], error: TransitionError): Promise<Committed> {
    if (transitions.length === 1) return refused(error.cause);
    if (error.place < 0) return this.#inHalves(transitions);
    const rest = await this.#write(transitions.filter((_, place) => place !== error.place));
    const settled = rest.settled.toSpliced(error.place, 0, { error: error.cause });
    return { settled, hints: rest.hints };
  }

  /** By C3. */
  async #besides(transitions: readonly Transition[], aside: Aside): Promise<Committed> {
    const rest = transitions.filter((transition) => !mayMeetUsers(transition));
    const { settled, hints } = rest.length === 0 ? nothing : await this.#write(rest);
    const others = settled.values();
    return {
      hints,
      settled: transitions.map((transition) =>
        mayMeetUsers(transition)
          ? { later: aside.write(transition) }
          : (others.next().value ?? { error: new Error("it had no turn") }),
      ),
    };
  }

  async #inHalves(transitions: readonly Transition[]): Promise<Committed> {
    const half = Math.ceil(transitions.length / 2);
    const first = await this.#write(transitions.slice(0, half));
    try {
      const second = await this.#write(transitions.slice(half));
      return {
        settled: [...first.settled, ...second.settled],
        hints: together(first.hints, second.hints),
      };
    } catch (error) {
      // The first half is stored, so this one has to be answered by itself.
      const settled = transitions.slice(half).map((): Settled => ({ error }));
      return { settled: [...first.settled, ...settled], hints: first.hints };
    }
  }

  /** `foretell`: how it begins may be told beforehand. */
  async #once(
    transitions: readonly Transition[],
    checks: boolean,
    foretell: boolean,
  ): Promise<Committed> {
    const client = await this.#connected();
    this.#batch += 1;
    if (isPowerOfTwo(this.#batch)) client.query(discardPlans).catch(() => undefined);
    const id = { writer: this.#writer, batch: this.#batch };
    const predicted = foretell && !checks ? this.#predictions.of(transitions, id) : undefined;
    const begun = performance.now();
    let committing: (() => Committed) | undefined;
    try {
      const committed = await writeBatch(
        {
          ...this.#writing,
          id,
          checks,
          predicted,
          inOrder: (now) => this.#predictions.inOrder(now),
          send: (query) => client.query(query),
          committing: (committed) => {
            committing = committed;
          },
        },
        transitions,
      );
      const { opening, settled, hints } = committed;
      if (predicted === undefined) this.#predictions.noteTime(opening.now, begun);
      this.#predictions.learn(transitions, settled, opening.held);
      return { settled, hints };
    } catch (error) {
      if (await rolledBack(client)) throw error;
      this.#client = undefined;
      void client.end().catch(() => undefined);
      if (committing === undefined || !(await this.#isStored(id.batch))) throw error;
      return this.#withReleases(transitions, committing());
    }
  }

  /** The answers to what was asked last came with that of the commit, and are lost: whether an execution was let go is looked up. */
  async #withReleases(
    transitions: readonly Transition[],
    { settled, hints }: Committed,
  ): Promise<Committed> {
    const parked = transitions.flatMap(({ kind, request }) =>
      kind === "turn" && request.next.kind === "park" ? request : [],
    );
    const held = await this.#heldOf(parked);
    const looked = settled.map((one, place): Settled => {
      const { kind, request } = transitions[place] as Transition;
      const stored = "answer" in one && isStoredTurn(one.answer) ? one.answer : undefined;
      if (kind !== "turn" || request.next.kind !== "park" || stored === undefined) return one;
      return { answer: { ...stored, released: !held.has(request.execution) } };
    });
    return { settled: looked, hints };
  }

  /** Those of these executions that are held as they were. */
  async #heldOf(requests: readonly TurnRequest[]): Promise<ReadonlySet<number>> {
    if (requests.length === 0) return new Set();
    const { rows } = await this.#untilKnown((client) =>
      client.query<{ key: number; worker: number | null; claim: number }>(
        "select key, worker, claim from stent_executions where key = any($1::bigint[])",
        [requests.map(({ execution }) => execution)],
      ),
    );
    const held = rows.filter(({ key, worker, claim }) =>
      requests.some(
        (one) => one.execution === key && one.session === worker && one.claim === claim,
      ),
    );
    return new Set(held.map(({ key }) => key));
  }

  async #connected(): Promise<pg.Client> {
    if (this.#closed) throw new ClosedError();
    if (this.#client !== undefined) return this.#client;
    const client = await this.#connections.connectClient({
      purpose: "commit",
      pipeline: true,
      byIndex: true,
    });
    client.once("end", () => {
      if (this.#client === client) this.#client = undefined;
    });
    await client.query(`${forgetWriters}; ${commitSettings}`);
    this.#client = client;
    if (!this.#closed) return client;
    await this.close();
    throw new ClosedError();
  }

  /** By C1. */
  async #isStored(batch: number): Promise<boolean> {
    return this.#untilKnown(async (client) => {
      const [, { rows }] = await Promise.all([
        client.query(begin),
        client.query<{ batch: number }>(fenceOff, [this.#writer, batch]),
        client.query("commit"),
      ]);
      return rows[0]?.batch === batch;
    });
  }

  /** Asks until there is an answer. */
  async #untilKnown<T>(ask: (client: pg.Client) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await ask(await this.#connected());
      } catch (error) {
        if (this.#client !== undefined && !(await rolledBack(this.#client)))
          this.#client = undefined;
        if (this.#closed || !(isTransient(error) || isLost(error))) throw error;
        await pause(tries);
      }
    }
  }
}

function isStoredTurn(
  answer: Extract<Settled, { answer: unknown }>["answer"],
): answer is Extract<TurnAnswer, { kind: "stored" }> {
  return typeof answer === "object" && "kind" in answer && answer.kind === "stored";
}

/**
 * The number of the last batch that is stored, once the transaction that is in doubt is over. What of it may still be on its way to the
 * server cannot be stored any more. An insert, since the row of a first batch that is not committed yet is to be waited for, and no
 * select would see it.
 */
export const fenceOff =
  "insert into stent_writers (id, batch, fence, at) values ($1, 0, $2, clock_timestamp()) on conflict (id) do update set fence = excluded.fence returning batch";

/** True where something that must be there was not, in one of many: its assertion has failed. */
function isUnmet(error: unknown): boolean {
  return postgresCode(error) === "22012";
}

/** @returns false if the connection does not do any more */
async function rolledBack(client: pg.Client): Promise<boolean> {
  try {
    await client.query("rollback");
    return true;
  } catch {
    return false;
  }
}

const nothing: Committed = {
  settled: [],
  hints: { woken: [], ended: [], ready: false, stopped: [] },
};

function refused(error: unknown): Committed {
  return { ...nothing, settled: [{ error }] };
}

function isLocked(error: unknown): boolean {
  return postgresCode(error) === "55P03";
}

function together(a: Hints, b: Hints): Hints {
  return {
    woken: [...a.woken, ...b.woken],
    ended: [...a.ended, ...b.ended],
    ready: a.ready || b.ready,
    stopped: [...a.stopped, ...b.stopped],
  };
}
