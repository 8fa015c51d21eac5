import assert from "node:assert/strict";
import { test } from "node:test";
import { sql, type Kysely } from "kysely";
import { Committer } from "../../src/store/committer.ts";
import { openConnection } from "../../src/store/sqlite/connection.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import type { Store, TransactRequest } from "../../src/store/store.ts";
import { dispatchOf, entry, failures, newExecution, Scene } from "../conformance/scene.ts";
import { ManualClock } from "../support/manual-clock.ts";
import type { Ending } from "../support/serving.ts";

test("a closure runs between two batches, and what waits is not held up by many of them (K4)", async (t) => {
  const { one, committer } = await opened(t);
  const seen: number[] = [];
  const look = async (tx: Kysely<unknown>): Promise<void> => {
    const { rows } = await sql<{ n: number }>`
      select count(*) as n from stent_executions where id like 'd%'`.execute(tx);
    seen.push(rows[0]?.n ?? -1);
  };
  const looks = await Promise.all(Array.from({ length: 4 }, () => closure(one, look)));
  const dispatch = (id: string): Promise<unknown> =>
    committer.submit("dispatch", dispatchOf([newExecution({ id })]));
  const before = committer.commits;
  const [first] = looks;
  assert.ok(first !== undefined);
  const handed = looks.map((request) => committer.transact(request));
  await Promise.all([dispatch("d1"), dispatch("d2"), handed[0]]);
  await Promise.all([dispatch("d3"), handed[1]]);
  assert.deepEqual(seen, [2, 3], "after the others that were handed in, and one at a time");
  assert.deepEqual(
    await Promise.all(handed),
    looks.map(() => ({ kind: "stored" })),
  );
  assert.deepEqual(await committer.transact(first), { kind: "refused", reason: "over" });
  assert.equal(committer.commits - before, 2);
});

test("what is idle has run its closures too", async (t) => {
  const { one, committer } = await opened(t);
  let ran = 0;
  const count = await closure(one, () => {
    ran += 1;
  });
  void committer.transact(count);
  await committer.idle();
  assert.equal(ran, 1);
});

test("a database that fails rejects the closure alone, with nothing stored", async (t) => {
  const { one, committer, store } = await opened(t);
  const request = await closure(one, () => undefined);
  const failing = committer.transact(request);
  await store.close();
  await assert.rejects(failing, { code: "CLOSED" });
  await committer.idle();
});

async function opened(t: Ending): Promise<{ one: Scene; store: Store; committer: Committer }> {
  const clock = new ManualClock();
  const database = await openConnection(":memory:", { migrate: true });
  const store = new SqliteStore(database, ":memory:", { clock, failures });
  t.after(() => store.close());
  const one = new Scene({ store, query: none, violations: none, close: none } as never, clock);
  return { one, store, committer: new Committer(store, () => undefined) };
}

/** A request of an execution that is held, and whose first entry is a transaction. */
async function closure(
  one: Scene,
  act: (tx: Kysely<unknown>) => unknown,
): Promise<TransactRequest> {
  const held = await one.start(await one.register());
  await one.stored(held, { entries: [entry(1, { kind: "transaction", here: true })] });
  const { session, claim, execution, run } = held;
  return {
    session,
    claim,
    execution,
    run,
    seq: 1,
    title: "the closure",
    attempt: 1,
    knowsCancel: false,
    act: async (tx) => act(tx as Kysely<unknown>),
    encode: String,
  };
}

async function none(): Promise<[]> {
  return [];
}
