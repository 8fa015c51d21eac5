import assert from "node:assert/strict";
import { test } from "node:test";
import Database from "better-sqlite3";
import {
  defineSignal,
  ExecutionFinishedError,
  ExecutionNotFoundError,
  SerializationError,
  signal,
  ValidationError,
  workflow,
  type StandardSchema,
} from "stentjs";
import { clientOn, schemaOf } from "../support/client.ts";
import { databaseFile, rejection } from "../support/serving.ts";

const waits = workflow("waits", function* () {
  return yield* signal("go");
});

test("messages to a pending execution are kept in the order in which they were sent", async (t) => {
  const path = databaseFile(t);
  const stent = await clientOn(t, path);
  const handle = await stent.dispatch(waits, []);
  await handle.signal("go", 1);
  await stent.sendSignal(handle.id, "go", { n: 2 });
  await handle.signal("other", undefined);
  assert.deepEqual(inbox(path), [
    ["go", "1"],
    ["go", '{"n":2}'],
    ["other", "undefined"],
  ]);
  assert.equal((await handle.state()).state, "pending");
});

test("a signal does not start a delayed execution early", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.schedule("1h", waits, []);
  const [before] = (await handle.state()).waitingFor;
  await handle.signal("go", 1);
  assert.deepEqual((await handle.state()).waitingFor, [before]);
});

test("a resend under the same key is dropped, of that name and to that execution", async (t) => {
  const path = databaseFile(t);
  const stent = await clientOn(t, path);
  const [one, other] = await stent.dispatchMany(waits, [[], []]);
  const options = { dedupeKey: "k" };
  await stent.sendSignal(one?.id ?? "", "go", 1, options);
  await stent.sendSignal(one?.id ?? "", "go", 2, options);
  await stent.sendSignal(one?.id ?? "", "stop", 3, options);
  await stent.sendSignal(other?.id ?? "", "go", 4, options);
  await stent.sendSignal(one?.id ?? "", "go", 5, { dedupeKey: "l" });
  assert.deepEqual(
    inbox(path).map(([, payload]) => payload),
    ["1", "3", "4", "5"],
  );
});

test("a resend of what has been taken is harmless after the end too", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.dispatch(waits, []);
  await stent.sendSignal(handle.id, "go", 1, { dedupeKey: "k" });
  await handle.cancel();
  await stent.sendSignal(handle.id, "go", 1, { dedupeKey: "k" });
});

test("signals to what has ended, or is not there, are refused", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.dispatch(waits, []);
  await handle.cancel();
  const finished = await rejection(handle.signal("go", 1));
  assert.ok(finished instanceof ExecutionFinishedError);
  assert.match(finished.message, /"go" would reach nobody/);
  assert.ok(
    (await rejection(stent.sendSignal("nobody", "go", 1))) instanceof ExecutionNotFoundError,
  );
});

test("what the schema of a signal puts out is sent, and what it refuses is not", async (t) => {
  const path = databaseFile(t);
  const stent = await clientOn(t, path);
  const handle = await stent.dispatch(waits, []);
  const schema = schemaOf((text: string) => {
    if (text === "") throw new Error("must not be empty");
    return { text };
  }) as unknown as StandardSchema<{ text: string }, string>;
  const note = defineSignal("note", { schema });
  await handle.signal(note, "hello");
  const error = await rejection(handle.signal(note, ""));
  assert.ok(error instanceof ValidationError);
  assert.match(error.message, /the payload of signal "note" was refused/);
  assert.deepEqual(inbox(path), [["note", '{"text":"hello"}']]);
});

test("a payload that cannot be stored is refused with its path", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.dispatch(waits, []);
  const error = await rejection(handle.signal("go", { at: [() => 1] }));
  assert.ok(error instanceof SerializationError);
  assert.equal(error.path, "payload.at[0]");
});

test("signals without a name, and wrong options, are refused", async (t) => {
  const stent = await clientOn(t);
  const { id } = await stent.dispatch(waits, []);
  await assert.rejects(stent.sendSignal(id, "", 1), TypeError);
  await assert.rejects(stent.sendSignal(id, undefined as never, 1), TypeError);
  await assert.rejects(stent.sendSignal(id, "go", 1, { dedupeKey: "" }), TypeError);
  await assert.rejects(stent.sendSignal(id, "go", 1, { key: "k" } as never), TypeError);
  await assert.rejects(stent.sendSignal(id, "go", 1, { transaction: {} }), TypeError);
});

function inbox(path: string): [string, string][] {
  const database = new Database(path, { readonly: true });
  try {
    return database.prepare("select name, payload from stent_signals order by key").raw().all() as [
      string,
      string,
    ][];
  } finally {
    database.close();
  }
}
