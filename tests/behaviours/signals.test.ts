import assert from "node:assert/strict";
import { test } from "node:test";
import {
  all,
  call,
  defineSignal,
  ExecutionFinishedError,
  ExecutionNotFoundError,
  ExpiryError,
  race,
  sendSignal,
  SerializationError,
  signal,
  sleep,
  ValidationError,
  workflow,
  type Flow,
  type StandardSchema,
} from "stentjs";
import { databaseFile, rejection, serving, stentOn, until } from "../support/serving.ts";

const limit = { timeout: "10s" };

const takes = workflow("signals.takes", function* (n: number): Flow<unknown[]> {
  const got: unknown[] = [];
  for (let i = 0; i < n; i += 1) got.push(yield* signal("m"));
  return got;
});
const takesTogether = workflow("signals.takesTogether", function* (): Flow<unknown> {
  return yield* all([signal("m"), signal("m"), signal("m")]);
});

async function waitsFor(
  stent: { stateOf(id: string): Promise<{ waitingFor: readonly { kind: string }[] }> },
  id: string,
): Promise<void> {
  await until("it waits for a signal", async () =>
    (await stent.stateOf(id)).waitingFor.some((reason) => reason.kind === "signal"),
  );
}

test("messages are taken in the order in which they were sent", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(takes, [20]);
  for (let i = 0; i < 20; i += 1) await handle.signal("m", i);
  assert.deepEqual(
    await handle.result(limit),
    Array.from({ length: 20 }, (_, i) => i),
  );
});

test("messages sent early are kept, also before the start", async (t) => {
  const stent = await serving(t, { serve: false });
  const handle = await stent.dispatch(takes, [2]);
  await handle.signal("m", "a");
  await handle.signal("other", "x");
  await handle.signal("m", "b");
  void stent.serve();
  assert.deepEqual(await handle.result(limit), ["a", "b"]);
});

test("parallel waits get one message each, in order", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(takesTogether, []);
  await waitsFor(stent, handle.id);
  for (const message of ["a", "b", "c"]) await handle.signal("m", message);
  assert.deepEqual(await handle.result(limit), ["a", "b", "c"]);
});

const names = Array.from({ length: 30 }, (_, index) => `name ${index % 20}`);
const takesByName = workflow("signals.takesByName", function* (): Flow<unknown> {
  return yield* all(names.map((name) => signal(name)));
});

test("each of many names has its own inbox, whatever the order in which messages come", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(takesByName, []);
  await waitsFor(stent, handle.id);
  await handle.signal("name of nobody", 0);
  for (const [index, name] of [...names.entries()].toReversed()) await handle.signal(name, index);
  assert.deepEqual(
    await handle.result(limit),
    // Of two waits for one name the first has the message that was sent first.
    names.map((_, index) => (index < 10 ? index + 20 : index < 20 ? index : index - 20)),
  );
});

const times = workflow("signals.times", function* (): Flow<unknown> {
  try {
    return yield* signal("m", { timeout: 60 });
  } catch (error) {
    if (!(error instanceof ExpiryError)) throw error;
    const second = yield* signal("m", { timeout: "1h" });
    return [error.code, second];
  }
});

test("a wait that takes too long throws ExpiryError, and the message that comes later is for the next wait", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(times, []);
  await until("the first wait is over", async () => (await handle.state()).progress.length === 2);
  await handle.signal("m", "late");
  assert.deepEqual(await handle.result(limit), ["WAIT_EXPIRED", "late"]);
});

const inTime = workflow("signals.inTime", function* (): Flow<unknown> {
  const first = yield* signal("m", { timeout: "1h" });
  yield* sleep(50);
  return first;
});

test("a wait that is answered in time leaves its timeout behind", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(inTime, []);
  await handle.signal("m", 1);
  assert.equal(await handle.result(limit), 1);
});

const zero = workflow("signals.zero", function* (): Flow<unknown> {
  const got: unknown[] = [];
  for (;;) {
    try {
      got.push(yield* signal("m", { timeout: 0 }));
    } catch {
      return got;
    }
  }
});

test("a timeout of 0 takes what is there and waits for nothing", async (t) => {
  const stent = await serving(t, { serve: false });
  const handle = await stent.dispatch(zero, []);
  for (const message of [1, 2, 3]) await handle.signal("m", message);
  void stent.serve();
  assert.deepEqual(await handle.result(limit), [1, 2, 3]);
});

test("a resend under the same dedupeKey is no second message", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(takes, [2]);
  await stent.sendSignal(handle.id, "m", "one", { dedupeKey: "k" });
  await waitsFor(stent, handle.id);
  await stent.sendSignal(handle.id, "m", "again", { dedupeKey: "k" });
  await stent.sendSignal(handle.id, "m", "two", { dedupeKey: "l" });
  assert.deepEqual(await handle.result(limit), ["one", "two"]);
});

const number: StandardSchema<number, string> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value: unknown) =>
      typeof value === "string" && /^\d+$/.test(value)
        ? { value: Number(value) }
        : { issues: [{ message: "no number", path: ["n"] }] },
  },
};
const counted = defineSignal<number, string>("counted", { schema: number });
const takesCounted = workflow("signals.takesCounted", function* () {
  return yield* signal(counted);
});

