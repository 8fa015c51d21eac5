import assert from "node:assert/strict";
import { test } from "node:test";
import { activity, call, NonRetryableError, workflow } from "stentjs";
import { clientOn } from "../support/client.ts";
import { serving } from "../support/serving.ts";

const breaks = activity(
  "breaks",
  { queue: "jobs", priority: 2, tags: ["t"] },
  async (n: number) => {
    throw new NonRetryableError(`no ${n}`);
  },
);
const stops = workflow("stops", function* (n: number) {
  yield* call(breaks, n);
});
const long = { timeout: "10s" };

test("a task that ended its execution is a dead letter, with its reason and error", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(breaks, [1], { id: "j" });
  await handle.wait(long);
  const { items } = await stent.listDeadLetters();
  const [letter, ...others] = items;
  assert.deepEqual(others, []);
  assert.deepEqual([letter?.executionId, letter?.reason], ["j", "NonRetryableError: no 1"]);
  assert.ok(letter?.movedAt instanceof Date);
  const { error, ...task } = letter.task;
  assert.ok(error instanceof NonRetryableError);
  assert.deepEqual(
    { ...task, createdAt: undefined, completedAt: undefined },
    {
      id: "j/1/1",
      executionId: "j",
      name: "breaks",
      kind: "activity",
      state: "failed",
      attempt: 1,
      maxAttempts: 3,
      queue: "jobs",
      priority: 2,
      tags: ["t"],
      workerId: undefined,
      createdAt: undefined,
      scheduledFor: undefined,
      startedAt: undefined,
      completedAt: undefined,
    },
  );
  assert.deepEqual(await stent.getDeadLetter("j/1/1"), letter);
});

test("dead letters are listed newest first, and cursors lead through them", async (t) => {
  const stent = await serving(t);
  const ids: string[] = [];
  for (let n = 0; n < 5; n += 1) {
    const handle = await stent.dispatch(stops, [n]);
    await handle.wait(long);
    ids.unshift(handle.id);
  }
  const seen: string[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await stent.listDeadLetters({
      limit: 2,
      ...(cursor === undefined ? {} : { cursor }),
    });
    seen.push(...page.items.map(({ executionId }) => executionId));
    cursor = page.nextCursor;
    if (cursor === undefined) break;
  }
  assert.deepEqual(seen, ids);
});

test("a dead letter that was discarded is gone, and its execution is not", async (t) => {
  const stent = await serving(t);
  await (await stent.dispatch(stops, [1], { id: "s" })).wait(long);
  const [letter] = (await stent.listDeadLetters()).items;
  const taskId = letter?.task.id ?? "";
  assert.equal(await stent.discardDeadLetter(taskId), true);
  assert.equal(await stent.discardDeadLetter(taskId), false);
  assert.equal(await stent.getDeadLetter(taskId), undefined);
  assert.deepEqual((await stent.listDeadLetters()).items, []);
  assert.equal((await stent.stateOf("s")).state, "failed");
});

test("where there is no dead letter, none is found", async (t) => {
  const stent = await clientOn(t);
  assert.deepEqual(await stent.listDeadLetters(), { items: [], nextCursor: undefined });
  assert.equal(await stent.getDeadLetter("nobody"), undefined);
  assert.equal(await stent.discardDeadLetter("nobody"), false);
  await assert.rejects(stent.listDeadLetters({ limit: 0 }), RangeError);
  await assert.rejects(stent.listDeadLetters({ cursor: "x" }), TypeError);
  await assert.rejects(stent.listDeadLetters({ lmit: 1 } as never), TypeError);
});
