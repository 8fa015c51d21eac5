import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import Database from "better-sqlite3";
import {
  activity,
  call,
  CleanedUpError,
  compensate,
  continueAsNew,
  fork,
  signal,
  transaction,
  workflow,
  type Flow,
  type Stent,
} from "stentjs";
import { again, policy, timed } from "../support/middleware.ts";
import {
  databaseFile,
  rejection,
  serving,
  stentOn,
  until,
  sqliteOnly,
} from "../support/serving.ts";

const limit = { timeout: "5s" };

/** What was done in the world, by order. */
const done = new Map<string, string[]>();
function note(order: string, what: string): void {
  done.set(order, [...(done.get(order) ?? []), what]);
}
const act = activity("composition.act", async (order: string, what: string) => note(order, what));
const refuse = activity(
  "composition.refuse",
  { retry: { maxAttempts: 1 } },
  async (why: string) => {
    throw new Error(why);
  },
);

/** How it ended, or why not; it is ended by force in the end, so that the test ends. */
async function endOf(stent: Stent, id: string): Promise<string> {
  try {
    await stent.waitFor(id, limit);
    return (await stent.stateOf(id)).state;
  } catch (error) {
    return String(error);
  } finally {
    await stent.cancel(id, { force: true });
  }
}

// ── continueAsNew ──

const left = workflow("composition.left", function* (round: number, how: string): Flow<string> {
  if (round === 2) return "done";
  if (how === "fork") {
    yield* fork(signal("go"));
    yield* continueAsNew(round + 1, how);
  }
  try {
    yield* continueAsNew(round + 1, how);
  } finally {
    yield* signal("go");
  }
  return "never";
});
for (const how of ["a fork", "a finally block"]) {
  test(`a restart while continueAsNew waits for ${how} loses nothing`, async (t) => {
    const file = databaseFile(t);
    const first = await stentOn(t, file, { serve: { drainTimeout: 1 } });
    const { id } = await first.dispatch(left, [1, how === "a fork" ? "fork" : "finally"]);
    await until("it waits", async () => (await first.stateOf(id)).waitingFor.length > 0);
    await first.close();
    const second = await stentOn(t, file);
    await second.sendSignal(id, "go", undefined);
    assert.equal(await endOf(second, id), "completed");
  });
}

// ── transactions ──

let canceller: Stent | undefined;
const paid = workflow("composition.paid", function* (id: string): Flow<string> {
  return yield* transaction("pay", () => {
    void canceller?.cancel(id);
    return "paid";
  });
});
test("a cancel that comes when a last transaction is committed and not delivered ends the execution", async (t) => {
  const stent = await serving(t);
  canceller = stent;
  const { id } = await stent.dispatch(paid, ["composition-paid"], { id: "composition-paid" });
  assert.equal(await endOf(stent, id), "cancelled");
});

// ── results that cannot be stored ──

const unstorable = workflow("composition.unstorable", function* (order: string): Flow<unknown> {
  yield* call(act, order, "charge");
  yield* compensate(call(act, order, "refund"));
  return () => "what cannot be stored";
});
test("undo steps run where the workflow fails since its result cannot be stored", async (t) => {
  const stent = await serving(t);
  const { error } = await (await stent.dispatch(unstorable, ["unstorable"])).wait(limit);
  assert.equal(error?.name, "SerializationError");
  assert.deepEqual(done.get("unstorable"), ["charge", "refund"]);
});

const stubborn = workflow("composition.stubborn", function* (order: string): Flow<unknown> {
  yield* call(act, order, "charge");
  return () => "what cannot be stored";
});
test("retry of a workflow whose result could not be stored goes on from its end", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(stubborn, ["stubborn"]);
  await handle.wait(limit);
  await stent.retry(handle.id);
  await handle.wait(limit);
  assert.deepEqual(done.get("stubborn"), ["charge"]);
});

// ── undo steps and deadlines ──

const undoing = workflow("composition.undoing", function* (order: string): Flow<void> {
  yield* compensate(waiting(order));
  yield* call(refuse, "declined");
});
function* waiting(order: string): Flow<void> {
  yield* call(act, order, "refund");
  yield* signal("go");
}
test("a deadline that passes during the undo steps does not let retry forget what they did", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(undoing, ["late"], { maxDuration: 300 });
  await until("it undoes", async () => (await handle.state()).waitingFor.length > 0);
  await pause(400);
  await handle.signal("go", undefined);
  await handle.wait(limit);
  assert.equal((await handle.state()).state, "timed_out");
  const refused = await rejection(stent.retry(handle.id));
  assert.ok(refused instanceof CleanedUpError);
  assert.deepEqual(refused.steps, ["call(composition.act)"]);
});

