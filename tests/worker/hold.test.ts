import assert from "node:assert/strict";
import { test } from "node:test";
import { workflow } from "stentjs";
import type { ClaimedExecution } from "../../src/store/store.ts";
import { Hold } from "../../src/worker/hold.ts";
import type { RunHost } from "../../src/worker/run-host.ts";

const waiting = workflow("hold.waiting", function* () {
  // never begun
});

test("what its row shows to have arrived has to be read, before a hint tells of it: else it would be parked as if it had been (S3)", async () => {
  const row = { worker: 7, claim: 1, wakeSeq: 0, state: "running" };
  const host = {
    session: () => 7,
    deps: { store: { executionByKey: async () => ({ ...row }) } },
  } as unknown as RunHost;
  const claimed = { key: 1, claim: 1, wakeSeq: 0, fresh: true } as ClaimedExecution;
  const hold = new Hold(claimed, waiting, host, false);
  hold.wake();
  const reading = hold.readRow();
  hold.wake(); // while the row is on its way: that may be older than this
  await reading;
  assert.ok(hold.takeWoken(), "arrivals are read once for both");
  assert.ok(hold.rowIsStale);

  row.wakeSeq = 1;
  await hold.readRow();
  assert.equal(hold.wakeSeq, 1);
  assert.ok(hold.isWoken);
});
