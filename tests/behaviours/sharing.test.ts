/** How workflows and jobs share the slots of a worker. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { activity, all, call, continueAsNew, map, sleep, workflow, type Flow } from "stentjs";
import { Gate, serving, until } from "../support/serving.ts";

const limit = { timeout: "60s" };

let running = 0;
let most = 0;
/** Tells how many ran at the same time. */
const counted = activity("sharing.counted", async (ms: number, fails = 0) => {
  running += 1;
  most = Math.max(most, running);
  await pause(ms);
  running -= 1;
  tries.set(fails, (tries.get(fails) ?? 0) + 1);
  if (fails > 0 && tries.get(fails) === 1) throw new Error("the first time");
  return ms;
});
const tries = new Map<number, number>();
const retried = counted.with({ retry: { maxAttempts: 3, initialDelay: 5 } });

const done = new Map<string, number>();
const chain = workflow(
  "sharing.chain",
  function* (name: string, steps: number, ms: number): Flow<void> {
    for (let step = 1; step <= steps; step += 1) {
      yield* call(counted, ms);
      done.set(name, step);
    }
  },
);
const rounds = workflow("sharing.rounds", function* (left: number): Flow<number> {
  yield* call(counted, 1);
  done.set("rounds", left);
  if (left > 1) return yield* continueAsNew(left - 1);
  return left;
});

test("a long chain of steps does not keep from its slot what waits, nor what is more urgent", async (t) => {
  const stent = await serving(t, { serve: { maxConcurrency: 1 } });
  const long = await stent.dispatch(chain, ["long", 60, 10]);
  await until("it is under way", () => (done.get("long") ?? 0) > 1);
  const urgent = await stent.dispatch(counted, [0], { priority: 5 });
  const other = await stent.dispatch(chain, ["other", 3, 0]);
  await urgent.result(limit);
  await other.result(limit);
  assert.ok((done.get("long") ?? 0) < 60, "they came before its end");
  await long.result(limit);
});

test("nor does one that begins anew after every step", async (t) => {
  const stent = await serving(t, { serve: { maxConcurrency: 1 } });
  const loop = await stent.dispatch(rounds, [300]);
  await until("it is under way", () => (done.get("rounds") ?? 300) < 299);
  const job = await stent.dispatch(counted, [0]);
  await job.result(limit);
  assert.ok((done.get("rounds") ?? 0) > 1, "it came before its end");
  await loop.result(limit);
});

const mixed = workflow("sharing.mixed", function* (seed: number): Flow<number> {
  yield* call(counted, seed % 3);
  yield* all([call(counted, 1), call(retried, 0, seed + 1), branch(seed)]);
  if (seed % 4 === 0) yield* sleep(seed % 30);
  yield* map(counted, [0, 1, 0, 1, 0], { concurrency: 2 });
  yield* call(chain, `of ${seed}`, 5, 0);
  return seed;
});
function* branch(seed: number): Flow<void> {
  for (let step = 0; step < 4; step += 1) yield* call(counted, (seed + step) % 2);
}
const gates = new Map<number, Gate<unknown>>();
const held = activity("sharing.held", async (which: number) => {
  const gate = new Gate<unknown>();
  gates.set(which, gate);
  return gate.passed;
});

test("never do more run than there are slots for, and all of these are free afterwards", async (t) => {
  const slots = 3;
  const stent = await serving(t, { serve: { maxConcurrency: slots } });
  most = 0;
  const handles = await stent.dispatchMany(
    mixed,
    Array.from({ length: 40 }, (_, seed): [number] => [seed]),
  );
  await Promise.all(handles.map((handle) => handle.result(limit)));
  assert.ok(most <= slots, `${most} ran at a time`);
  const last = await stent.dispatchMany(held, [[0], [1], [2]]);
  await until("one runs in each slot", () => gates.size === slots);
  for (const gate of gates.values()) gate.open("well");
  await Promise.all(last.map((handle) => handle.result(limit)));
});
