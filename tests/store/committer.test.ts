import assert from "node:assert/strict";
import { test } from "node:test";
import { sql, type Kysely } from "kysely";
import { Committer } from "../../src/store/committer.ts";
import type { Store, TransactRequest } from "../../src/store/store.ts";
import { closureOf, heldTransaction } from "../conformance/closures.ts";
import { dispatchOf, newExecution, type Scene } from "../conformance/scene.ts";
import { Gate, type Ending } from "../support/serving.ts";
import { sqliteScene, type SqliteScene } from "./sqlite-scene.ts";

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

test("where closures run aside, commits and other closures do not wait for them, but being idle does", async (t) => {
  const { one, store } = await opened(t);
  const gates = [new Gate(), new Gate()];
  const aside: Store = Object.create(store, {
    closuresAside: { value: true },
    commit: { value: store.commit.bind(store) },
    transact: {
      value: async ({ seq }: TransactRequest) => {
        await gates[seq]?.passed;
        return { kind: "stored" };
      },
    },
  });
  const committer = new Committer(aside, () => undefined);
  const request = await closure(one, () => undefined);
  const [first, second] = [0, 1].map((seq) => committer.transact({ ...request, seq }));
  await committer.submit("dispatch", dispatchOf([newExecution({ id: "d" })]));
  gates[1]?.open();
  await second;
  let idle = false;
  const becomingIdle = committer.idle().then(() => (idle = true));
  await committer.submit("dispatch", dispatchOf([newExecution({ id: "e" })]));
  assert.equal(idle, false);
  gates[0]?.open();
  await Promise.all([first, becomingIdle]);
});

async function opened(t: Ending): Promise<SqliteScene & { committer: Committer }> {
  const scene = await sqliteScene(t);
  return { ...scene, committer: new Committer(scene.store, () => undefined) };
}

async function closure(
  one: Scene,
  act: (tx: Kysely<unknown>) => unknown,
): Promise<TransactRequest> {
  return closureOf(await heldTransaction(one, await one.register()), act);
}
