import assert from "node:assert/strict";
import { test } from "node:test";
import Database from "better-sqlite3";
import {
  activity,
  call,
  remote,
  signal,
  sleep,
  Stent,
  workflow,
  type Activity,
  type ExecutionStatus,
} from "stentjs";
import { executionCounts } from "../../../src/store/statements/admin.ts";
import { listing } from "../../../src/store/statements/listing.ts";
import { compile } from "../../../src/store/statements/statement.ts";
import { MemoryLogger } from "../../support/memory-logger.ts";
import { asAdmin, freshDatabase } from "../../support/postgres.ts";
import { databaseFile, Gate, until } from "../../support/serving.ts";

const broken = activity("rare.broken", { retry: { maxAttempts: 1 } }, async () => {
  throw new RangeError("declined");
});
const retried = activity("rare.retried", { retry: { initialDelay: "1h" } }, async () => {
  throw new RangeError("not yet");
});
const failing = workflow("rare.failing", function* () {
  yield* call(broken);
});
const waiting = workflow("rare.waiting", function* () {
  yield* signal("go");
});
const sleeping = workflow("rare.sleeping", function* () {
  yield* sleep("1h");
});
const calling = workflow("rare.calling", function* () {
  yield* call(far.with({ queue: "far" }));
});
const far = remote<Activity<[], void>>("rare.far", { kind: "activity", queue: "far" });
let gate = new Gate();
const held = activity("rare.held", () => gate.passed);

/** More than are looked up. */
const many = 5_001;
/** As rows of executions that were taken once, and are due in a thousand years. */
const insertMany = (numbers: string): string => `
  insert into stent_executions (id, kind, name, state, input, rank, lane, created_at, started_at, due_at, not_before, scheduled_at, claim)
  select 'many-' || i, 'workflow', 'rare.many', 'running', 'j[]', 0, (select min(key) from stent_lanes), 1, 1, 40000000000000, 1, 1, 1 from ${numbers}`;

const databases = {
  SQLite: (t: Parameters<typeof freshDatabase>[0]) => {
    const path = databaseFile(t);
    return Promise.resolve({
      url: path,
      fill: () => {
        const database = new Database(path);
        database.exec(
          insertMany(
            `(with recursive n(i) as (select 1 union all select i + 1 from n where i < ${many}) select i from n)`,
          ),
        );
        database.close();
        return Promise.resolve();
      },
    });
  },
  PostgreSQL: async (t: Parameters<typeof freshDatabase>[0]) => {
    const url = await freshDatabase(t);
    const text = insertMany(`generate_series(1, ${many}) as n(i)`);
    return {
      url,
      fill: async () => {
        await asAdmin(text.replaceAll(/\bstent_/g, "stent.stent_"), url);
      },
    };
  },
};

for (const [kind, made] of Object.entries(databases)) {
  test(`a list of what has not completed has each of it, among few and among many (${kind})`, async (t) => {
    const { url, fill } = await made(t);
    await using stent = await Stent.bootstrap(
      { backend: url, logger: new MemoryLogger() },
      { serve: { queues: ["default"] } },
    );
    await (await stent.dispatch(failing, [], { id: "failed" })).wait();
    for (const [id, flow] of Object.entries({ waiting, sleeping, calling }))
      await stent.dispatch(flow, [], { id });
    await stent.dispatch(retried, [], { id: "retried" });
    await stent.dispatch(far, [], { id: "pending" });
    await stent.schedule("1h", waiting, [], { id: "delayed" });
    gate = new Gate();
    t.after(() => gate.open());
    await stent.dispatch(held, [], { id: "held" });
    const running = ["held", "retried", "calling", "sleeping", "waiting"];
    const ids = async (
      states: readonly ExecutionStatus[],
      options: object = {},
    ): Promise<string[]> =>
      (await stent.listExecutions({ state: states, limit: 50, ...options })).items.map(
        ({ id }) => id,
      );
    await until("all run", async () => (await ids(["running"])).length === running.length);
    assert.deepEqual(await ids(["running"]), running);
    assert.deepEqual(await ids(["pending"]), ["delayed", "pending"]);
    assert.deepEqual(await ids(["running", "failed"]), [...running, "failed"]);
    assert.deepEqual(await ids(["running"], { limit: 2, offset: 1 }), ["retried", "calling"]);
    assert.deepEqual(await ids(["running"], { workflow: "rare.waiting" }), ["waiting"]);
    await fill();
    const newest = [`many-${many}`, `many-${many - 1}`];
    assert.deepEqual(await ids(["running"], { limit: 2 }), newest);
    assert.deepEqual(await ids(["running", "failed"], { limit: 2 }), newest);
    assert.deepEqual(await ids(["running"], { workflow: "rare.waiting" }), ["waiting"]);
    assert.deepEqual(await ids(["pending"]), ["delayed", "pending"]);
    let found = 0;
    let cursor: string | undefined;
    do {
      const page = await stent.listExecutions({
        state: "running",
        limit: 1_000,
        ...(cursor === undefined ? {} : { cursor }),
      });
      found += page.items.length;
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    assert.equal(found, many + running.length);
    const { byState } = await stent.admin.stats();
    assert.deepEqual([byState.running, byState.pending, byState.failed], [found, 2, 1]);
    gate.open();
  });
}

test("of what is rare, SQLite reads no more than an index of it", async (t) => {
  const path = databaseFile(t);
  await (await Stent.open(path)).close();
  const database = new Database(path);
  t.after(() => database.close());
  const planOf = (query: Parameters<typeof compile>[0]): string => {
    const { sql, parameters } = compile(query);
    const values = parameters.map(() => 1);
    const steps = database.prepare(`explain query plan ${sql}`).all(...values) as {
      detail: string;
    }[];
    return steps.map(({ detail }) => detail).join("\n");
  };
  const scans = (plan: string): number =>
    plan.match(/^SCAN (?:e|stent_executions|stent_journal)$/gm)?.length ?? 0;
  assert.equal(scans(planOf(listing({ states: ["failed", "cancelling"], limit: 20 }))), 0);
  // The one that meets many on its way; beside it those few are looked up.
  assert.equal(scans(planOf(listing({ states: ["running", "failed"], limit: 20 }))), 1);
  assert.equal(scans(planOf(executionCounts(0))), 0);
});
