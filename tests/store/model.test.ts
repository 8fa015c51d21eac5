/**
 * Random sequences of what clients and workers do, against a model of a few lines: signals, cancel, claim, park, end and reap.
 * After every step each row is what the model says, and every invariant holds.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ConformanceBackend } from "../conformance/backend.ts";
import { postgresBackend } from "../conformance/postgres-backend.ts";
import { change, ended, entry, failures, park, Scene, type Held } from "../conformance/scene.ts";
import { sqliteInMemory } from "../conformance/sqlite-backend.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** An execution as it should be. Its workflow waits for one message after the other. */
interface Expected {
  readonly key: number;
  state: "pending" | "running" | "cancelling" | "completed" | "cancelled";
  worker: number | undefined;
  claim: number;
  wakeSeq: number;
  readonly notBefore: number;
  dueAt: number | undefined;
  inbox: string[];
  consumed: string[];
  /** The wait that is open; 0: its first turn has not been stored. */
  wait: number;
}

type Step =
  | { readonly kind: "dispatch"; readonly delayMs: number; readonly adopt: boolean }
  | { readonly kind: "signal" | "cancel" | "force"; readonly which: number }
  | { readonly kind: "claim"; readonly session: number }
  | { readonly kind: "look" | "receive" | "end"; readonly which: number }
  | { readonly kind: "park"; readonly which: number; readonly afterMs: number | undefined }
  | { readonly kind: "reap"; readonly session: number }
  | { readonly kind: "advance"; readonly ms: number };

const which = fc.nat(7);
const session = fc.nat(1);
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant("dispatch" as const),
    delayMs: fc.constantFrom(0, 0, 10),
    adopt: fc.boolean(),
  }),
  fc.record({
    kind: fc.constantFrom(
      "signal" as const,
      "signal" as const,
      "cancel" as const,
      "force" as const,
    ),
    which,
  }),
  fc.record({ kind: fc.constant("claim" as const), session }),
  fc.record({ kind: fc.constant("claim" as const), session }),
  fc.record({ kind: fc.constantFrom("look" as const, "receive" as const, "end" as const), which }),
  fc.record({
    kind: fc.constant("park" as const),
    which,
    afterMs: fc.constantFrom(undefined, 5, 20),
  }),
  fc.record({ kind: fc.constant("reap" as const), session }),
  fc.record({ kind: fc.constant("advance" as const), ms: fc.constantFrom(1, 5, 20) }),
);

/** On PostgreSQL a step takes thirty times as long. */
const runs = [
  [sqliteInMemory, 80],
  [postgresBackend, process.env["TEST_BACKEND"] === "postgres" ? 80 : 8],
] as const;

for (const [backend, numRuns] of runs) {
  test(`whatever clients and workers do, in whatever order, rows are what they should be, and every invariant holds: ${backend.name}`, async () => {
    const sequences = fc.array(steps, { minLength: 10, maxLength: 50 });
    await fc.assert(
      fc.asyncProperty(sequences, (all) => run(backend, all)),
      { numRuns },
    );
  });
}

async function run(backend: ConformanceBackend, all: readonly Step[]): Promise<void> {
  const clock = new ManualClock();
  const database = await backend.open({ clock, failures });
  try {
    const scene = new Scene(database, clock);
    const world = new World(scene, [await scene.register(), await scene.register()]);
    for (const step of all) {
      await world.take(step);
      await world.compare();
      assert.deepEqual(await scene.violations(), []);
    }
  } finally {
    await database.close();
  }
}

class World {
  readonly #scene: Scene;
  readonly #sessions: number[];
  readonly #executions = new Map<string, Expected>();
  /** Every claim that was ever made; most of them are stale. */
  readonly #claims: Held[] = [];
  #messages = 0;

  constructor(scene: Scene, sessions: number[]) {
    this.#scene = scene;
    this.#sessions = sessions;
  }

