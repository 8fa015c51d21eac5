import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activity,
  all,
  CancelledError,
  call,
  context,
  ExecutionExistsError,
  ExpiryError,
  map,
  race,
  signal,
  sleep,
  starmap,
  workflow,
  type Flow,
  type HistoryEntry,
} from "stentjs";
import { binding } from "../support/binding-serializer.ts";
import {
  databaseFile,
  Gate,
  rejection,
  serving,
  stentOn,
  until,
  patience,
} from "../support/serving.ts";

const limit = { timeout: "30s" };
const numbers = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

const addOne = activity("mapChildren.addOne", async (n: number) => n + 1);
const plus = workflow("mapChildren.plus", function* (n: number): Flow<number> {
  if (n % 2 === 0) yield* sleep(1);
  return yield* call(addOne, n);
});
const pluses = workflow(
  "mapChildren.pluses",
  function* (items: number[], concurrency?: number): Flow<number[]> {
    return yield* map(plus, items, concurrency === undefined ? {} : { concurrency });
  },
);

test("each item is a child, and results stand in the order of the items", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(pluses, [[4, 1, 7]]);
  assert.deepEqual(await handle.result(limit), [5, 2, 8]);
  const { items } = await stent.listExecutions({ parent: handle.id });
  assert.deepEqual(
    items.map(({ id, state, workflow, parentId }) => [id, state, workflow, parentId]).toReversed(),
    [0, 1, 2].map((n) => [`${handle.id}/1/1.${n}`, "completed", plus.functionName, handle.id]),
  );
  assert.deepEqual(
    await stent.run(pluses, [numbers(23), 3]),
    numbers(23).map((n) => n + 1),
  );
});

test("nothing gives nothing, and starts nothing", async (t) => {
  const stent = await serving(t);
  assert.deepEqual(await stent.run(pluses, [[]]), []);
  assert.deepEqual(await stent.run(pluses, [[], 2]), []);
  assert.equal((await stent.listExecutions({ workflow: plus.functionName })).items.length, 0);
});

const joined = workflow("mapChildren.joined", function* (a: string, b: number): Flow<string> {
  yield* sleep(1);
  return `${a}${b}`;
});
const pairs = workflow("mapChildren.pairs", function* (): Flow<string[]> {
  return yield* starmap(joined, [
    ["a", 1],
    ["b", 2],
  ]);
});

test("starmap gives each child its own arguments", async (t) => {
  const stent = await serving(t);
  assert.deepEqual(await stent.run(pairs, []), ["a1", "b2"]);
});

test("1,000 children are an ordinary size", async (t) => {
  const stent = await serving(t);
  const before = performance.now();
  for (const concurrency of [undefined, 50]) {
    assert.deepEqual(
      await stent.run(pluses, [numbers(1_000), concurrency]),
      numbers(1_000).map((n) => n + 1),
    );
  }
  assert.ok(performance.now() - before < 60_000 * patience, `${performance.now() - before}`);
});

let inFlight = 0;
let most = 0;
const enters = activity("mapChildren.enters", async () => {
  inFlight += 1;
  most = Math.max(most, inFlight);
});
const leaves = activity("mapChildren.leaves", async () => {
  inFlight -= 1;
});
const counted = workflow("mapChildren.counted", function* (n: number): Flow<number> {
  yield* call(enters);
  yield* sleep(n % 3);
  yield* call(leaves);
  return n;
});
const bounded = workflow(
  "mapChildren.bounded",
  function* (n: number, concurrency: number): Flow<number> {
    return (yield* map(counted, numbers(n), { concurrency })).length;
  },
);

test("a bound on those in flight is held, in one worker and in several", async (t) => {
  const file = databaseFile(t);
  const stent = await stentOn(t, file);
  await stentOn(t, file);
  for (const concurrency of [1, 4]) {
    most = 0;
    assert.equal(await stent.run(bounded, [20, concurrency]), 20);
    assert.ok(most <= concurrency && most >= 1, `${most} in flight`);
  }
});

/** What fails until it is mended. */
const broken = new Set<string>();
const starts = new Map<string, number>();
const closed: string[] = [];
const step = activity("mapChildren.step", { retry: { maxAttempts: 1 } }, async (key: string) => {
  starts.set(key, (starts.get(key) ?? 0) + 1);
  if (broken.has(key)) throw new RangeError(`${key} is broken`);
  return key;
});
const notes = activity("mapChildren.notes", async (key: string) => {
  closed.push(key);
});
/** Does its step; "… waits": for a message, and tells when it is closed. */
const works = workflow("mapChildren.works", function* (key: string): Flow<string> {
  try {
    yield* call(step, key);
    if (key.endsWith("waits")) yield* signal("go");
    return key;
  } finally {
    if (key.endsWith("waits")) yield* call(notes, key);
  }
});
type How = { concurrency?: number; onError?: "settle"; tolerate?: number };
const worksAll = workflow(
  "mapChildren.worksAll",
  function* (keys: string[], how: How = {}): Flow<unknown> {
    return yield* map(works, keys, how);
  },
);

