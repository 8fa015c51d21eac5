import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activity,
  all,
  call,
  progress,
  run,
  signal,
  Stent,
  workflow,
  type AnyEffect,
  type Flow,
  type Middleware,
} from "stentjs";
import { databaseFile, rejection, serving, stentOn, until } from "../support/serving.ts";

const limit = { timeout: "10s" };

const wire = activity("middleware.wire", async (amount: number) => `wired ${amount}`);
const look = activity("middleware.look", async () => "looked");

/** No wire before it is approved. */
const policy: Middleware = function* policy(effect, next) {
  const known = effect as AnyEffect;
  if (known.kind === "call" && known.name === "middleware.wire") {
    const approved = yield* signal<boolean>("approved");
    if (!approved) throw new Error("not approved");
  }
  return yield* next(effect);
};
const trace: Middleware = function* trace(effect, next) {
  const value = yield* next(effect);
  const known = effect as AnyEffect;
  if (known.kind === "call") yield* progress(`${known.name}: ${String(value)}`);
  return value;
};

const transfer = workflow("middleware.transfer", function* (amount: number): Flow<unknown> {
  return yield* all([call(look), call(wire, amount)]);
});

test("a policy stands between a workflow and what it does", async (t) => {
  const stent = await serving(t, { stent: { middleware: [trace, policy] } });
  const yes = await stent.dispatch(transfer, [5]);
  const no = await stent.dispatch(transfer, [6]);
  await until("it waits", async () =>
    (await yes.state()).waitingFor.some(({ name }) => name === "approved"),
  );
  await yes.signal("approved", true);
  await no.signal("approved", false);
  assert.deepEqual(await yes.result(limit), ["looked", "wired 5"]);
  assert.match(String(await rejection(no.result(limit))), /not approved/);
  const entries: string[] = [];
  for await (const { path, effect } of stent.history(yes.id))
    entries.push(`${path} ${effect.kind}(${effect.name ?? ""})`);
  assert.deepEqual(entries, [
    "1.0 call(middleware.look)",
    "1.1~policy.1 signal(approved)",
    "1.1 call(middleware.wire)",
  ]);
  assert.ok(
    (await yes.state()).progress.some(({ detail }) => detail === "middleware.wire: wired 5"),
  );
});

const waiting = workflow("middleware.waiting", function* (): Flow<unknown> {
  const before = yield* call(look);
  yield* signal("go");
  return [before, yield* call(wire, 1)];
});

test("runs that began without it go on without it; one that began with it needs it, and goes on once it is back", async (t) => {
  const file = databaseFile(t);
  const without = await stentOn(t, file, { serve: { drainTimeout: 1 } });
  const old = await without.dispatch(waiting, []);
  await until("it waits", async () => (await old.state()).waitingFor.length > 0);
  await without.close();

  const withIt = await stentOn(t, file, {
    stent: { middleware: [policy] },
    serve: { drainTimeout: 1 },
  });
  await withIt.sendSignal(old.id, "go", undefined);
  assert.deepEqual((await withIt.waitFor(old.id, limit)).unwrap(), ["looked", "wired 1"]);
  const young = await withIt.dispatch(waiting, []);
  await until("it waits", async () => (await young.state()).waitingFor.length > 0);
  await withIt.close();

  const gone = await stentOn(t, file, { serve: { drainTimeout: 1 } });
  await gone.sendSignal(young.id, "go", undefined);
  await until("it is blocked", async () =>
    (await gone.why(young.id)).some(
      ({ kind, detail }) => kind === "blocked" && /middleware "policy"/.test(detail ?? ""),
    ),
  );
  await gone.close();

  const back = await stentOn(t, file, { stent: { middleware: [trace, policy] } });
  await back.sendSignal(young.id, "approved", true);
  assert.deepEqual((await back.waitFor(young.id, limit)).unwrap(), ["looked", "wired 1"]);
});

test("what has no name, or the name of another one, is refused when the Stent is made", () => {
  for (const middleware of [[policy, policy], [(): undefined => undefined], 5])
    assert.throws(
      () => new Stent({ backend: "sqlite::memory:", middleware: middleware as never }),
      TypeError,
    );
});

test("an error of its own code fails the workflow as the workflow's own would", async (t) => {
  const slip: Middleware = function* slip(effect, next) {
    if (effect.kind === "run") throw new TypeError("a slip in the middleware");
    return yield* next(effect);
  };
  const running = workflow("middleware.running", function* (): Flow<number> {
    return yield* run("one", () => 1);
  });
  const stent = await serving(t, { stent: { middleware: [slip] } });
  assert.match(String(await rejection(stent.run(running, []))), /a slip in the middleware/);
});
