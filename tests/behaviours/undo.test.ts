import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activity,
  all,
  call,
  CancelledError,
  CleanedUpError,
  compensate,
  ExpiryError,
  NonRetryableError,
  run,
  signal,
  sleep,
  workflow,
  type Flow,
  type HistoryEntry,
  type Stent,
} from "stentjs";
import { databaseFile, rejection, serving, stentOn, until } from "../support/serving.ts";

const limit = { timeout: "10s" };

/** What was done in the world, by order. */
const done = new Map<string, string[]>();
function note(order: string, what: string): void {
  done.set(order, [...(done.get(order) ?? []), what]);
}
const act = activity("undo.act", async (order: string, what: string) => note(order, what));
const refuse = activity("undo.refuse", { retry: { maxAttempts: 1 } }, async (why: string) => {
  throw new Error(why);
});
const flaky = activity(
  "undo.flaky",
  { retry: { maxAttempts: 3, initialDelay: 1 } },
  async (order: string) => {
    note(order, "tries");
    if (done.get(order)?.filter((what) => what === "tries").length !== 2) throw new Error("busy");
  },
);

const trip = workflow("undo.trip", function* (order: string, end: string): Flow<string> {
  yield* call(act, order, "book flight");
  yield* compensate(call(act, order, "cancel flight"));
  yield* call(act, order, "book hotel");
  yield* compensate(() => call(flaky, order));
  switch (end) {
    case "fail":
      yield* call(refuse, "no car");
      return "never";
    case "throw":
      throw new NonRetryableError("no car");
    case "wait":
      yield* signal("never");
      return "never";
    default:
      return "booked";
  }
});

test("a failure undoes what was done, newest first, with the retries of each step, and the first error is told", async (t) => {
  const stent = await serving(t);
  for (const end of ["fail", "throw"]) {
    const handle = await stent.dispatch(trip, [end, end]);
    const { error } = await handle.wait(limit);
    assert.equal(error?.message, "no car");
    assert.deepEqual(done.get(end), [
      "book flight",
      "book hotel",
      "tries",
      "tries",
      "cancel flight",
    ]);
    assert.deepEqual(
      (await historyOf(stent, handle.id)).flatMap(({ path }) =>
        path.startsWith("undo") ? [path] : [],
      ),
      ["undo.2", "undo.1"],
    );
  }
});

test("success undoes nothing", async (t) => {
  const stent = await serving(t);
  assert.equal(await stent.run(trip, ["well", "succeed"]), "booked");
  assert.deepEqual(done.get("well"), ["book flight", "book hotel"]);
});

test("a cancel undoes, and the execution is cancelled after that", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(trip, ["cancelled", "wait"]);
  await until("it waits", async () => (await handle.state()).waitingFor.length > 0);
  await handle.cancel("changed my mind");
  const { error } = await handle.wait(limit);
  assert.ok(error instanceof CancelledError);
  assert.equal(error.message, "changed my mind");
  assert.equal(done.get("cancelled")?.at(-1), "cancel flight");
  assert.equal((await handle.state()).state, "cancelled");
});

test("a deadline undoes, and the execution is timed_out after that", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(trip, ["late", "wait"], { maxDuration: 300 });
  const { error } = await handle.wait(limit);
  assert.ok(error instanceof ExpiryError);
  assert.equal(done.get("late")?.at(-1), "cancel flight");
  assert.equal((await handle.state()).state, "timed_out");
});

const stubborn = workflow("undo.stubborn", function* (order: string): Flow<void> {
  yield* compensate(call(act, order, "first"));
  yield* compensate(call(refuse, "the key is lost"));
  yield* compensate(() => {
    throw new Error("a slip");
  });
  yield* compensate(call(act, order, "last"));
  yield* call(refuse, "declined");
});

test("an undo step that fails is a dead letter and an error beside the first; the others run", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(stubborn, ["stubborn"]);
  const { error } = await handle.wait(limit);
  assert.equal(error?.message, "declined");
  assert.deepEqual(
    (error as Error & { errors: Error[] }).errors.map(({ message }) => message),
    ["a slip", "the key is lost"],
  );
  assert.deepEqual(done.get("stubborn"), ["last", "first"]);
  const letters = (await stent.listDeadLetters()).items;
  assert.deepEqual(
    new Set(
      letters.map(({ task, reason }) => [task.name, task.id.split("/").at(-1), reason].join(" ")),
    ),
    new Set([
      "undo.refuse 1 Error: declined",
      "undo.refuse undo.2 Error: the key is lost",
      "undo.stubborn undo.3 Error: a slip",
    ]),
  );
});

test("a failure cannot be gone on from once it is undone, but by force or from the start", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(trip, ["again", "fail"]);
  await handle.wait(limit);
  const refused = await rejection(stent.retry(handle.id));
  assert.ok(refused instanceof CleanedUpError);
  assert.deepEqual(refused.steps, ["call(undo.flaky)", "call(undo.act)"]);
  await stent.retry(handle.id, { from: "start" });
  await handle.wait(limit);
  assert.deepEqual(
    done.get("again")?.slice(5),
    ["book flight", "book hotel", "tries", "cancel flight"].flatMap((what) =>
      what === "tries" ? ["tries", "tries", "tries"] : [what],
    ),
  );
});

const twice = workflow(
  "undo.twice",
  { retry: { maxAttempts: 2, initialDelay: 1 } },
  function* (order: string): Flow<void> {
    yield* run("begin", () => note(order, "begin"));
    yield* compensate(call(act, order, "undo"));
    yield* call(refuse, "declined");
  },
);

test("the undo steps of a failed run end before its retry begins", async (t) => {
  const stent = await serving(t);
  assert.match(String(await rejection(stent.run(twice, ["twice"]))), /declined/);
  assert.deepEqual(done.get("twice"), ["begin", "undo", "begin", "undo"]);
});

const slowUndo = workflow("undo.slow", function* (order: string): Flow<void> {
  yield* compensate(restfully(order));
  yield* all([call(refuse, "declined"), sleep("1h")]);
});
function* restfully(order: string): Flow<void> {
  yield* signal("go");
  yield* call(act, order, "undone");
}

test("undo goes on in another worker after a restart; a cancel meanwhile interrupts nothing", async (t) => {
  const file = databaseFile(t);
  const first = await stentOn(t, file, { serve: { drainTimeout: 1 } });
  const { id } = await first.dispatch(slowUndo, ["slow"]);
  await until("it undoes", async () =>
    (await first.stateOf(id)).waitingFor.some(({ kind }) => kind === "signal"),
  );
  await first.close();
  const second = await stentOn(t, file);
  await second.cancel(id, { reason: "too late" });
  await second.sendSignal(id, "go", undefined);
  const { error } = await second.waitFor(id, limit);
  assert.deepEqual(done.get("slow"), ["undone"]);
  assert.equal(error?.message, "too late");
  assert.equal((await second.stateOf(id)).state, "cancelled");
});

async function historyOf(stent: Stent, id: string): Promise<HistoryEntry[]> {
  const entries: HistoryEntry[] = [];
  for await (const entry of stent.history(id)) entries.push(entry);
  return entries;
}