test("the first failure is thrown; what is under way is cancelled, the rest never starts", async (t) => {
  const stent = await serving(t);
  broken.add("fast 1");
  const keys = ["fast 0 waits", "fast 1", "fast 2 waits", "fast 3", "fast 4"];
  const handle = await stent.dispatch(worksAll, [keys, { concurrency: 2 }]);
  const error = await rejection(handle.result(limit));
  assert.ok(error instanceof RangeError);
  assert.equal(error.message, "fast 1 is broken");
  const child = `${handle.id}/1/1.0`;
  await until("the other is closed", async () => (await stent.stateOf(child)).completedAt);
  assert.equal((await stent.stateOf(child)).state, "cancelled");
  assert.equal((await stent.listExecutions({ parent: handle.id })).items.length, 2);
  assert.ok(!starts.has("fast 3"));
});

test("its dead letter is that of the child, and there is none of the parent", async (t) => {
  const stent = await serving(t);
  broken.add("letter 0");
  const handle = await stent.dispatch(worksAll, [["letter 0"]]);
  await rejection(handle.result(limit));
  const { items } = await stent.listDeadLetters();
  assert.deepEqual(
    items.map(({ executionId }) => executionId),
    [`${handle.id}/1/1.0`],
  );
});

test("settled results tell of every item, a child that was cancelled by itself included", async (t) => {
  const stent = await serving(t);
  broken.add("settle 1");
  const keys = ["settle 0", "settle 1", "settle 2 waits"];
  const handle = await stent.dispatch(worksAll, [keys, { onError: "settle" }]);
  const child = `${handle.id}/1/1.2`;
  await until("it waits", async () => starts.has("settle 2 waits"));
  await stent.cancel(child, { reason: "enough" });
  const settled = (await handle.result(limit)) as PromiseSettledResult<string>[];
  assert.deepEqual(settled[0], { status: "fulfilled", value: "settle 0" });
  assert.ok(settled[1]?.status === "rejected" && settled[1].reason instanceof RangeError);
  assert.ok(settled[2]?.status === "rejected" && settled[2].reason instanceof CancelledError);
  assert.equal(settled[2].reason.reason, "enough");
});

test("so many failures are borne, and no more", async (t) => {
  const stent = await serving(t);
  for (const key of ["bears 0", "bears 2"]) broken.add(key);
  const keys = numbers(4).map((n) => `bears ${n}`);
  const settled = await stent.run(worksAll, [keys, { tolerate: 2 }]);
  assert.deepEqual(
    (settled as PromiseSettledResult<string>[]).map(({ status }) => status),
    ["rejected", "fulfilled", "rejected", "fulfilled"],
  );
  await assert.rejects(stent.run(worksAll, [keys, { tolerate: 1 }]), RangeError);
});

test("a cancel of the parent closes its children first; those that have not begun never do", async (t) => {
  const stent = await serving(t);
  const keys = numbers(6).map((n) => `cancel ${n} waits`);
  const handle = await stent.dispatch(worksAll, [keys, { concurrency: 3 }]);
  await until("three wait", () => starts.has("cancel 2 waits"));
  await handle.cancel("stop");
  assert.ok((await rejection(handle.result(limit))) instanceof CancelledError);
  assert.deepEqual(
    closed.filter((key) => key.startsWith("cancel")).toSorted(),
    keys.slice(0, 3),
    "their finally blocks were run before it ended",
  );
  const { items } = await stent.listExecutions({ parent: handle.id });
  assert.deepEqual(
    items.map(({ state }) => state),
    ["cancelled", "cancelled", "cancelled"],
  );
});

const expires = workflow(
  "mapChildren.expires",
  { maxDuration: 100 },
  function* (keys: string[]): Flow<unknown> {
    return yield* map(works, keys, { concurrency: 1 });
  },
);

test("maxDuration of the parent reaches them, and so does force", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(expires, [["late 0 waits", "late 1"]]);
  assert.ok((await rejection(handle.result(limit))) instanceof ExpiryError);
  assert.equal((await stent.stateOf(`${handle.id}/1/1.0`)).state, "cancelled");
  const forced = await stent.dispatch(worksAll, [["force 0 waits", "force 1 waits"]]);
  await until("both wait", () => starts.has("force 0 waits") && starts.has("force 1 waits"));
  await stent.cancel(forced.id, { force: true });
  const { items } = await stent.listExecutions({ parent: forced.id });
  assert.deepEqual(
    items.map(({ state }) => state),
    ["cancelled", "cancelled"],
  );
});

