/** Payloads that are encrypted: what the database shows, what those without the key see, and how work goes on once the key is there. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import {
  activity,
  all,
  call,
  compressed,
  continueAsNew,
  counters,
  encrypted,
  map,
  NonRetryableError,
  progress,
  run,
  SerializationError,
  signal,
  sleep,
  state,
  workflow,
  type EncryptionKey,
  type HistoryEntry,
  type Serializer,
  type Stent,
} from "stentjs";
import { MemoryLogger } from "../support/memory-logger.ts";
import {
  databaseFile,
  patience,
  rejection,
  sqliteOnly,
  stentOn,
  until,
} from "../support/serving.ts";

const long = { timeout: 10_000 * patience };
const first: EncryptionKey = { id: "key-1", key: randomBytes(32) };
const second: EncryptionKey = { id: "key-2", key: randomBytes(32) };
const sealing = (...keys: EncryptionKey[]): { stent: { serializer: Serializer } } => ({
  stent: { serializer: encrypted({ keys }) },
});

/** Stands in everything that a user hands over below, and in nothing else. */
const secret = "4242-4242";

const charge = activity("encryption.charge", async (card: string) => {
  if (card.startsWith("refused")) throw new NonRetryableError(`the card ${card} was refused`);
  return { receipt: `for ${card}` };
});
const pay = workflow("encryption.pay", function* (card: string) {
  yield* state.set("card", card);
  yield* counters.add("payments");
  yield* progress(`paying with ${card}`);
  const receipts = yield* map(charge, [card, card]);
  const { receipt } = yield* call(charge, card);
  const noted = yield* run("note", () => `noted ${receipt}`);
  const go = yield* signal<string>("go");
  return [receipts.length, noted, go];
});
const refused = workflow("encryption.refused", function* (card: string) {
  yield* call(charge, `refused ${card}`);
});
const parent = workflow("encryption.parent", function* (card: string) {
  return (yield* all([call(pay, card), call(charge, card)])).length;
});
const again = workflow("encryption.again", function* (card: string, left: number) {
  if (left > 0) yield* continueAsNew(card, left - 1);
  return card;
});

test("everything works as it does in clear, compressed or not", async (t) => {
  for (const serializer of [
    encrypted({ keys: [first] }),
    encrypted({ keys: [first], serializer: compressed("superjson", { minBytes: 0 }) }),
    compressed(encrypted({ keys: [first] })),
    compressed(undefined, { minBytes: 0 }),
  ]) {
    const stent = await stentOn(t, databaseFile(t), { stent: { serializer } });
    const handle = await stent.dispatch(pay, [secret], { id: "paid" });
    await handle.signal("go", "gone");
    assert.deepEqual(await handle.result(long), [2, `noted for ${secret}`, "gone"]);
    const seen = await handle.state();
    assert.deepEqual(seen.customState, { card: secret });
    assert.deepEqual(seen.counters, { payments: 1 });
    assert.match(seen.progressText, /paying with 4242/);
    assert.equal(await stent.run(again, [secret, 2], {}), secret);
    const error = await rejection(stent.run(refused, [secret]));
    assert.ok(error instanceof NonRetryableError);
    const above = await stent.dispatch(parent, [secret], { id: "above" });
    await until("the child waits", async () => {
      const children = await stent.listExecutions({ parent: "above" });
      return children.items[0] !== undefined;
    });
    const [child] = (await stent.listExecutions({ parent: "above" })).items;
    await stent.sendSignal(child?.id ?? "", "go", secret);
    assert.equal(await above.result(long), 2);
    await stent.close();
  }
});

test("nothing that a user has handed over is in the file", sqliteOnly, async (t) => {
  const path = databaseFile(t);
  const stent = await stentOn(t, path, sealing(first));
  const handle = await stent.dispatch(pay, [secret], { id: "paid" });
  await handle.signal("go", secret);
  await handle.result(long);
  await stent.dispatch(pay, [secret], { id: "waits" });
  await stent.run(again, [secret, 1]);
  await rejection(stent.run(refused, [secret], { id: "refused" }));
  const job = await stent.dispatch(charge, [`refused ${secret}`]);
  await rejection(job.result(long));
  const { items } = await stent.listDeadLetters();
  assert.equal(items.length, 2);
  for (const { reason } of items)
    assert.match(reason, /^NonRetryableError: the card refused 4242-4242 was refused$/);
  for (const name of readdirSync(dirname(path)))
    assert.ok(!readFileSync(join(dirname(path), name)).includes(secret), name);
  // The test can fail: names and ids are there to be found.
  assert.ok(
    readdirSync(dirname(path)).some((name) =>
      readFileSync(join(dirname(path), name)).includes("encryption.pay"),
    ),
  );
});