  async take(step: Step): Promise<void> {
    switch (step.kind) {
      case "dispatch":
        return this.#dispatch(step.delayMs, step.adopt);
      case "signal":
        return this.#signal(this.#id(step.which));
      case "cancel":
        return this.#cancel(this.#id(step.which), false);
      case "force":
        return this.#cancel(this.#id(step.which), true);
      case "claim":
        return this.#claim(this.#sessions[step.session] ?? 0);
      case "look":
        return this.#look(step.which);
      case "receive":
        return this.#receive(this.#claims[step.which % Math.max(1, this.#claims.length)]);
      case "park":
        return this.#park(
          this.#claims[step.which % Math.max(1, this.#claims.length)],
          step.afterMs,
        );
      case "end":
        return this.#end(this.#claims[step.which % Math.max(1, this.#claims.length)]);
      case "reap":
        return this.#reap(step.session);
      case "advance":
        return this.#scene.clock.advance(step.ms);
      default:
        return step satisfies never;
    }
  }

  async compare(): Promise<void> {
    for (const [id, expected] of this.#executions) {
      const row = await this.#scene.row(id);
      const inbox = await this.#scene.store.inbox(row.key, "go", 99);
      const { state, worker, claim, wakeSeq, dueAt } = row;
      const {
        inbox: messages,
        consumed: _consumed,
        wait: _wait,
        notBefore: _notBefore,
        key: _key,
        ...columns
      } = expected;
      assert.deepEqual({ state, worker, claim, wakeSeq, dueAt }, columns, id);
      assert.deepEqual(
        inbox.map((message) => message.payload),
        messages,
        id,
      );
    }
  }

  async #dispatch(delayMs: number, adopt: boolean): Promise<void> {
    const id = `x-${this.#executions.size}`;
    const { now } = this.#scene;
    const [by = 0] = this.#sessions;
    const answer = await this.#scene.dispatch({ id, delayMs }, adopt ? { adopt: by } : {});
    assert.ok(answer.kind === "created");
    const taken = adopt && delayMs === 0;
    const dueAt = now + delayMs;
    this.#executions.set(id, {
      key: answer.key,
      state: taken ? "running" : "pending",
      worker: taken ? by : undefined,
      claim: taken ? 1 : 0,
      wakeSeq: 0,
      notBefore: dueAt,
      dueAt,
      inbox: [],
      consumed: [],
      wait: 0,
    });
    if (taken)
      this.#claims.unshift({
        session: by,
        claim: 1,
        execution: answer.key,
        id,
        run: 1,
        wakeSeq: 0,
      });
  }

  async #signal(id: string | undefined): Promise<void> {
    const one = this.#executions.get(id ?? "");
    if (id === undefined || one === undefined) return;
    const payload = `m-${++this.#messages}`;
    const over = isOver(one);
    assert.equal(await this.#scene.signal(id, payload), over ? "finished" : "sent");
    if (over) return;
    one.inbox.push(payload);
    this.#wake(one);
  }

  async #cancel(id: string | undefined, force: boolean): Promise<void> {
    const one = this.#executions.get(id ?? "");
    if (id === undefined || one === undefined) return;
    assert.equal(await this.#scene.cancel(id, { force }), isOver(one) ? "finished" : "cancelled");
    if (isOver(one)) return;
    if (force || (one.state === "pending" && one.worker === undefined))
      this.#over(one, "cancelled");
    else if (one.state !== "cancelling") {
      one.state = "cancelling";
      one.dueAt = this.#scene.now;
      one.wakeSeq += 1;
    }
  }

  async #claim(by: number): Promise<void> {
    const { now } = this.#scene;
    const due = [...this.#executions].filter(
      ([, one]) => one.worker === undefined && one.dueAt !== undefined && one.dueAt <= now,
    );
    const { executions } = await this.#scene.claim(by);
    assert.deepEqual(executions.map((row) => row.id).toSorted(), due.map(([id]) => id).toSorted());
    for (const [id, one] of due) {
      one.worker = by;
      one.claim += 1;
      if (one.state === "pending") one.state = "running";
      this.#claims.unshift({
        session: by,
        claim: one.claim,
        execution: one.key,
        id,
        run: 1,
        wakeSeq: one.wakeSeq,
      });
    }
  }

  /** A holder reads its row anew. */
  async #look(index: number): Promise<void> {
    const held = this.#claims[index];
    if (held !== undefined) this.#claims[index] = await this.#scene.refreshed(held);
  }

  /** The oldest message is delivered, and the next one waited for. */
  async #receive(held: Held | undefined): Promise<void> {
    const one = held === undefined ? undefined : this.#executions.get(held.id);
    if (held === undefined || one === undefined) return;
    const [message] = await this.#scene.store.inbox(held.execution, "go", 1);
    const next = one.wait + 1;
    const received = message !== undefined && one.wait > 0;
    const answer = await this.#scene.turn(held, {
      entries: received || one.wait === 0 ? [entry(next, { kind: "signal" })] : [],
      changes: received ? [change(one.wait, one.wait)] : [],
      consumed: received ? [{ signal: message.key, seq: one.wait }] : [],
      knowsCancel: true,
    });
    assert.equal(answer.kind, this.#holds(held) ? "stored" : "refused");
    if (answer.kind === "refused" || (!received && one.wait > 0)) return;
    one.wait = next;
    if (received) one.consumed.push(one.inbox.shift() ?? "");
  }

  async #park(held: Held | undefined, afterMs: number | undefined): Promise<void> {
    const one = held === undefined ? undefined : this.#executions.get(held.id);
    if (held === undefined || one === undefined) return;
    const dueAt = afterMs === undefined ? undefined : this.#scene.now + afterMs;
    const parts = {
      entries: one.wait === 0 ? [entry(1, { kind: "signal" })] : [],
      knowsCancel: true,
    };
    const answer = await this.#scene.turn(held, parts, park(dueAt));
    if (!this.#holds(held)) {
      assert.equal(answer.kind, "refused");
      return;
    }
    const unseen = held.wakeSeq !== one.wakeSeq;
    assert.ok(answer.kind === "stored" && answer.released === !unseen);
    one.wait = Math.max(1, one.wait);
    if (unseen) return;
    one.worker = undefined;
    one.dueAt = dueAt;
  }

  async #end(held: Held | undefined): Promise<void> {
    const one = held === undefined ? undefined : this.#executions.get(held.id);
    if (held === undefined || one === undefined) return;
    const state = one.state === "cancelling" ? "cancelled" : "completed";
    const blind = await this.#scene.turn(held, {}, ended("completed"));
    if (!this.#holds(held)) {
      assert.equal(blind.kind, "refused");
      return;
    }
    if (state === "cancelled") {
      assert.deepEqual(blind, { kind: "refused", reason: "cancelled" });
      await this.#scene.stored(held, { knowsCancel: true }, ended("cancelled"));
    } else assert.equal(blind.kind, "stored");
    this.#over(one, state);
  }

  async #reap(index: number): Promise<void> {
    const dead = this.#sessions[index] ?? 0;
    // Not as if its process had died: suspects are taken one at a time.
    await this.#scene.one("reap", { session: dead, died: false });
    this.#sessions[index] = await this.#scene.register();
    for (const one of this.#executions.values()) {
      if (one.worker !== dead) continue;
      one.worker = undefined;
      one.dueAt = Math.max(one.notBefore, this.#scene.now);
      one.wakeSeq += 1;
    }
  }

  #wake(one: Expected): void {
    one.dueAt = Math.min(one.dueAt ?? Infinity, Math.max(one.notBefore, this.#scene.now));
    one.wakeSeq += 1;
  }

  #over(one: Expected, state: Expected["state"]): void {
    one.state = state;
    one.worker = undefined;
    one.dueAt = undefined;
  }

  #holds(held: Held): boolean {
    const one = this.#executions.get(held.id);
    return one?.worker === held.session && one.claim === held.claim;
  }

  #id(index: number): string | undefined {
    return [...this.#executions.keys()][index % Math.max(1, this.#executions.size)];
  }
}

function isOver(one: Expected): boolean {
  return one.state === "completed" || one.state === "cancelled";
}
