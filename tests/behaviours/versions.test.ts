import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activity,
  call,
  dispatch,
  FunctionRegistry,
  map,
  patched,
  remote,
  signal,
  workflow,
  type Durable,
  type Flow,
  type Stent,
} from "stentjs";
import { databaseFile, stentOn, until, type Ending } from "../support/serving.ts";

const limit = { timeout: "10s" };

const note = activity("versions.note", async (text: string) => text);

/** Each says which it is, before it waits and after. */
function* told(version: string): Flow<string> {
  const before = yield* call(note, `${version} before`);
  yield* signal("go");
  return `${before}, ${yield* call(note, `${version} after`)}`;
}
const bare = workflow("versions.order", () => told("bare"));
const one = workflow("versions.order", { version: "1" }, () => told("one"));
const two = workflow("versions.order", { version: "2" }, () => told("two"));
const three = workflow("versions.order", { version: "3" }, () => told("three"));

// oxlint-disable-next-line typescript/no-explicit-any -- functions of any kind
type Code = readonly Durable<any, any>[];

/** A Stent that has this code only. */
function withCode(t: Ending, file: string, code: Code, serve = true): Promise<Stent> {
  const registry = new FunctionRegistry();
  for (const fn of [note, ...code]) registry.register(fn);
  return stentOn(t, file, { serve, stent: { registry } });
}

function waits(stent: Stent, id: string): Promise<unknown> {
  return until("it waits for its message", async () =>
    (await stent.stateOf(id)).waitingFor.some(({ kind }) => kind === "signal"),
  );
}

/** What `why` says of workers, once it says something. */
function missing(stent: Stent, id: string): Promise<string> {
  return until("a worker is missing", async () => {
    const reasons = await stent.why(id);
    return reasons.find(({ kind }) => kind === "worker")?.detail;
  });
}

test("versions stand side by side: the definition that is dispatched says which, without one too", async (t) => {
  const stent = await stentOn(t, databaseFile(t));
  for (const [definition, text] of [
    [one, "one"],
    [three, "three"],
    [bare, "bare"],
    [two, "two"],
  ] as const) {
    const handle = await stent.dispatch(definition, []);
    await handle.signal("go", null);
    assert.equal(await handle.result(limit), `${text} before, ${text} after`);
    assert.equal((await handle.state()).version, definition.options.version);
  }
});

test("an execution goes on with its version when newer ones are registered, and when its worker has been replaced", async (t) => {
  const file = databaseFile(t);
  const registry = new FunctionRegistry();
  for (const fn of [note, one]) registry.register(fn);
  const first = await stentOn(t, file, { stent: { registry } });
  const here = await first.dispatch(one, []);
  const elsewhere = await first.dispatch(one, []);
  await waits(first, here.id);
  await waits(first, elsewhere.id);
  registry.register(two);
  await here.signal("go", null);
  assert.equal(await here.result(limit), "one before, one after");
  await first.close();
  const second = await withCode(t, file, [one, two, three]);
  await second.sendSignal(elsewhere.id, "go", null);
  assert.equal((await second.waitFor(elsewhere.id, limit)).unwrap(), "one before, one after");
});

test("a worker takes only the versions that it has, and leaves the others to those that have them", async (t) => {
  const file = databaseFile(t);
  const older = await withCode(t, file, [one]);
  const newer = await withCode(t, file, [two]);
  const handles = [];
  for (let n = 0; n < 5; n += 1) {
    handles.push({ handle: await older.dispatch(one, []), text: "one" });
    handles.push({ handle: await older.dispatch(two, []), text: "two" });
    handles.push({ handle: await newer.dispatch(one, []), text: "one" });
    handles.push({ handle: await newer.dispatch(two, []), text: "two" });
  }
  for (const { handle } of handles) await handle.signal("go", null);
  for (const { handle, text } of handles)
    assert.equal(await handle.result(limit), `${text} before, ${text} after`);
});

test("a version that nobody has waits until a worker with it comes, and why names it", async (t) => {
  const file = databaseFile(t);
  const first = await withCode(t, file, [two]);
  const unbegun = await first.dispatch(one, []);
  assert.match(
    await missing(first, unbegun.id),
    /1 live workers take unqueued work, but none of them has workflow "versions\.order" version "1"/,
  );
  assert.equal((await unbegun.state()).state, "pending");
  const second = await withCode(t, file, [one]);
  await second.sendSignal(unbegun.id, "go", null);
  assert.equal((await second.waitFor(unbegun.id, limit)).unwrap(), "one before, one after");
});

test("one that has begun waits for its version too, and is neither failed nor lost", async (t) => {
  const file = databaseFile(t);
  const first = await withCode(t, file, [one]);
  const { id } = await first.dispatch(one, []);
  await waits(first, id);
  await first.close();
  const newer = await withCode(t, file, [two, bare]);
  await newer.sendSignal(id, "go", null);
  assert.match(await missing(newer, id), /none of them has workflow "versions\.order" version "1"/);
  assert.equal((await newer.stateOf(id)).state, "running");
  await withCode(t, file, [one, three]);
  assert.equal((await newer.waitFor(id, limit)).unwrap(), "one before, one after");
});

