import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activity,
  call,
  cancel,
  CancelledError,
  context,
  ExpiryError,
  fork,
  join,
  patched,
  shield,
  sleep,
  within,
  workflow,
  type Flow,
  type HistoryEntry,
} from "stentjs";
import { databaseFile, Gate, rejection, serving, stentOn, until } from "../support/serving.ts";

const limit = { timeout: "10s" };

// ── within ──

const told: Error[] = [];
const deaf = activity("scopes.deaf", async (key: string) => {
  const { signal } = context();
  signal.addEventListener("abort", () => told.push(signal.reason as Error));
  return gate(key).passed;
});
const bounded = workflow("scopes.bounded", function* (key: string): Flow<string> {
  return yield* within(200, call(deaf, key));
});

test("a deadline closes what is below it, activities by their AbortSignal, and is thrown", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(bounded, ["late"]);
  const error = await rejection(handle.result(limit));
  assert.ok(error instanceof ExpiryError);
  assert.equal(error.code, "WAIT_EXPIRED");
  await until("it is told", () => told.length === 1);
  assert.ok(told[0] instanceof CancelledError);
  gate("late").open("nobody hears it");
  const history: HistoryEntry[] = [];
  for await (const entry of stent.history(handle.id)) history.push(entry);
  assert.deepEqual(
    history.map(({ path, effect }) => [path, effect.kind, effect.name]),
    [["1.0", "call", "scopes.deaf"]],
    "the deadline is no effect that was answered",
  );
});

test("retry of an execution that failed by a deadline gives it its whole time again", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(bounded, ["again"]);
  assert.ok((await rejection(handle.result(limit))) instanceof ExpiryError);
  gate("again").open("in time");
  await stent.retry(handle.id);
  assert.equal(await handle.result(limit), "in time");
});

test("a deadline holds over a restart", async (t) => {
  const file = databaseFile(t);
  const first = await stentOn(t, file, { serve: { drainTimeout: 1 } });
  const { id } = await first.dispatch(sleeper, []);
  await until("it sleeps", async () => (await first.stateOf(id)).waitingFor.length > 0);
  await first.close();
  const second = await stentOn(t, file);
  const result = await second.waitFor(id, limit);
  assert.ok(!result.ok && result.error instanceof ExpiryError);
});
const sleeper = workflow("scopes.sleeper", function* (): Flow<void> {
  yield* within(300, sleep("1h"));
});

// ── shield ──

const shielded = workflow("scopes.shielded", function* (key: string): Flow<void> {
  const value = yield* shield(call(deaf, key));
  seen.push(value);
  yield* call(deaf, "never");
});

test("what is shielded goes on through a cancel, undisturbed", async (t) => {
  const stent = await serving(t, { stent: { dev: false } });
  const before = told.length;
  const handle = await stent.dispatch(shielded, ["shielded"]);
  await until("it runs", async () => (await handle.state()).waitingFor.length > 0);
  await handle.cancel();
  await until("it is being cancelled", async () => (await handle.state()).state === "cancelling");
  gate("shielded").open("whole");
  assert.ok((await rejection(handle.result(limit))) instanceof CancelledError);
  assert.deepEqual(seen, ["whole"]);
  assert.equal(told.length, before, "its attempt was told nothing");
});
const seen: string[] = [];

// ── forks ──

const forks = workflow("scopes.forks", function* (): Flow<unknown> {
  const first = yield* fork(call(echo, "a"));
  const second = yield* fork(sleep("1h"));
  const third = yield* fork(call(echo, "c"));
  yield* cancel(second);
  const values = [yield* join(third), yield* join(first)];
  try {
    yield* join(second);
  } catch (error) {
    values.push((error as Error).name);
  }
  return values;
});
const echo = activity("scopes.echo", async (text: string) => text);
const unjoined = workflow("scopes.unjoined", function* (): Flow<string> {
  yield* fork(call(fails));
  yield* fork(sleep("1h"));
  return "value";
});
const fails = activity("scopes.fails", { retry: { maxAttempts: 1 } }, async () => {
  throw new RangeError("declined");
});

test("forks are joined, cancelled, and waited for", async (t) => {
  const stent = await serving(t);
  assert.deepEqual(await stent.run(forks, []), ["c", "a", "CancelledError"]);
  const error = await rejection(stent.run(unjoined, []));
  assert.equal(String(error), "RangeError: declined");
});

// ── patched ──

let code: "old" | "new" = "old";
const changing = workflow("scopes.changing", function* (key: string): Flow<unknown> {
  const answers: unknown[] = [];
  for (let round = 0; round < 2; round += 1) {
    if (code === "new") {
      const isNew: boolean = yield* patched("check");
      answers.push(isNew);
      if (isNew) answers.push(yield* call(echo, "checked"));
    }
    answers.push(yield* call(deaf, `${key}${round}`));
  }
  return answers;
});

test("patched tells executions that had passed the place from those that come to it, with one answer a run", async (t) => {
  const file = databaseFile(t);
  const first = await stentOn(t, file, { serve: { drainTimeout: 1 } });
  const old = await first.dispatch(changing, ["old"]);
  await until("it waits", async () => (await old.state()).waitingFor.length > 0);
  await first.close();
  code = "new";
  const second = await stentOn(t, file);
  const young = await second.dispatch(changing, ["young"]);
  for (const key of ["old0", "old1", "young0", "young1"]) gate(key).open(key);
  assert.deepEqual((await second.waitFor(old.id, limit)).unwrap(), [false, "old0", false, "old1"]);
  assert.deepEqual(await young.result(limit), [
    true,
    "checked",
    "young0",
    true,
    "checked",
    "young1",
  ]);
});

const gates = new Map<string, Gate<string>>();
function gate(key: string): Gate<string> {
  const found = gates.get(key) ?? new Gate<string>();
  gates.set(key, found);
  return found;
}
