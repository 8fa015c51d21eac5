import assert from "node:assert/strict";
import { test } from "node:test";
import { activity, sqlite } from "stentjs";
import { MemoryLogger } from "../support/memory-logger.ts";
import { databaseFile, Gate, stentOn, until } from "../support/serving.ts";
import { answeringLate } from "../support/slow-answers.ts";

let starts = 0;
const once = activity("late-renewal.once", async () => {
  starts += 1;
});

test("what a worker is given is not begun where its lease was renewed, and has run out before the answer came (V4, I4)", async (t) => {
  const path = databaseFile(t);
  const [dispatched, renewed] = [new Gate(), new Gate()];
  const slow = answeringLate(sqlite(path), "dispatch", () => dispatched.passed);
  const logger = new MemoryLogger();
  const late = await stentOn(t, "", {
    stent: { backend: answeringLate(slow, "heartbeat", () => renewed.passed), logger },
    serve: { leaseDuration: 300, heartbeatInterval: null },
  });
  const dispatching = late.dispatch(once, []);
  await until("its lease is over", async () => {
    const { workers } = await late.health();
    return workers[0]?.sessionLive === false;
  });
  dispatched.open();
  const { id } = await dispatching;
  const other = await stentOn(t, path, { serve: { leaseDuration: 300 } });
  await other.waitFor(id, { timeout: "15s" });
  renewed.open();
  await until("it finds itself dead", () =>
    logger.lines.some(({ message }) => message.includes("found dead")),
  );
  assert.equal(starts, 1);
});
