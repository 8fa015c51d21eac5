import assert from "node:assert/strict";
import { test } from "node:test";
import Database from "better-sqlite3";
import {
  activity,
  all,
  call,
  counters,
  ExecutionNotFoundError,
  map,
  now,
  progress,
  random,
  race,
  run,
  sendSignal,
  SerializationError,
  signal,
  sleep,
  state,
  workflow,
  type HistoryEntry,
  type Stent,
} from "stentjs";
import { clientOn } from "../support/client.ts";
import { databaseFile, rejection, serving, stentOn, until } from "../support/serving.ts";

const double = activity("double", async (n: number) => n * 2);
const breaks = activity("breaks", { retry: { maxAttempts: 1 } }, async (_n?: number) => {
  throw new RangeError("broken");
});
const child = workflow("child", function* (n: number) {
  return yield* call(double, n);
});
const long = { timeout: "10s" };

test("an unknown execution has no state and no history", async (t) => {
  const stent = await clientOn(t);
  assert.ok((await rejection(stent.stateOf("nobody"))) instanceof ExecutionNotFoundError);
  const history = stent.history("nobody")[Symbol.asyncIterator]();
  assert.ok((await rejection(history.next())) instanceof ExecutionNotFoundError);
});

test("what has not begun has no history", async (t) => {
  const stent = await clientOn(t);
  const { id } = await stent.dispatch(child, [1]);
  assert.deepEqual(await entriesOf(stent, id), []);
});

test("a finished execution tells its result, counters, state and steps with both times", async (t) => {
  const busy = workflow("busy", function* () {
    yield* call(double, 1);
    yield* counters.add("done", 2);
    yield* state.set("phase", new Map([["a", 1]]));
    yield* progress("half way");
    yield* now();
    yield* call(child, 2);
    yield* sleep(1);
    return "over";
  });
  const stent = await serving(t);
  const handle = await stent.dispatch(busy, []);
  await handle.wait(long);
  const told = await handle.state();
  assert.deepEqual(told.result?.unwrap(), "over");
  assert.deepEqual(told.counters, { done: 2 });
  assert.deepEqual(told.customState, { phase: new Map([["a", 1]]) });
  assert.deepEqual(
    told.progress.map(({ step, status, detail }) => [step, status, detail]),
    [
      ["double", "completed", undefined],
      ["progress", "completed", "half way"],
      ["child", "completed", undefined],
      ["sleep", "completed", undefined],
    ].toSorted((a, b) => order(a[0]) - order(b[0])),
  );
  for (const { startedAt, completedAt } of told.progress) {
    assert.ok(startedAt instanceof Date && completedAt instanceof Date);
  }
  assert.equal(told.progressTotal, 4);
  assert.match(told.progressText, /^double\(\d+\.\ds\) > /);
  assert.match(told.progressText, / > half way/);
  const ofChild = await stent.stateOf(
    `${handle.id}/1/${(await entriesOf(stent, handle.id))[2]?.path ?? ""}`,
  );
  assert.equal(ofChild.parentId, handle.id);

  function order(step: string | undefined): number {
    return told.progress.findIndex((entry) => entry.step === step);
  }
});

test("of many steps the newest 200 are shown, and all are counted", async (t) => {
  const many = workflow("many", function* () {
    for (let n = 0; n < 250; n += 1) {
      yield* run(`step ${n}`, () => n);
      yield* random();
    }
  });
  const stent = await serving(t);
  const handle = await stent.dispatch(many, []);
  await handle.wait(long);
  const told = await handle.state();
  assert.equal(told.progressTotal, 250);
  assert.equal(told.progress.length, 200);
  assert.deepEqual([told.progress[0]?.step, told.progress[199]?.step], ["step 50", "step 249"]);
  assert.match(told.progressText, /^… > step 50/);
  assert.equal((await entriesOf(stent, handle.id)).length, 500);
});

