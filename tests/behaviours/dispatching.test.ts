import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activity,
  call,
  dispatch,
  ExecutionExistsError,
  sleep,
  workflow,
  type DispatchOptions,
  type Flow,
  type HistoryEntry,
} from "stentjs";
import { databaseFile, rejection, serving, stentOn, until } from "../support/serving.ts";

const limit = { timeout: "10s" };

const ran: string[] = [];
const note = activity("dispatching.note", async (text: string) => {
  ran.push(text);
  return text;
});
const separate = workflow("dispatching.separate", function* (text: string): Flow<string> {
  yield* sleep(20);
  return yield* call(note, text);
});
const starting = workflow(
  "dispatching.starting",
  { queue: "default", priority: 7, tags: ["own"] },
  function* (options: DispatchOptions): Flow<unknown> {
    const first = yield* dispatch(separate, ["flow"]);
    const second = yield* dispatch(note, ["job"], options);
    return [first, second];
  },
);

test("dispatch starts an execution of its own, which inherits nothing, and gives its id", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(starting, [{ id: "job-1", priority: 3 }], { id: "parent" });
  const [first, second] = (await handle.result(limit)) as [string, string];
  assert.equal(second, "job-1");
  assert.equal((await stent.waitFor(first, limit)).unwrap(), "flow");
  assert.equal((await stent.waitFor(second, limit)).unwrap(), "job");
  const state = await stent.stateOf(first);
  assert.deepEqual([state.parentId, state.priority, state.tags], [undefined, 0, []]);
  assert.equal((await stent.stateOf(second)).priority, 3);
  const history: HistoryEntry[] = [];
  for await (const entry of stent.history("parent")) history.push(entry);
  assert.deepEqual(
    history.map(({ effect, outcome }) => [effect, outcome]),
    [
      [
        { kind: "dispatch", name: "dispatching.separate", args: ["flow"] },
        { ok: true, value: first },
      ],
      [
        { kind: "dispatch", name: "dispatching.note", args: ["job"] },
        { ok: true, value: "job-1" },
      ],
    ],
  );
});

const twice = workflow("dispatching.twice", function* (options: DispatchOptions): Flow<unknown> {
  yield* dispatch(note, ["once"], { id: "same" });
  try {
    return yield* dispatch(note, ["twice"], options);
  } catch (error) {
    return error instanceof ExecutionExistsError && error.message;
  }
});

test("an id that is there already follows ifExists", async (t) => {
  const stent = await serving(t);
  assert.match(
    String(await stent.run(twice, [{ id: "same" }])),
    /^an execution of "dispatching.note" has the id "same" already/,
  );
  const other = await serving(t);
  assert.equal(await other.run(twice, [{ id: "same", ifExists: "join" }]), "same");
});

const detaching = workflow("dispatching.detaching", function* (): Flow<void> {
  yield* dispatch(separate, ["detached"], { id: "detached", delay: 150 });
  yield* sleep("1h");
});

test("what was dispatched is not cancelled with the workflow that did, and survives it", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(detaching, []);
  await until("it is there", async () =>
    (await handle.state()).waitingFor.some(({ kind }) => kind === "sleep"),
  );
  await handle.cancel();
  await rejection(handle.result(limit));
  assert.equal((await stent.waitFor("detached", limit)).unwrap(), "detached");
});

const careless = workflow("dispatching.careless", function* (): Flow<unknown> {
  try {
    yield* dispatch(note, ["x"], { prioritty: 1 } as never);
  } catch (error) {
    return (error as Error).message;
  }
  return undefined;
});

test("a wrong option is refused where it is written", async (t) => {
  const stent = await serving(t);
  assert.match(String(await stent.run(careless, [])), /prioritty/);
});

test("nothing is started twice, however often the workflow is replayed", async (t) => {
  const file = databaseFile(t);
  const first = await stentOn(t, file, { serve: { drainTimeout: 1, maxCachedWorkflows: 0 } });
  const handle = await first.dispatch(looping, []);
  await until("some are started", () => ran.filter((text) => text.startsWith("loop")).length >= 2);
  await first.close();
  const second = await stentOn(t, file, { serve: { maxCachedWorkflows: 0 } });
  const ids = (await second.waitFor(handle.id, limit)).unwrap() as string[];
  for (const id of ids) await second.waitFor(id, limit);
  assert.equal(new Set(ids).size, 6);
  const { items } = await second.listExecutions({ workflow: "dispatching.note", limit: 50 });
  assert.deepEqual(items.map(({ id }) => id).toSorted(), ids.toSorted());
});
const looping = workflow("dispatching.looping", function* (): Flow<unknown> {
  const ids: string[] = [];
  for (let n = 0; n < 6; n += 1) {
    ids.push(yield* dispatch(note, [`loop${n}`]));
    yield* sleep(20);
  }
  return ids;
});
