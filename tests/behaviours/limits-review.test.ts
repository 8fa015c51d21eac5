/** Who waits for what, and what becomes of those behind: gates one after the other, deadlines, cancels, the order of the line. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { activity, all, call, run, signal, workflow, type Flow, type Stent } from "stentjs";
import { Gate, serving, until } from "../support/serving.ts";

const limit = { timeout: "10s" };
const started: string[] = [];
const gates = new Map<string, Gate>();
function gate(key: string): Gate {
  const known = gates.get(key) ?? new Gate();
  gates.set(key, known);
  return known;
}
function openGate(key: string): void {
  gate(key).open(undefined);
}
async function holding(key: string): Promise<void> {
  started.push(key);
  await gate(key).passed;
}
const begun = (key: string): Promise<unknown> =>
  until(`${key} has begun`, () => started.includes(key));
const heldBack = (stent: Stent, id: string, by: string): Promise<unknown> =>
  until(`${id} is held back by ${by}`, async () =>
    (await stent.why(id)).some(({ kind, detail }) => kind === "limit" && detail?.includes(by)),
  );

const onePlace = activity(
  "review.onePlace",
  { maxConcurrent: 1, rateLimit: { limit: 1, per: "1h", key: (customer: string) => customer } },
  async (_: string, key: string) => holding(key),
);

test("who was called for a place and finds no token leaves the place to those behind", async (t) => {
  const stent = await serving(t);
  openGate("place a1");
  await stent.run(onePlace, ["a", "place a1"]); // the token of a
  const first = await stent.dispatch(onePlace, ["b", "place b"]);
  await begun("place b");
  const tokenless = await stent.dispatch(onePlace, ["a", "place a2"]);
  await heldBack(stent, tokenless.id, "maxConcurrent");
  const behind = await stent.dispatch(onePlace, ["c", "place c"]);
  await heldBack(stent, behind.id, "maxConcurrent");
  openGate("place c");
  openGate("place b");
  await first.result(limit);
  await behind.result(limit);
  await heldBack(stent, tokenless.id, "rateLimit");
  await tokenless.cancel();
});

const oneRate = activity(
  "review.oneRate",
  {
    maxConcurrent: { limit: 1, key: (customer: string) => customer },
    rateLimit: { limit: 1, per: "100ms" },
  },
  async (_: string, key: string) => holding(key),
);

test("who was called for a token and finds no place leaves the token to those behind", async (t) => {
  const stent = await serving(t);
  openGate("token a0");
  await stent.run(oneRate, ["z", "token a0"]);
  const all = await stent.dispatchMany(oneRate, [
    ["a", "token a1"],
    ["a", "token a2"],
    ["b", "token b"],
  ]);
  await begun("token a1");
  openGate("token b");
  await all[2]?.result(limit);
  openGate("token a1");
  openGate("token a2");
  for (const one of all) await one.result(limit);
});

const closes = workflow("review.closes", { maxConcurrent: 1 }, function* (key: string): Flow<void> {
  try {
    yield* run("begins", () => void started.push(key));
    if (key.startsWith("fails") && !mended.has(key)) throw new Error("not yet");
    yield* call(waitsFor, key);
  } finally {
    if (mended.has(key)) {
      yield* run("closes", () => void started.push(`${key} closing`));
      yield* signal("closed");
    }
  }
});
const waitsFor = activity("review.waitsFor", holding);
const mended = new Set<string>();

test("one that is cancelled while it waits for a place anew keeps nobody from it", async (t) => {
  const stent = await serving(t);
  const failed = await stent.dispatch(closes, ["fails"]);
  await failed.wait(limit);
  mended.add("fails");
  const holder = await stent.dispatch(closes, ["closes holder"]);
  await begun("closes holder");
  await stent.retry(failed.id, { force: true });
  await heldBack(stent, failed.id, "maxConcurrent");
  await failed.cancel();
  await begun("fails closing");
  const behind = await stent.dispatch(closes, ["closes behind"]);
  await heldBack(stent, behind.id, "maxConcurrent");
  openGate("closes holder");
  openGate("closes behind");
  await holder.result(limit);
  await behind.result(limit);
  await stent.cancel(failed.id, { force: true });
});

test("and one that passes its deadline there is closed in time", async (t) => {
  const stent = await serving(t);
  const failed = await stent.dispatch(closes, ["fails late"], { maxDuration: "500ms" });
  await failed.wait(limit);
  mended.add("fails late");
  const holder = await stent.dispatch(closes, ["late holder"]);
  await begun("late holder");
  await stent.retry(failed.id, { force: true });
  await heldBack(stent, failed.id, "maxConcurrent");
  await begun("fails late closing");
  await failed.signal("closed", 1);
  await failed.wait(limit);
  assert.equal((await failed.state()).state, "timed_out");
  openGate("late holder");
  await holder.result(limit);
});

const inLine = activity("review.inLine", { maxConcurrent: 1 }, holding);
const calls = workflow("review.calls", function* (keys: readonly string[]): Flow<void> {
  yield* all(keys.map((key) => call(inLine, key)));
});

test("those that have come together are called in their order", async (t) => {
  const stent = await serving(t);
  const first = await stent.dispatch(inLine, ["line holder"]);
  await begun("line holder");
  const keys = Array.from({ length: 8 }, (_, n) => `line ${n}`);
  for (const key of keys) openGate(key);
  const jobs = await stent.dispatchMany(
    inLine,
    keys.map((key): [string] => [key]),
  );
  for (const { id } of jobs) await heldBack(stent, id, "maxConcurrent");
  openGate("line holder");
  await first.result(limit);
  for (const job of jobs) await job.result(limit);
  assert.deepEqual(
    started.filter((key) => keys.includes(key)),
    keys,
  );
  const called = keys.map((key) => `called ${key}`);
  for (const key of called) openGate(key);
  await stent.run(calls, [called]);
  assert.deepEqual(
    started.filter((key) => called.includes(key)),
    called,
  );
});