const races = workflow("mapChildren.races", function* (keys: string[]): Flow<unknown> {
  const won = yield* race({ map: map(works, keys, { concurrency: 2 }), soon: signal("soon") });
  yield* sleep(1);
  return won.winner;
});
const beside = workflow("mapChildren.beside", function* (keys: string[]): Flow<unknown> {
  return yield* all([map(works, keys, { concurrency: 2 }), fails()]);
});
function* fails(): Flow<void> {
  yield* signal("soon");
  throw new TypeError("a sibling");
}

test("a map that loses its race, or whose sibling fails, leaves no child behind", async (t) => {
  const stent = await serving(t);
  for (const fn of [races, beside]) {
    const keys = numbers(5).map((n) => `${fn.functionName} ${n} waits`);
    const handle = await stent.dispatch(fn, [keys]);
    await until("two wait", () => starts.has(keys[0] ?? "") && starts.has(keys[1] ?? ""));
    await handle.signal("soon", 1);
    const result = await handle.wait(limit);
    if (fn === races) assert.equal(result.unwrap(), "soon");
    else assert.ok(result.error instanceof TypeError);
    await until("all have ended", async () => {
      const { items } = await stent.listExecutions({ parent: handle.id });
      return items.every(({ state }) => state === "cancelled");
    });
    assert.equal((await stent.listExecutions({ parent: handle.id })).items.length, 2);
  }
});

test("retry of the parent runs what has no result, and no more at a time than its bound", async (t) => {
  const stent = await serving(t);
  broken.add("retry 1");
  const keys = numbers(5).map((n) => `retry ${n}`);
  const handle = await stent.dispatch(worksAll, [keys, { concurrency: 1 }]);
  await rejection(handle.result(limit));
  await stent.retry(handle.id);
  await rejection(handle.result(limit));
  broken.delete("retry 1");
  await stent.retry(handle.id);
  assert.deepEqual(await handle.result(limit), keys);
  assert.deepEqual(
    keys.map((key) => starts.get(key)),
    [1, 3, 1, 1, 1],
  );
  assert.equal((await stent.listExecutions({ parent: handle.id })).items.length, 5);
});

test("retry of the child by which it failed lets the parent and the other children go on", async (t) => {
  const stent = await serving(t);
  broken.add("child 1");
  const keys = ["child 0 waits", "child 1", "child 2"];
  const handle = await stent.dispatch(worksAll, [keys, { concurrency: 2 }]);
  await rejection(handle.result(limit));
  const [first, second] = [`${handle.id}/1/1.0`, `${handle.id}/1/1.1`];
  await until("the first is closed", async () => (await stent.stateOf(first)).completedAt);
  broken.delete("child 1");
  await stent.retry(second);
  await until("the first runs again", () => starts.get("child 0 waits") === 2);
  await stent.sendSignal(first, "go", 1);
  assert.deepEqual(await handle.result(limit), keys);
});

test("an id that is taken by a stranger fails the map, and leaves none of its children running", async (t) => {
  const stent = await serving(t);
  for (const concurrency of [1, 9]) {
    const id = `of ${concurrency}`;
    const stranger = await stent.dispatch(works, [`${id} waits`], { id: `${id}/1/1.2` });
    const keys = numbers(5).map((n) => `${id} ${n}`);
    const handle = await stent.dispatch(worksAll, [keys, { concurrency, onError: "settle" }], {
      id,
    });
    assert.ok((await rejection(handle.result(limit))) instanceof ExecutionExistsError);
    const { items } = await stent.listExecutions({ parent: id });
    assert.ok(items.length === 2 && items.every(({ completedAt }) => completedAt !== undefined));
    assert.equal((await stranger.state()).completedAt, undefined);
    await stranger.cancel();
  }
});