const tidying = workflow("composition.tidying", function* (_order: string): Flow<void> {
  try {
    yield* signal("never");
  } finally {
    yield* signal("go");
  }
});
for (const fn of [undoing, tidying]) {
  test(
    `past its deadline, what waits in its ${fn === undoing ? "undo steps" : "finally block"} is not taken again and again`,
    sqliteOnly,
    async (t) => {
      const file = databaseFile(t);
      const stent = await stentOn(t, file);
      const handle = await stent.dispatch(fn, ["idle"], { maxDuration: 200 });
      await pause(600);
      const database = new Database(file, { readonly: true });
      t.after(() => database.close());
      const claims = (): number =>
        database.prepare("select claim from stent_executions").pluck().get() as number;
      const before = claims();
      await pause(1_000);
      const times = claims() - before;
      await handle.signal("go", undefined);
      await handle.wait(limit);
      assert.ok(times < 5, `it was claimed ${times} times in a second`);
    },
  );
}

// ── dead letters of undo steps ──

async function lettersOf(stent: Stent): Promise<string[]> {
  const { items } = await stent.listDeadLetters();
  return items
    .map(({ task, reason }) => `${task.name} ${task.id.split("/").at(-1)} ${reason}`)
    .toSorted();
}

const causing = workflow("composition.causing", function* (): Flow<void> {
  try {
    yield* call(refuse, "declined");
  } catch (error) {
    yield* compensate(() => {
      throw new Error("cannot undo", { cause: error });
    });
  }
  throw new Error("something else");
});
test("the dead letter of an undo step is its own, and not that of a caught failure which caused its error", async (t) => {
  const stent = await serving(t);
  await (await stent.dispatch(causing, [])).wait(limit);
  assert.deepEqual(await lettersOf(stent), ["composition.causing undo.1 Error: cannot undo"]);
});

const refusing = workflow("composition.refusing", function* (): Flow<void> {
  yield* call(refuse, "locked");
});
const family = workflow("composition.family", function* (): Flow<void> {
  yield* compensate(call(refusing));
  yield* call(refuse, "declined");
});
test("an undo step that fails by a child's task leaves that task's dead letter alone", async (t) => {
  const stent = await serving(t);
  await (await stent.dispatch(family, [])).wait(limit);
  assert.deepEqual(await lettersOf(stent), [
    "composition.refuse 1 Error: declined",
    "composition.refuse 1 Error: locked",
  ]);
});

// ── middleware ──

let tries = 0;
const fickle = activity("composition.fickle", { retry: { maxAttempts: 1 } }, async () => {
  tries += 1;
  if (tries === 1) throw new Error("busy");
  return tries;
});
const calling = workflow("composition.calling", function* (): Flow<unknown> {
  const value = yield* call(fickle);
  yield* signal("go");
  return value;
});
test("a middleware within one that hands on twice survives a restart", async (t) => {
  const file = databaseFile(t);
  const middleware = [again, timed];
  const first = await stentOn(t, file, { stent: { middleware }, serve: { drainTimeout: 1 } });
  const { id } = await first.dispatch(calling, []);
  await until("it waits", async () =>
    (await first.stateOf(id)).waitingFor.some(({ kind }) => kind === "signal"),
  );
  await first.close();
  const second = await stentOn(t, file, { stent: { middleware } });
  await second.sendSignal(id, "go", undefined);
  assert.equal(await endOf(second, id), "completed");
});

const wiring = workflow("composition.wiring", function* (): Flow<void> {
  yield* call(act, "wiring", "wired");
});
test("an execution that waits in a policy can be cancelled", async (t) => {
  const stent = await serving(t, { stent: { middleware: [policy] } });
  const { id } = await stent.dispatch(wiring, []);
  await until("it waits", async () => (await stent.stateOf(id)).waitingFor.length > 0);
  await stent.cancel(id);
  assert.equal(await endOf(stent, id), "cancelled");
  assert.equal(done.get("wiring"), undefined);
});