test("a client without the key sees that there is something, and with which key it is encrypted", async (t) => {
  const path = databaseFile(t);
  const serving = await stentOn(t, path, sealing(first));
  const done = await serving.dispatch(pay, [secret], { id: "done" });
  await done.signal("go", secret);
  await done.result(long);
  await rejection(serving.run(refused, [secret], { id: "refused" }));
  await rejection(serving.run(charge, [`refused ${secret}`], { id: "job" }));
  for (const keyless of [
    await stentOn(t, path, { serve: false }),
    await stentOn(t, path, { serve: false, ...sealing(second) }),
  ]) {
    const names = (text: unknown): void => {
      assert.ok(text instanceof SerializationError);
      assert.match(text.message, /encrypted with key "key-1"/);
    };
    const { items } = await keyless.listExecutions();
    assert.deepEqual(items.map(({ id }) => id).toSorted(), ["done", "job", "refused"]);
    const seen = await keyless.stateOf("done");
    assert.equal(seen.state, "completed");
    names(seen.result?.error);
    names(seen.customState["card"]);
    assert.match(seen.progressText, /key "key-1"/);
    for (const entry of await entriesOf(keyless, "done")) {
      if (entry.effect.args !== undefined) names(entry.effect.args);
      if (entry.outcome?.ok === true && entry.outcome.value !== undefined)
        names(entry.outcome.value);
    }
    const [failed] = await entriesOf(keyless, "refused");
    names(failed?.outcome?.ok === false ? failed.outcome.error : undefined);
    const tasks = [
      ...(await keyless.listTasks({ execution: "refused" })).items,
      ...(await keyless.listTasks({ execution: "job" })).items,
    ];
    assert.deepEqual(
      tasks.map(({ state: how }) => how),
      ["failed", "failed"],
    );
    for (const { error } of tasks) names(error);
    const letters = await keyless.listDeadLetters();
    assert.equal(letters.items.length, 2);
    for (const { reason, task } of letters.items) {
      assert.equal(reason, "NonRetryableError");
      names(task.error);
    }
    names(await rejection(keyless.waitFor("done", long)));
    names(await rejection(keyless.resultOf("refused")));
    await keyless.close();
  }
});

test("a worker without the key blocks what it cannot read, and the next one that has it goes on", async (t) => {
  const path = databaseFile(t);
  const client = await stentOn(t, path, { serve: false, ...sealing(first) });
  const begun = await client.dispatch(refused, [secret], { id: "begun" });
  const job = await client.dispatch(charge, [secret], { id: "job" });
  const keyless = await stentOn(t, path, sealing(second));
  for (const id of ["begun", "job"]) {
    await until(`${id} is blocked`, async () => (await client.why(id))[0]?.kind === "blocked");
    const [reason] = await client.why(id);
    assert.match(
      reason?.detail ?? "",
      /input of execution .* encrypted with key "key-1".*has "key-2"/,
    );
    assert.equal((await client.stateOf(id)).completedAt, undefined);
  }
  await keyless.close();
  await stentOn(t, path, sealing(first));
  assert.deepEqual(await job.result(long), { receipt: `for ${secret}` });
  assert.ok((await rejection(begun.result(long))) instanceof NonRetryableError);
});

test("a retry is enough where the worker has been given the key meanwhile", async (t) => {
  const path = databaseFile(t);
  const keys = [second];
  let serializer = encrypted({ keys });
  const changing: Serializer = {
    name: "changing",
    dumps: (value, place) => serializer.dumps(value, place),
    loads: (data, place) => serializer.loads(data, place),
  };
  const stent = await stentOn(t, path, { stent: { serializer: changing } });
  const client = await stentOn(t, path, { serve: false, ...sealing(first) });
  const waiting = await client.dispatch(again, [secret, 0]);
  await until("it is blocked", async () => (await client.why(waiting.id))[0]?.kind === "blocked");
  serializer = encrypted({ keys: [second, first] });
  await stent.retry(waiting.id);
  assert.equal((await stent.waitFor(waiting.id, long)).unwrap(), secret);
});

test("a task whose arguments a worker cannot read goes back to the queue, is not counted as tried, and waits for one that can", async (t) => {
  const path = databaseFile(t);
  const once = activity(
    "encryption.once",
    { queue: "cards", retry: { maxAttempts: 1 } },
    async (card: string) => card,
  );
  const calls = workflow("encryption.calls", function* (card: string) {
    const one = yield* call(once, card);
    return [one, ...(yield* map(once, [card, card]))];
  });
  const logger = new MemoryLogger();
  const keyless = await stentOn(t, path, {
    serve: { queues: ["cards"] },
    stent: { serializer: encrypted({ keys: [second] }), logger },
  });
  const holder = await stentOn(t, path, { serve: { queues: ["default"] }, ...sealing(first) });
  const handle = await holder.dispatch(calls, [secret]);
  const line = await until("it was given back", () =>
    logger.lines.find(({ message }) => message.includes("given back to the queue")),
  );
  assert.match(JSON.stringify(line.fields), new RegExp(`"executionId":"${handle.id}"`));
  await keyless.close();
  const able = await stentOn(t, path, { serve: { queues: ["cards"] }, ...sealing(first) });
  assert.deepEqual(await handle.result(long), [secret, secret, secret]);
  await able.close();
});

test("what sleeps through the exchange of a key goes on with the new one first", async (t) => {
  const path = databaseFile(t);
  const sleeper = workflow("encryption.sleeper", function* (card: string) {
    const { receipt } = yield* call(charge, card);
    yield* sleep("300ms");
    return receipt;
  });
  const before = await stentOn(t, path, sealing(first));
  const handle = await before.dispatch(sleeper, [secret], { id: "sleeper" });
  await until("it sleeps", async () => (await handle.state()).waitingFor[0]?.kind === "sleep");
  await before.close();
  const after = await stentOn(t, path, sealing(second, first));
  assert.equal((await after.waitFor("sleeper", long)).unwrap(), `for ${secret}`);
  await after.close();
  const late = await stentOn(t, path, { serve: false, ...sealing(second) });
  assert.equal((await late.resultOf("sleeper")).unwrap(), `for ${secret}`);
  assert.match(String((await entriesOf(late, "sleeper"))[0]?.effect.args), /key "key-1"/);
});

async function entriesOf(stent: Stent, id: string): Promise<HistoryEntry[]> {
  const entries: HistoryEntry[] = [];
  for await (const entry of stent.history(id)) entries.push(entry);
  return entries;
}