test("a serializer that binds values to their places can read all of it, also in history and tasks", async (t) => {
  const stent = await serving(t, { stent: { serializer: binding } });
  broken.add("bound 1");
  const handle = await stent.dispatch(worksAll, [["bound 0", "bound 1"], { concurrency: 1 }]);
  assert.match((await rejection(handle.result(limit))).message, /bound 1 is broken/);
  const tasks = await stent.listTasks({ execution: handle.id });
  assert.deepEqual(
    tasks.items.map(({ id, kind, state, error }) => [id, kind, state, error?.message]),
    [
      [`${handle.id}/1/1.0`, "workflow", "completed", undefined],
      [`${handle.id}/1/1.1`, "workflow", "failed", "bound 1 is broken"],
    ],
  );
  broken.delete("bound 1");
  await stent.retry(handle.id);
  assert.deepEqual(await handle.result(limit), ["bound 0", "bound 1"]);
  const history: HistoryEntry[] = [];
  for await (const each of stent.history(handle.id)) history.push(each);
  assert.deepEqual(
    history.map(({ path, effect, outcome }) => [path, effect, outcome]),
    [
      [
        "1",
        { kind: "map", name: works.functionName, args: [["bound 0"], ["bound 1"]] },
        { ok: true, value: ["bound 0", "bound 1"] },
      ],
    ],
  );
});

test("who looks is told how many are done, and what each child is doing", async (t) => {
  const stent = await serving(t);
  broken.add("shown 1");
  const keys = ["shown 0", "shown 1", "shown 2 waits", "shown 3"];
  const handle = await stent.dispatch(worksAll, [keys, { onError: "settle", concurrency: 1 }]);
  await until("the third waits", () => starts.has("shown 2 waits"));
  await until("two are done", async () =>
    (await handle.state()).waitingFor[0]?.detail?.startsWith("2 of 4"),
  );
  const { waitingFor, progress, progressText } = await handle.state();
  assert.deepEqual(
    waitingFor.map(({ kind, name, detail }) => [kind, name, detail]),
    [["workflow", works.functionName, "2 of 4 executions have ended, 1 of them failed"]],
  );
  assert.deepEqual([progress[0]?.status, progressText], ["running", works.functionName]);
  assert.match((await stent.why(handle.id))[0]?.detail ?? "", /2 of 4/);
  assert.deepEqual(
    (await stent.listTasks({ execution: handle.id })).items.map(({ state }) => state),
    ["completed", "failed", "running", "pending"],
  );
  await handle.cancel();
  await handle.wait(limit);
});

const options = {
  retry: { maxAttempts: 2, initialDelay: 1 },
  queue: "q",
  tags: ["t"],
  priority: 2,
};
const runTwice = workflow("mapChildren.runTwice", function* (key: string): Flow<string> {
  const run = yield* call(step, key);
  if (starts.get(key) === 1) throw new Error("the first run");
  return run;
});
const withOptions = workflow("mapChildren.withOptions", function* (key: string): Flow<unknown> {
  return yield* map(runTwice.with(options), [`${key} 0`, `${key} 1`]);
});

test("the options of the place of call are those of each child", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(withOptions, ["options"]);
  assert.deepEqual(await handle.result(limit), ["options 0", "options 1"]);
  for (const { retries, queue, tags, priority } of (
    await stent.listExecutions({ parent: handle.id })
  ).items)
    assert.deepEqual([retries, queue, tags, priority], [1, "q", ["t"], 2]);
});

const plusesOf = workflow("mapChildren.plusesOf", function* (n: number): Flow<number[]> {
  return yield* map(plus, numbers(n));
});
const nested = workflow("mapChildren.nested", function* (n: number): Flow<number[][]> {
  return yield* map(plusesOf, [n, n + 1], { concurrency: 1 });
});

test("maps of maps, and a tree that is deleted as one", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(nested, [2]);
  assert.deepEqual(await handle.result(limit), [
    [1, 2],
    [1, 2, 3],
  ]);
  const { done } = await stent.bulk("delete", { workflow: nested.functionName });
  assert.deepEqual(done, [handle.id]);
  assert.equal((await stent.listExecutions()).items.length, 0);
});

const gate = new Gate();
const held = activity("mapChildren.held", async (key: string) => {
  starts.set(key, (starts.get(key) ?? 0) + 1);
  if (context().attempt === 1 && key !== "drain 0") await gate.passed;
  return key;
});
const holds = workflow("mapChildren.holds", function* (key: string): Flow<string> {
  return yield* call(held, key);
});
const holdsAll = workflow("mapChildren.holdsAll", function* (keys: string[]): Flow<string[]> {
  return yield* map(holds, keys, { concurrency: 2 });
});

test("another worker goes on with the children that have not ended", async (t) => {
  const file = databaseFile(t);
  const keys = numbers(4).map((n) => `drain ${n}`);
  const first = await stentOn(t, file, { serve: { drainTimeout: 1 } });
  const handle = await first.dispatch(holdsAll, [keys]);
  await until("the second and third run", () => starts.has("drain 1") && starts.has("drain 2"));
  await first.close();
  gate.open();
  const second = await stentOn(t, file);
  assert.deepEqual((await second.waitFor(handle.id, limit)).unwrap(), keys);
  assert.equal(starts.get("drain 0"), 1);
});
