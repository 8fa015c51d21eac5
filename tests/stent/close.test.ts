import assert from "node:assert/strict";
import { test } from "node:test";
import { activity, ClosedError, signal, Stent, workflow } from "stentjs";
import { clientOn } from "../support/client.ts";
import { databaseFile, rejection } from "../support/serving.ts";

const waits = workflow("waits", function* () {
  yield* signal("go");
});
const job = activity("job", async (_n: number) => 1);

test("nothing can be asked of a closed client", async () => {
  const stent = await Stent.open("sqlite::memory:");
  const handle = await stent.dispatch(waits, [], { id: "x" });
  await stent.close();
  const asked: Promise<unknown>[] = [
    stent.dispatch(waits, []),
    stent.dispatchMany(waits, [[]]),
    stent.run(waits, []),
    stent.stateOf("x"),
    stent.resultOf("x"),
    stent.waitFor("x"),
    stent.sendSignal("x", "go", 1),
    stent.cancel("x"),
    stent.retry("x"),
    stent.bulk("cancel", {}),
    stent.why("x"),
    stent.listExecutions(),
    stent.listTasks(),
    stent.queueDepth(),
    stent.listDeadLetters(),
    stent.getDeadLetter("x"),
    stent.discardDeadLetter("x"),
    stent.cleanup(),
    stent.serve(),
    stent.waitUntilReady(),
    stent.history("x")[Symbol.asyncIterator]().next(),
    handle.wait(),
    handle.state(),
    handle.signal("go", 1),
    handle.cancel(),
  ];
  for (const each of asked) assert.ok((await rejection(each)) instanceof ClosedError);
});

test("closing twice, at once or never opened, is fine", async () => {
  const stent = await Stent.open("sqlite::memory:");
  await Promise.all([stent.close(), stent.close()]);
  await stent.close();
  const unused = new Stent({ backend: "sqlite::memory:" });
  await unused.close();
  assert.ok((await rejection(unused.stateOf("x"))) instanceof ClosedError);
});

test("await using closes", async () => {
  let kept: Stent;
  {
    await using stent = await Stent.open("sqlite::memory:");
    kept = stent;
  }
  assert.ok((await rejection(kept.listExecutions())) instanceof ClosedError);
});

test("what was asked before the close is done", async (t) => {
  const path = databaseFile(t);
  const stent = await clientOn(t, path);
  const asked = Array.from({ length: 50 }, (_, n) => stent.dispatch(job, [n]));
  const many = stent.dispatchMany(job, [[1], [2]]);
  await stent.close();
  await Promise.all([...asked, many]);
  const again = await clientOn(t, path);
  assert.equal(await again.queueDepth(), 52);
});

test("a history that is being read ends with ClosedError", async () => {
  const stent = await Stent.open("sqlite::memory:");
  await stent.dispatch(waits, [], { id: "x" });
  const history = stent.history("x")[Symbol.asyncIterator]();
  assert.equal((await history.next()).done, true);
  const another = stent.history("x")[Symbol.asyncIterator]();
  await stent.close();
  assert.ok((await rejection(another.next())) instanceof ClosedError);
});

test("a client connects on first use, and again after it could not", async (t) => {
  const path = databaseFile(t);
  const folder = `${path}-folder`;
  const stent = new Stent({ backend: `${folder}/stent.db` });
  t.after(() => stent.close());
  await assert.rejects(stent.listExecutions(), /no folder/);
  const { mkdirSync } = await import("node:fs");
  mkdirSync(folder);
  assert.deepEqual((await stent.listExecutions()).items, []);
});