test("what has no version waits for code without one, and a version does not do", async (t) => {
  const file = databaseFile(t);
  const first = await withCode(t, file, [one]);
  const { id } = await first.dispatch(bare, []);
  assert.match(await missing(first, id), /none of them has workflow "versions\.order"\. /);
  await withCode(t, file, [bare]);
  await first.sendSignal(id, "go", null);
  assert.equal((await first.waitFor(id, limit)).unwrap(), "bare before, bare after");
});

// ── children ──

/** A child ends with what it is. */
const childOf =
  (version: string) =>
  (item: number): Flow<string> =>
    saying(`${version} ${item}`);
function* saying(text: string): Flow<string> {
  return yield* call(note, text);
}
const childOne = workflow("versions.child", { version: "1" }, childOf("one"));
const childTwo = workflow("versions.child", { version: "2" }, childOf("two"));

const parent = workflow("versions.parent", function* (): Flow<unknown> {
  return [
    yield* call(childOne, 0),
    yield* call(childTwo, 0),
    yield* call(childTwo.with({ version: "1" }), 0),
    yield* map(childOne, [1, 2]),
    yield* map(childTwo.with({ version: "1" }), [3]),
    yield* dispatch(childOne, [5]),
    yield* call(remote<typeof childOne>("versions.child", { version: "1" }), 4),
  ];
});

test("children, mapped ones and dispatched ones have the version of the definition that is named", async (t) => {
  const stent = await stentOn(t, databaseFile(t));
  const [first, second, other, mapped, mappedOther, apart, far] = (await stent.run(
    parent,
    [],
  )) as string[];
  assert.deepEqual(
    [first, second, other, mapped, mappedOther, far],
    ["one 0", "two 0", "one 0", ["one 1", "one 2"], ["one 3"], "one 4"],
  );
  assert.equal((await stent.waitFor(String(apart), limit)).unwrap(), "one 5");
  assert.equal((await stent.stateOf(String(apart))).version, "1");
});

test("children of a version that nobody has wait for it, and their parent with them", async (t) => {
  const file = databaseFile(t);
  const first = await withCode(t, file, [parent, childTwo]);
  const { id } = await first.dispatch(parent, []);
  const child = await until(
    "the child is there",
    async () => (await first.listExecutions({ parent: id })).items[0],
  );
  assert.match(
    await missing(first, child.id),
    /none of them has workflow "versions\.child" version "1"/,
  );
  assert.deepEqual(
    (await first.why(id)).map(({ kind, name }) => `${kind} ${name}`),
    ["workflow versions.child"],
  );
  await withCode(t, file, [childOne]);
  assert.equal((await first.waitFor(id, limit)).ok, true);
});

const mapping = workflow("versions.mapping", function* (): Flow<unknown> {
  return yield* map(childOne, [1, 2, 3], { concurrency: 2 });
});

test("mapped children of a version that nobody has wait for it", async (t) => {
  const file = databaseFile(t);
  const first = await withCode(t, file, [mapping, childTwo]);
  const { id } = await first.dispatch(mapping, []);
  const child = await until(
    "a child is there",
    async () => (await first.listExecutions({ parent: id })).items[0],
  );
  assert.match(
    await missing(first, child.id),
    /none of them has workflow "versions\.child" version "1"/,
  );
  await withCode(t, file, [childOne]);
  assert.deepEqual((await first.waitFor(id, limit)).unwrap(), ["one 1", "one 2", "one 3"]);
});

// ── patched ──

/** One workflow's code, as it changes: before there was a check, while both have to be served, and when none of before is left. */
const codes = {
  *before(): Flow<unknown> {
    yield* signal("go");
    return yield* call(note, "charged");
  },
  *during(): Flow<unknown> {
    const checked = (yield* patched("check")) ? yield* call(note, "checked") : "unchecked";
    yield* signal("go");
    return [checked, yield* call(note, "charged")];
  },
  *after(): Flow<unknown> {
    const checked = yield* call(note, "checked");
    yield* signal("go");
    return [checked, yield* call(note, "charged")];
  },
};
let code: keyof typeof codes = "before";
const changing = workflow("versions.changing", () => codes[code]());

test("code changes under patched: old executions go the old way, new ones the new way, and in the end it is taken out", async (t) => {
  const file = databaseFile(t);
  const begun = async (state: keyof typeof codes, known: readonly string[]): Promise<string[]> => {
    code = state;
    const stent = await stentOn(t, file);
    const { id } = await stent.dispatch(changing, []);
    for (const each of [...known, id]) await waits(stent, each);
    await stent.close();
    return [...known, id];
  };
  const ids = await begun("during", await begun("before", []));
  code = "during";
  const during = await stentOn(t, file);
  const [old = "", ...newer] = ids;
  await during.sendSignal(old, "go", null);
  assert.deepEqual((await during.waitFor(old, limit)).unwrap(), ["unchecked", "charged"]);
  await during.close();
  const all = await begun("after", newer);
  const after = await stentOn(t, file);
  for (const id of all) {
    await after.sendSignal(id, "go", null);
    assert.deepEqual((await after.waitFor(id, limit)).unwrap(), ["checked", "charged"]);
  }
});
