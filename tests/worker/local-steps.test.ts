import assert from "node:assert/strict";
import { test } from "node:test";
import { PayloadCodec } from "../../src/core/payload.ts";
import { superjsonSerializer } from "../../src/core/serializer.ts";
import { LocalSteps } from "../../src/worker/local-steps.ts";
import type { RunHost } from "../../src/worker/run-host.ts";
import { ManualClock } from "../support/manual-clock.ts";

test("what was taken by a turn is not added to by what comes while the turn is stored", () => {
  const local = steps();
  const settled = local.takeSettled();
  const retried = local.takeRetried();
  local.fail("1", new Error("declined"));
  assert.deepEqual([settled, retried], [[], []]);
  local.giveBack(settled, retried);
  assert.deepEqual(local.paths(), ["1"], "it is there once");
  assert.deepEqual(
    local.takeSettled().map(({ delivery }) => delivery.path),
    ["1"],
  );
});

function steps(): LocalSteps {
  const codec = new PayloadCodec(superjsonSerializer);
  // What has failed without having been begun asks for nothing else.
  const host = { deps: { codec, clock: new ManualClock() } } as unknown as RunHost;
  return new LocalSteps(host, { key: 1, id: "x", run: 1, cut: 0 }, () => undefined);
}