test("a job shows its one step, and how it ended", async (t) => {
  const stent = await serving(t);
  const good = await stent.dispatch(double, [2]);
  const bad = await stent.dispatch(breaks, []);
  await Promise.all([good.wait(long), bad.wait(long)]);
  const [one, other] = [await good.state(), await bad.state()];
  assert.deepEqual(
    [one, other].map(({ progress: [step], progressTotal }) => [
      step?.step,
      step?.status,
      progressTotal,
    ]),
    [
      ["double", "completed", 1],
      ["breaks", "failed", 1],
    ],
  );
  assert.match(other.progressText, /^breaks\(failed, /);
  assert.ok(other.result?.error instanceof RangeError);
});

test("history tells each effect with its arguments and outcome, in the order in which they were reached", async (t) => {
  const target = workflow("target", function* () {
    return yield* signal("hello");
  });
  const everything = workflow("everything", function* (to: string) {
    const [two] = yield* all([call(double, 1), call(child, 4)]);
    yield* map(double, [1, 2]);
    yield* map(breaks, [1], { onError: "settle" });
    yield* run("local", () => two);
    yield* sleep(1);
    yield* counters.add("n");
    yield* progress("nearly");
    yield* sendSignal(to, "hello", { two });
    yield* counters.get("n");
    yield* state.get("nothing");
    yield* signal("go");
    yield* call(breaks);
  });
  const stent = await serving(t);
  const other = await stent.dispatch(target, []);
  const handle = await stent.dispatch(everything, [other.id]);
  await handle.signal("go", new Date(0));
  await handle.wait(long);
  const entries = await entriesOf(stent, handle.id);
  assert.deepEqual(
    entries.map(({ effect, outcome }) => [
      effect.kind,
      effect.name,
      effect.kind === "sendSignal" ? undefined : effect.args,
      outcome,
    ]),
    [
      ["call", "double", [1], { ok: true, value: 2 }],
      ["call", "child", [4], { ok: true, value: 8 }],
      ["map", "double", [[1], [2]], { ok: true, value: [2, 4] }],
      [
        "map",
        "breaks",
        [[1]],
        { ok: true, value: [{ status: "rejected", reason: failureIn(entries[3]) }] },
      ],
      ["run", "local", undefined, { ok: true, value: 2 }],
      ["sleep", undefined, undefined, { ok: true, value: undefined }],
      ["sendSignal", "hello", undefined, { ok: true, value: undefined }],
      ["counters.get", "n", undefined, { ok: true, value: 1 }],
      ["state.get", "nothing", undefined, { ok: true, value: undefined }],
      ["signal", "go", undefined, { ok: true, value: new Date(0) }],
      [
        "call",
        "breaks",
        [],
        {
          ok: false,
          error: entries[10]?.outcome?.ok === false ? entries[10].outcome.error : undefined,
        },
      ],
    ],
  );
  assert.ok(failureIn(entries[3]) instanceof RangeError);
  const deliveries = entries.map(({ delivery }) => delivery ?? 0);
  assert.equal(new Set(deliveries).size, entries.length);
  for (const { run: of, scheduledAt, deliveredAt } of entries) {
    assert.equal(of, 1);
    assert.ok(scheduledAt instanceof Date && deliveredAt instanceof Date);
  }
  assert.deepEqual(await other.result(long), { two: 2 });
});

test("the times of an entry are ordered, however long its turn takes", async (t) => {
  const slow = workflow("slow-turn", function* () {
    yield* sleep(1);
    for (let n = 0; n < 5; n += 1) {
      yield* counters.get("n");
      yield* now();
      yield* state.set("n", n);
      passTime(2);
    }
    yield* call(double, 1);
    yield* map(double, [1]);
    yield* call(child, 1);
    yield* race({ late: sleep("1h"), soon: sleep(1) });
  });
  const stent = await serving(t);
  const handle = await stent.dispatch(slow, []);
  await handle.result(long);
  for (const { effect, scheduledAt, deliveredAt } of await entriesOf(stent, handle.id)) {
    assert.ok(Number(deliveredAt ?? scheduledAt) >= Number(scheduledAt), effect.kind);
  }
  const { items } = await stent.listTasks({ execution: handle.id });
  for (const { id, createdAt, startedAt, completedAt } of items) {
    const times = [createdAt, startedAt, completedAt].flatMap((time) => time?.getTime() ?? []);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
      id,
    );
  }
});

test("what cannot be read is told as the error that says so, beside the rest", async (t) => {
  const path = databaseFile(t);
  const kept = workflow("kept", function* () {
    yield* state.set("good", 1);
    yield* state.set("bad", 2);
    yield* progress("half way");
    return yield* signal("go");
  });
  const stent = await stentOn(t, path);
  const ended = await stent.dispatch(kept, [], { id: "ended" });
  await ended.signal("go", 7);
  await ended.result(long);
  const waiting = await stent.dispatch(kept, [], { id: "waiting" });
  await until("it waits", async () => (await waiting.state()).waitingFor[0]?.kind === "signal");
  const database = new Database(path);
  database.exec(`
    update stent_state set value = '{broken' where name = 'bad';
    update stent_journal set value = '{broken' where kind = 'progress';
    update stent_executions set result = '{broken' where id = 'ended';
  `);
  database.close();
  const seen = await waiting.state();
  assert.equal(seen.state, "running");
  assert.equal(seen.customState["good"], 1);
  assert.ok(seen.customState["bad"] instanceof SerializationError);
  assert.match(seen.progressText, /cannot be read/);
  const { state: status, result } = await ended.state();
  assert.equal(status, "completed");
  assert.ok(result?.ok === false && result.error instanceof SerializationError);
});

/** Keeps the event loop busy. */
function passTime(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

function failureIn(entry: HistoryEntry | undefined): unknown {
  const [settled] =
    entry?.outcome?.ok === true ? (entry.outcome.value as PromiseSettledResult<unknown>[]) : [];
  return settled?.status === "rejected" ? settled.reason : undefined;
}

async function entriesOf(stent: Stent, id: string): Promise<HistoryEntry[]> {
  const entries: HistoryEntry[] = [];
  for await (const entry of stent.history(id)) entries.push(entry);
  return entries;
}
