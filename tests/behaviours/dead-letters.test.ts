/** Dead letters that are replayed: the step that failed for good is tried anew, and what failed by it goes on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activity,
  call,
  CleanedUpError,
  context,
  DeadLetterNotFoundError,
  map,
  workflow,
  type Flow,
  type Stent,
} from "stentjs";
import { rejection, serving, until } from "../support/serving.ts";

const limit = { timeout: "30s" };
const mended = new Set<string>();
const keys = new Map<string, string[]>();
const attempts = new Map<string, number[]>();

const charge = activity(
  "letters.charge",
  { retry: { maxAttempts: 2, initialDelay: 5 } },
  async (of: string) => {
    const { idempotencyKey, attempt } = context();
    keys.set(of, [...(keys.get(of) ?? []), idempotencyKey]);
    attempts.set(of, [...(attempts.get(of) ?? []), attempt]);
    if (!mended.has(of)) throw new RangeError("not yet");
    return `charged ${of}`;
  },
);
const order = workflow("letters.order", function* (of: string): Flow<string> {
  return yield* call(charge, of);
});
const parent = workflow("letters.parent", function* (of: string): Flow<string> {
  return `parent: ${yield* call(order, of)}`;
});
const many = workflow("letters.many", function* (of: string): Flow<unknown> {
  return yield* map(charge, [of, of]);
});
const cleans = workflow("letters.cleans", function* (of: string): Flow<unknown> {
  try {
    return yield* call(charge, of);
  } catch (error) {
    mended.add("cleaning");
    yield* call(charge, "cleaning");
    throw error;
  }
});

async function letterOf(stent: Stent): Promise<string> {
  const letter = await until("there is a dead letter", async () => {
    const { items } = await stent.listDeadLetters();
    return items[0];
  });
  return letter.task.id;
}

test("the step is tried anew under another task id and the key that it had, and its ancestors get the result", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(parent, ["p"]);
  assert.equal((await handle.wait(limit)).ok, false);
  const letter = await letterOf(stent);
  mended.add("p");
  const task = await stent.replayDeadLetter(letter);
  assert.notEqual(task, letter);
  assert.equal(
    await stent.waitFor(handle.id, limit).then((result) => result.unwrap()),
    "parent: charged p",
  );
  assert.equal(new Set(keys.get("p")).size, 1, "one key for all attempts");
  assert.deepEqual(attempts.get("p"), [1, 2, 1]);
  assert.equal(await stent.getDeadLetter(letter), undefined);
  const [child] = (await stent.listExecutions({ workflow: "letters.order" })).items;
  const { items } = await stent.listTasks({ execution: child?.id ?? "" });
  assert.deepEqual(
    items.map(({ id }) => id),
    [task],
  );
  assert.ok((await rejection(stent.replayDeadLetter(letter))) instanceof DeadLetterNotFoundError);
});

test("a job, and a map; what fails again is another dead letter, and may be replayed as well", async (t) => {
  const stent = await serving(t);
  const job = await stent.dispatch(charge, ["job"]);
  assert.equal((await job.wait(limit)).ok, false);
  const first = await letterOf(stent);
  const again = await stent.replayDeadLetter(first);
  await until("it has failed again", async () => (await stent.getDeadLetter(again)) !== undefined);
  mended.add("job");
  const third = await stent.replayDeadLetter(again);
  assert.equal(new Set([first, again, third]).size, 3);
  assert.equal((await stent.waitFor(job.id, limit)).unwrap(), "charged job");
  assert.equal(new Set(keys.get("job")).size, 1);
  const mapped = await stent.dispatch(many, ["many"]);
  assert.equal((await mapped.wait(limit)).ok, false);
  mended.add("many");
  await stent.replayDeadLetter(await letterOf(stent));
  assert.deepEqual((await stent.waitFor(mapped.id, limit)).unwrap(), [
    "charged many",
    "charged many",
  ]);
});

test("in another queue, and with the attempts so far", async (t) => {
  const stent = await serving(t, { serve: { queues: ["default"] } });
  for (const [of, fn] of [
    ["q1", order],
    ["q2", charge],
    ["q3", many],
  ] as const) {
    const handle = await stent.dispatch(fn as typeof order, [of]);
    assert.equal((await handle.wait(limit)).ok, false);
    mended.add(of);
    await stent.replayDeadLetter(await letterOf(stent), { queue: "other" });
    await until("it waits there", async () => (await stent.queueDepth("other")) > 0);
  }
  void stent.serve({ queues: ["other"] });
  await until("all have ended", async () => {
    const { items } = await stent.listExecutions({ state: "completed" });
    return items.length === 3;
  });
  const kept = await stent.dispatch(order, ["kept"]);
  assert.equal((await kept.wait(limit)).ok, false);
  await stent.replayDeadLetter(await letterOf(stent), { resetRetries: false });
  await until("it has failed again", async () => (attempts.get("kept") ?? []).length === 3);
  assert.equal((await stent.waitFor(kept.id, limit)).ok, false);
  assert.deepEqual(attempts.get("kept"), [1, 2, 3]);
});

test("behind clean-up it is refused", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(cleans, ["c"]);
  assert.equal((await handle.wait(limit)).ok, false);
  const letter = await letterOf(stent);
  assert.ok((await rejection(stent.replayDeadLetter(letter))) instanceof CleanedUpError);
  assert.notEqual(await stent.getDeadLetter(letter), undefined, "it is still there");
});
