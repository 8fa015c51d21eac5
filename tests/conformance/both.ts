/** SQLite and PostgreSQL side by side: what is asked of the one is asked of the other, and everything that they answer and keep has to be the same. */
import assert from "node:assert/strict";
import type { Hints, Settled, Transition } from "../../src/store/store.ts";
import { ManualClock } from "../support/manual-clock.ts";
import type { OpenDatabase } from "./backend.ts";
import type { Step } from "./operations.ts";
import {
  Names,
  pairRows,
  readRows,
  removeRows,
  type PairedRows,
  type Side,
} from "./paired-rows.ts";
import { postgresBackend } from "./postgres-backend.ts";
import { readsOf } from "./reads.ts";
import { registration, transitionsOf } from "./requests.ts";
import { answerOf, hintsOf } from "./same-words.ts";
import { failures } from "./scene.ts";
import { sqliteInMemory } from "./sqlite-backend.ts";
import type { Holding, Keys, PairedTransition, TaskHolding, World } from "./world.ts";

/** Of sessions. */
const places = 3;
const sides = [0, 1] as const;

type Databases = readonly [OpenDatabase, OpenDatabase];

/** Opened once: of PostgreSQL a schema takes longer than a run. */
export class Both {
  readonly #clock = new ManualClock();
  readonly #databases: Databases;

  private constructor(databases: Databases, clock: ManualClock) {
    this.#databases = databases;
    this.#clock = clock;
  }

  static async open(): Promise<Both> {
    const clock = new ManualClock();
    const sqlite = await sqliteInMemory.open({ clock, failures });
    return new Both([sqlite, await postgresBackend.open({ clock, failures })], clock);
  }

  /** One sequence from empty tables on. @throws where the two differ, or an invariant does not hold */
  async run(steps: readonly Step[]): Promise<void> {
    for (const database of this.#databases) await removeRows((sql) => database.query(sql));
    const run = new Run(this.#databases, this.#clock);
    await run.begin();
    for (const step of steps) await run.take(step);
    await run.end();
  }

  async close(): Promise<void> {
    for (const database of this.#databases) await database.close();
  }
}

class Run implements World {
  readonly #databases: Databases;
  readonly #clock: ManualClock;
  readonly #names = [new Names(), new Names()] as const;
  held: readonly Holding[] = [];
  tasks: readonly TaskHolding[] = [];
  readonly sessions: Keys[] = [];
  #rows: PairedRows | undefined;
  #fresh = 0;

  constructor(databases: Databases, clock: ManualClock) {
    this.#databases = databases;
    this.#clock = clock;
  }

  get rows(): PairedRows {
    assert.ok(this.#rows !== undefined, "nothing has been read");
    return this.#rows;
  }

  get now(): number {
    return this.#clock.now();
  }

  fresh = (): number => (this.#fresh += 1);

  async begin(): Promise<void> {
    await this.#look();
    for (let place = 0; place < places; place += 1) await this.#commit([registration(this, place)]);
  }

  async take({ operations, thenMs }: Step): Promise<void> {
    const transitions = transitionsOf(this, operations);
    if (transitions.length > 0) await this.#commit(transitions);
    if (operations.some(({ kind }) => kind === "trim")) await this.#trim();
    this.#clock.advance(thenMs);
  }

  async end(): Promise<void> {
    const [sqlite, postgres] = this.#databases;
    const reads = await Promise.all(
      sides.map((side) => readsOf(this.#databases[side].store, this.rows, side, this.#names[side])),
    );
    assert.deepEqual(reads[1], reads[0], "what is read of PostgreSQL is not what SQLite has");
    assert.deepEqual(await sqlite.violations(this.now), []);
    assert.deepEqual(await postgres.violations(this.now), []);
  }

  /** To its end: of several runs that are over either database may take another one first. */
  async #trim(): Promise<void> {
    const rounds = [0, 0];
    for (const side of sides) {
      for (let more = true; more; rounds[side] = (rounds[side] ?? 0) + 1) {
        const { settled } = await this.#databases[side].store.commit([trim]);
        more = answerOf("trim", settled[0], this.#names[side]) === "true";
      }
    }
    assert.equal(rounds[1], rounds[0], "there is more to trim on one than on the other");
    await this.#look();
  }

  async #commit(pairs: readonly PairedTransition[]): Promise<void> {
    const [sqlite, postgres] = this.#databases;
    const a = await sqlite.store.commit(pairs.map((pair): Transition => pair[0]));
    const b = await postgres.store.commit(pairs.map((pair): Transition => pair[1]));
    await this.#look();
    const told = [this.#told(pairs, a, 0), this.#told(pairs, b, 1)] as const;
    assert.deepEqual(told[1], told[0], "PostgreSQL does not answer as SQLite does");
    this.#learn(pairs, a.settled, b.settled);
  }

  #told(
    pairs: readonly PairedTransition[],
    { settled, hints }: { readonly settled: readonly Settled[]; readonly hints: Hints },
    side: Side,
  ): { readonly answers: readonly string[]; readonly hints: unknown } {
    const names = this.#names[side];
    const answers = pairs.map(([{ kind }], place) => answerOf(kind, settled[place], names));
    return { answers, hints: hintsOf(hints, names) };
  }

  async #look(): Promise<void> {
    const [sqlite, postgres] = this.#databases;
    const a = await readRows((sql) => sqlite.query(sql), this.#names[0]);
    const b = await readRows((sql) => postgres.query(sql), this.#names[1]);
    this.#rows = pairRows([a, b], this.#names);
  }

  /** What sessions have taken by that commit. */
  #learn(pairs: readonly PairedTransition[], a: readonly Settled[], b: readonly Settled[]): void {
    for (const [place, [{ kind, request }]] of pairs.entries()) {
      if (kind !== "register") continue;
      const keys = [a[place], b[place]].map((one) =>
        one !== undefined && "answer" in one ? Number(one.answer) : -1,
      );
      this.sessions[Number(request.id.split("-").at(-1))] = [keys[0] ?? -1, keys[1] ?? -1];
    }
    this.held = heldNow(this.held, this.rows.stent_executions);
    this.tasks = heldNow(this.tasks, this.rows.stent_tasks);
  }
}

const trim: Transition = { kind: "trim", request: {} };

interface Claimed {
  readonly key: number;
  readonly claim: number;
  readonly run: number;
  readonly worker: number | null;
}

/** What was ever held, each as it was when it was taken: what is held still before the rest, and what was taken last before what was first. */
function heldNow<T extends readonly [Claimed, Claimed]>(
  before: readonly T[],
  rows: readonly T[],
): readonly T[] {
  const isIn = (all: readonly T[], [{ key, claim, run, worker }]: T): boolean =>
    all.some(
      ([one]) => one.key === key && one.claim === claim && one.run === run && one.worker === worker,
    );
  const held = rows.filter(([{ worker }]) => worker !== null);
  return [
    ...held.filter((pair) => !isIn(before, pair)),
    ...before.filter((pair) => isIn(held, pair)),
    ...before.filter((pair) => !isIn(held, pair)),
  ];
}
