import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activity,
  all,
  allSettled,
  branch,
  call,
  cancelled,
  context,
  counters,
  dispatch,
  fork,
  join,
  map,
  now,
  patched,
  progress,
  race,
  random,
  run,
  sendSignal,
  shield,
  signal,
  sleep,
  sleepUntil,
  starmap,
  state,
  uuid,
  within,
  workflow,
  type Flow,
  type Stent,
} from "stentjs";
import { databaseFile, Gate, rejection, stentOn, until, type Ending } from "../support/serving.ts";
import { MemoryLogger } from "../support/memory-logger.ts";

const limit = { timeout: "10s" };

const starts: string[] = [];
const step = activity("dev.step", async (value: unknown) => {
  starts.push(String(value));
  return value;
});
const fails = activity("dev.fails", { retry: { maxAttempts: 1 } }, async (text: string) => {
  throw new Error(text);
});

async function inDevelopment(
  t: Ending,
  backend = "sqlite::memory:",
): Promise<{ stent: Stent; logger: MemoryLogger }> {
  const logger = new MemoryLogger();
  const stent = await stentOn(t, backend, { stent: { dev: true, logger } });
  return { stent, logger };
}

/** The message with which an execution has been blocked. */
async function blockedBy(stent: Stent, id: string): Promise<string> {
  return until("it is blocked", async () => {
    const reasons = await stent.why(id);
    return reasons.find(({ kind }) => kind === "blocked")?.detail;
  });
}

// ── what is found ──

let moduleCounter = 0;
const outside = new Map<string, number>();
let entries = 0;

const wrong: Record<string, [body: () => Flow<unknown>, message: RegExp]> = {
  "the time in an argument": [
    function* () {
      return yield* call(step, Date.now());
    },
    /yielded call "dev.step" at path 1 with .*; the second time.*yielded call "dev.step" at path 1 with .*Date\.now\(\)/s,
  ],
  "a random number in a name": [
    function* () {
      yield* signal(`go ${Math.random()}`);
    },
    /yielded signal "go 0\.\d+" at path 1;.*yielded signal "go 0\.\d+" at path 1/,
  ],
  "a random duration": [
    function* () {
      yield* sleep(1 + Math.random() * 100_000);
    },
    /yielded sleep at path 1/,
  ],
  "a counter of the module": [
    function* () {
      moduleCounter += 1;
      yield* call(step, `number ${moduleCounter}`);
    },
    /number 1.*number 2/s,
  ],
  "a Map that is filled outside": [
    function* () {
      yield* call(filling, "key");
      yield* map(step, [...outside.keys()]);
      yield* call(filling, "another");
      yield* signal("go");
    },
    /yielded map "dev.step" at path 2/,
  ],
  "a Map that the workflow fills itself": [
    function* () {
      entries += 1;
      outside.set(`entry ${entries}`, 1);
      yield* all([...outside.keys()].map((key) => call(step, key)));
    },
    /yielded all of \d+ at path 1.*yielded all of \d+ at path 1/s,
  ],
  "a counter changed by chance": [
    function* () {
      yield* counters.add("n", Math.random());
      yield* signal("go");
    },
    /yielded counters\.add "n"/,
  ],
  "state changed by chance": [
    function* () {
      yield* state.set("s", Math.random());
      yield* signal("go");
    },
    /yielded state\.set "s"/,
  ],
  "progress with the time": [
    function* () {
      yield* progress(`at ${performance.now()}`);
      yield* signal("go");
    },
    /yielded progress/,
  ],
  "a variable changed in a closure": [
    function* () {
      let sum = 0;
      yield* run("add", () => {
        sum += 1;
      });
      yield* call(step, sum);
    },
    /yielded call "dev.step" at path 2 with .*1.*yielded call "dev.step" at path 2 with .*0/s,
  ],
  "a result by chance": [
    function* () {
      yield* call(step, "before the end");
      return Math.random();
    },
    /it ended with kind "completed", value 0\.\d+/,
  ],
  "a result by chance of a run without effects": [
    function* () {
      return Math.random();
    },
    /it ended with kind "completed"/,
  ],
  "an error by chance": [
    function* () {
      yield* call(step, "before the error");
      throw new Error(`failed at ${performance.now()}`);
    },
    /it ended with kind "failed", error .*failed at/,
  ],
  "a generator by chance": [
    (() => {
      let begun = 0;
      return (): Flow<unknown> => {
        begun += 1;
        if (begun > 1) throw new Error("not twice");
        return call(step, "x")[Symbol.iterator]();
      };
    })(),
    /threw before its first effect: Error: not twice/,
  ],
};