test("a signal's schema is applied by the sender, and its output is delivered", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(takesCounted, []);
  const error = await rejection(handle.signal(counted, "x"));
  assert.ok(error instanceof ValidationError);
  assert.deepEqual(error.issues[0]?.path, ["n"]);
  await handle.signal(counted, "42");
  assert.equal(await handle.result(limit), 42);
});

test("a signal to nobody, or to what has ended, is an error", async (t) => {
  const stent = await serving(t);
  await assert.rejects(stent.sendSignal("nobody", "m", 1), ExecutionNotFoundError);
  const handle = await stent.dispatch(takes, [0]);
  await handle.result(limit);
  await assert.rejects(handle.signal("m", 1), ExecutionFinishedError);
});

test("a payload that cannot be stored is a SerializationError that names the path, and nothing is sent", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(takes, [1]);
  const error = await rejection(handle.signal("m", { a: [1, () => 2] }));
  assert.ok(error instanceof SerializationError);
  assert.match(error.message, /a\[1\]|a\.1/);
  await handle.signal("m", "good");
  assert.deepEqual(await handle.result(limit), ["good"]);
});

const tells = workflow("signals.tells", function* (to: string, payload: unknown): Flow<string> {
  try {
    yield* sendSignal(to, "m", payload);
    return "sent";
  } catch (error) {
    return (error as Error).name;
  }
});

test("a workflow sends to another one, once, and hears of unknown and finished ones", async (t) => {
  const stent = await serving(t);
  const receiver = await stent.dispatch(takes, [2]);
  assert.equal(await stent.run(tells, [receiver.id, { x: new Date(3) }]), "sent");
  await receiver.signal("m", "then");
  assert.deepEqual(await receiver.result(limit), [{ x: new Date(3) }, "then"]);
  assert.equal(await stent.run(tells, [receiver.id, 1]), "ExecutionFinishedError");
  assert.equal(await stent.run(tells, ["nobody", 1]), "ExecutionNotFoundError");
});

const toItself = workflow("signals.toItself", function* (id: string): Flow<unknown> {
  yield* sendSignal(id, "m", "mine");
  return yield* signal("m");
});

test("a workflow may send to itself", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(toItself, ["self"], { id: "self" });
  assert.equal(await handle.result(limit), "mine");
});

const raceWaits = workflow("signals.raceWaits", function* (): Flow<unknown> {
  const first = yield* race({ a: signal("a"), b: signal("b") });
  const second = yield* race({ a: signal("a"), b: signal("b") });
  return [first.winner, second.winner, first.value, second.value];
});

test("a message that no wait took stays for the next one", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(raceWaits, []);
  await waitsFor(stent, handle.id);
  await handle.signal("b", 1);
  await handle.signal("a", 2);
  assert.deepEqual(new Set((await handle.result(limit)) as unknown[]), new Set([1, 2, "a", "b"]));
});

test("a message is delivered as it was when it was sent, and undefined too", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(takes, [3]);
  const payload = { n: 1 };
  const sending = handle.signal("m", payload);
  payload.n = 2;
  await sending;
  await handle.signal("m", undefined);
  await handle.signal("m", null);
  assert.deepEqual(await handle.result(limit), [{ n: 1 }, undefined, null]);
});

const pingPong = workflow(
  "signals.pingPong",
  function* (other: string, turns: number, begins: boolean): Flow<number> {
    let n = 0;
    if (begins) yield* sendSignal(other, "ball", 0);
    while (n < turns) {
      const ball = yield* signal<number>("ball");
      n += 1;
      if (begins && n === turns) break;
      yield* sendSignal(other, "ball", ball + 1);
    }
    return n;
  },
);

test("two workflows exchange messages as often as they like", async (t) => {
  const stent = await serving(t);
  const b = await stent.dispatch(pingPong, ["a", 50, false], { id: "b" });
  const a = await stent.dispatch(pingPong, ["b", 50, true], { id: "a" });
  assert.deepEqual(await Promise.all([a.result(limit), b.result(limit)]), [50, 50]);
});

test("each of many messages, sent at once from two processes' worth of clients, is delivered once", async (t) => {
  const file = databaseFile(t);
  const stent = await stentOn(t, file);
  const other = await stentOn(t, file, { serve: false });
  const handle = await stent.dispatch(takes, [200]);
  await Promise.all(
    Array.from({ length: 200 }, (_, i) =>
      (i % 2 === 0 ? stent : other).sendSignal(handle.id, "m", i),
    ),
  );
  const got = (await handle.result(limit)) as number[];
  assert.deepEqual(
    got.toSorted((a, b) => a - b),
    Array.from({ length: 200 }, (_, i) => i),
  );
});

const childWaits = workflow("signals.childWaits", function* (): Flow<unknown> {
  return yield* call(takes, 1);
});

test("a signal reaches a child by its own id", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(childWaits, []);
  const child = await until("the child waits", async () => {
    const { items } = await stent.listExecutions({ parent: handle.id });
    return items[0]?.id;
  });
  await stent.sendSignal(child, "m", 3);
  assert.deepEqual(await handle.result(limit), [3]);
});
