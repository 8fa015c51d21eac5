import assert from "node:assert/strict";
import { test } from "node:test";
import { activity, signal, workflow, type ExecutionFilter, type Stent } from "stentjs";
import { clientOn } from "../support/client.ts";
import { ManualClock } from "../support/manual-clock.ts";

const order = workflow("order", function* (_n?: number) {
  yield* signal("go");
});
const other = workflow("other", { version: "2" }, function* () {});
const job = activity("job", async (_n: number) => 1);

test("ten are listed if nothing else is said, newest first", async (t) => {
  const stent = await clientOn(t);
  const handles = await stent.dispatchMany(job, numbers(12));
  const page = await stent.listExecutions();
  assert.deepEqual(
    page.items.map(({ id }) => id),
    handles
      .toReversed()
      .slice(0, 10)
      .map(({ id }) => id),
  );
});

test("cursors lead through all of them, once each, whatever is added meanwhile", async (t) => {
  const stent = await clientOn(t);
  const handles = await stent.dispatchMany(job, numbers(25));
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await stent.listExecutions({
      limit: 7,
      ...(cursor === undefined ? {} : { cursor }),
    });
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor;
    await stent.dispatch(job, [0]);
  } while (cursor !== undefined);
  assert.deepEqual(seen, handles.map(({ id }) => id).toReversed());
});

test("the last page has no next one, also when it is full", async (t) => {
  const stent = await clientOn(t);
  await stent.dispatchMany(job, numbers(4));
  const first = await stent.listExecutions({ limit: 2 });
  assert.ok(first.nextCursor !== undefined);
  const second = await stent.listExecutions({ limit: 2, cursor: first.nextCursor });
  assert.equal(second.items.length, 2);
  assert.equal(second.nextCursor, undefined);
});

test("those whose ids begin alike are found, whatever characters they hold", async (t) => {
  const stent = await clientOn(t);
  for (const id of [
    "order-1",
    "order-1/x",
    "order-10",
    "order-\u{1f600}",
    "order",
    "Order-1",
    "orders",
  ])
    await stent.dispatch(job, [1], { id });
  const found = async (idPrefix: string): Promise<string[]> =>
    (await stent.listExecutions({ idPrefix })).items.map(({ id }) => id).toReversed();
  assert.deepEqual(await found("order-"), ["order-1", "order-1/x", "order-10", "order-\u{1f600}"]);
  assert.deepEqual(await found("order-10"), ["order-10"]);
  assert.deepEqual(await found("order-%"), []);
  assert.deepEqual(await found("nobody"), []);
});

test("an offset passes over the newest", async (t) => {
  const stent = await clientOn(t);
  const handles = await stent.dispatchMany(job, numbers(5));
  const page = await stent.listExecutions({ offset: 3, limit: 10 });
  assert.deepEqual(
    page.items.map(({ id }) => id),
    [handles[1]?.id, handles[0]?.id],
  );
});

test("a summary says what an execution is, and nothing of its result", async (t) => {
  const stent = await clientOn(t);
  await stent.dispatch(other, [], { id: "x", queue: "q", tags: ["a"], priority: 2 });
  const [summary] = (await stent.listExecutions()).items;
  assert.deepEqual(
    { ...summary, createdAt: undefined },
    {
      id: "x",
      workflow: "other",
      version: "2",
      state: "pending",
      createdAt: undefined,
      startedAt: undefined,
      completedAt: undefined,
      retries: 0,
      tags: ["a"],
      priority: 2,
      queue: "q",
      parentId: undefined,
    },
  );
  assert.ok(summary?.createdAt instanceof Date);
});

test("filters narrow the list, and all of them count", async (t) => {
  const clock = new ManualClock();
  const stent = await clientOn(t, "sqlite::memory:", { clock });
  await stent.dispatch(order, [], { id: "a", queue: "fast", tags: ["x", "y"] });
  clock.advance(1_000);
  await stent.dispatch(order, [], { id: "b", queue: "slow", tags: ["y"] });
  clock.advance(1_000);
  await stent.dispatch(other, [], { id: "c" });
  await stent.cancel("b", { reason: 'the "blue" one' });
  const start = Date.UTC(2030, 0, 1);
  const expected: [ExecutionFilter, string[]][] = [
    [{}, ["c", "b", "a"]],
    [{ state: "cancelled" }, ["b"]],
    [{ state: ["pending", "cancelled"] }, ["c", "b", "a"]],
    [{ state: [] }, []],
    [{ workflow: "order" }, ["b", "a"]],
    [{ workflow: "orde" }, []],
    [{ queue: "fast" }, ["a"]],
    [{ queue: "default" }, ["c"]],
    [{ tag: "y" }, ["b", "a"]],
    [{ tag: "x", queue: "slow" }, []],
    [{ since: new Date(start + 1_000) }, ["c", "b"]],
    [{ until: new Date(start + 1_000) }, ["b", "a"]],
    [{ since: new Date(start + 1_000), until: new Date(start + 1_000) }, ["b"]],
    [{ error: 'the "blue" one' }, ["b"]],
    [{ error: "green" }, []],
    [{ parent: "a" }, []],
    [{ parent: "nobody" }, []],
  ];
  for (const [filter, ids] of expected) {
    assert.deepEqual(await idsOf(stent, filter), ids, JSON.stringify(filter));
  }
});

for (const [what, filter, error] of [
  ["an unknown name", { workflw: "x" }, TypeError],
  ["an unknown state", { state: "done" }, TypeError],
  ["an unknown state among others", { state: ["failed", "done"] }, TypeError],
  ["a limit of nothing", { limit: 0 }, RangeError],
  ["a limit that is no whole number", { limit: 1.5 }, RangeError],
  ["a negative offset", { offset: -1 }, RangeError],
  ["a time that is no Date", { since: "2030-01-01" }, TypeError],
  ["an invalid Date", { until: new Date("x") }, TypeError],
  ["an empty tag", { tag: "" }, TypeError],
  ["a cursor that is none", { cursor: "abc" }, TypeError],
  [
    "a cursor of rubbish",
    { cursor: Buffer.from('["executions","1"]').toString("base64url") },
    TypeError,
  ],
  ["a cursor that is no text", { cursor: 7 }, TypeError],
] as const) {
  test(`a filter with ${what} is refused`, async (t) => {
    const stent = await clientOn(t);
    await assert.rejects(stent.listExecutions(filter as never), error);
  });
}

test("a cursor of another list is refused", async (t) => {
  const stent = await clientOn(t);
  await stent.dispatchMany(job, numbers(3));
  const { nextCursor } = await stent.listTasks({ limit: 1 });
  assert.ok(nextCursor !== undefined);
  await assert.rejects(stent.listExecutions({ cursor: nextCursor }), TypeError);
});

async function idsOf(stent: Stent, filter: ExecutionFilter): Promise<string[]> {
  const { items } = await stent.listExecutions(filter);
  return items.map(({ id }) => id);
}

function numbers(count: number): [number][] {
  return Array.from({ length: count }, (_, n) => [n]);
}