const filling = activity("dev.filling", async (key: string) => {
  outside.set(key, 1);
});

const definitions = Object.entries(wrong).map(
  ([what, [body, message]]) => [what, workflow(`dev.wrong: ${what}`, body), message] as const,
);

for (const [what, definition, message] of definitions) {
  test(`${what} is found in the first run, and blocks it`, async (t) => {
    outside.clear();
    const { stent, logger } = await inDevelopment(t);
    const handle = await stent.dispatch(definition, []);
    assert.match(await blockedBy(stent, handle.id), message);
    assert.equal((await handle.state()).state, "running");
    const told = logger.lines.filter(({ level }) => level === "error");
    assert.equal(told.length, 1);
    assert.match(
      told[0]?.message ?? "",
      /is blocked: the workflow is not deterministic.*development mode.*yield\* now\(\)/s,
    );
  });
}

// ── what is not disturbed ──

const child = workflow("dev.child", function* (text: string): Flow<string> {
  yield* sleep(1);
  return (yield* call(step, text)) as string;
});
const failing = workflow("dev.failing", function* (): Flow<void> {
  yield* call(fails, "in the child");
});

const everything = workflow("dev.everything", function* (receiver: string): Flow<unknown> {
  const facts = [yield* now(), yield* random(), yield* uuid()].length;
  yield* counters.add("n", 2);
  yield* state.set("s", { when: new Date(0), list: [1, undefined, new Set(["a"])] });
  yield* progress("begun");
  const isNew = yield* patched("change");
  const first = yield* call(step.with({ queue: "default", priority: 2 }), { b: 1, a: [1n] });
  const both = yield* all({ left: call(step, "left"), right: branched("right") });
  const settled = yield* allSettled([call(fails, "settled"), branch(branched, "data")]);
  const { winner } = yield* race({ a: sleep("1h"), b: call(step, "racer") });
  const mapped = yield* map(step, ["m1", "m2"]);
  const tolerated = yield* starmap(fails, [["t1"]], { tolerate: 1 });
  const none = yield* map(step, []);
  const children = yield* map(child, ["c1", "c2"]);
  const task = yield* fork(branched("forked"));
  const closure = yield* run("closure", () => ({ deep: new Map([[1, 2]]) }));
  yield* sleepUntil(new Date(0));
  yield* sendSignal(receiver, "message", { to: "it" });
  yield* dispatch(child, ["apart"], { id: `${receiver}-apart` });
  let late = "";
  try {
    yield* within(20, waits());
  } catch (error) {
    late = (error as Error).name;
  }
  let caught = "";
  try {
    yield* call(failing);
  } catch (error) {
    caught = (error as Error).message;
  }
  const shielded = yield* shield(branched("shielded"));
  const joined = yield* join(task);
  const message = yield* signal("go", { timeout: "1m" });
  return {
    facts,
    isNew,
    first,
    both,
    settled: settled.map(({ status }) => status),
    winner,
    mapped,
    tolerated: tolerated.map(({ status }) => status),
    none,
    children,
    closure,
    late,
    caught,
    shielded,
    joined,
    message,
    n: yield* counters.get("n"),
    s: yield* state.get("s"),
  };
});
function* branched(text: string): Flow<unknown> {
  yield* sleep(2);
  return yield* call(step, text);
}
function* waits(): Flow<void> {
  try {
    yield* sleep("1h");
  } finally {
    if (yield* cancelled()) yield* call(step, "cleaned up");
  }
}

const receiving = workflow("dev.receiving", function* (): Flow<unknown> {
  return yield* signal("message");
});

test("a workflow that is deterministic runs as it does otherwise, with every effect, and each step once", async (t) => {
  const { stent, logger } = await inDevelopment(t);
  starts.length = 0;
  const receiver = await stent.dispatch(receiving, []);
  const handle = await stent.dispatch(everything, [receiver.id]);
  await handle.signal("go", "went");
  const result = await handle.result(limit);
  assert.deepEqual(result, {
    facts: 3,
    isNew: true,
    first: { b: 1, a: [1n] },
    both: { left: "left", right: "right" },
    settled: ["rejected", "fulfilled"],
    winner: "b",
    mapped: ["m1", "m2"],
    tolerated: ["rejected"],
    none: [],
    children: ["c1", "c2"],
    closure: { deep: new Map([[1, 2]]) },
    late: "ExpiryError",
    caught: "in the child",
    shielded: "shielded",
    joined: "forked",
    message: "went",
    n: 2,
    s: { when: new Date(0), list: [1, undefined, new Set(["a"])] },
  });
  assert.deepEqual(await receiver.result(limit), { to: "it" });
  await stent.waitFor(`${receiver.id}-apart`, limit);
  assert.equal(new Set(starts).size, starts.length);
  assert.deepEqual(
    logger.lines.filter(({ level }) => level === "error"),
    [],
  );
});

const cleaning = workflow("dev.cleaning", function* (): Flow<void> {
  try {
    yield* all([call(running), sleep("1h")]);
  } finally {
    yield* call(step, `cleaned after ${(yield* cancelled())?.message}`);
  }
});
const atWork = { begun: new Gate(), end: new Gate() };
const running = activity("dev.running", async () => {
  atWork.begun.open();
  await atWork.end.passed;
});

test("a cancel closes it, and waits for what runs", async (t) => {
  const { stent } = await inDevelopment(t);
  starts.length = 0;
  const handle = await stent.dispatch(cleaning, []);
  await atWork.begun.passed;
  await handle.cancel("enough");
  atWork.end.open();
  assert.equal((await rejection(handle.result(limit))).message, "enough");
  assert.deepEqual(starts, ["cleaned after enough"]);
});

test("an execution goes on after a restart, and is looked after there too", async (t) => {
  const file = databaseFile(t);
  const { stent: first } = await inDevelopment(t, file);
  const handle = await first.dispatch(everything, ["nobody"]);
  await until("it waits", async () => (await handle.state()).progressTotal > 3);
  await first.close();
  const { stent: second } = await inDevelopment(t, file);
  assert.equal((await second.waitFor(handle.id, limit)).error?.message.includes("nobody"), true);
});

// ── what a blocked one keeps ──

let broken = true;
const repaired = workflow("dev.repaired", function* (): Flow<unknown> {
  const paid = yield* call(step, "paid");
  yield* call(step, broken ? performance.now() : "put right");
  return paid;
});

test("the outcome of a step that has ended is kept, and it goes on once the code is put right", async (t) => {
  broken = true;
  starts.length = 0;
  const { stent } = await inDevelopment(t);
  const handle = await stent.dispatch(repaired, []);
  await blockedBy(stent, handle.id);
  assert.deepEqual(starts, ["paid"]);
  broken = false;
  await stent.retry(handle.id);
  assert.equal(await handle.result(limit), "paid");
  assert.deepEqual(starts, ["paid", "put right"]);
});

const counting = activity("dev.counting", async () => {
  starts.push("counting");
  context().counters.add("n");
});
const countsInStep = workflow("dev.countsInStep", function* (): Flow<unknown> {
  yield* call(counting);
  yield* call(step, broken ? performance.now() : "put right");
  return yield* counters.get("n");
});

test("what a step has counted is counted once, though it runs again", async (t) => {
  broken = true;
  starts.length = 0;
  const { stent } = await inDevelopment(t);
  const handle = await stent.dispatch(countsInStep, []);
  await blockedBy(stent, handle.id);
  assert.deepEqual((await handle.state()).counters, {});
  broken = false;
  await stent.retry(handle.id);
  assert.equal(await handle.result(limit), 1);
  assert.deepEqual(starts, ["counting", "counting", "put right"]);
});

test("without it nothing is looked for", async (t) => {
  const stent = await stentOn(t, "sqlite::memory:", { stent: { dev: false } });
  broken = true;
  assert.equal(await stent.run(repaired, []), "paid");
});
