import assert from "node:assert/strict";
import { test } from "node:test";
import type { Line } from "../crash/external-log.ts";
import { percentile, recoveryOf } from "./recovery.ts";

const step = { fn: "step", attempt: 1 };

test("recovery is from a kill to the first that another process tells of what ran there", () => {
  const lines: Line[] = [
    { what: "start", ...step, key: "a/1/1", execution: "a", at: 1, pid: 7 },
    { what: "start", ...step, key: "b/1/1", execution: "b", at: 1, pid: 7 },
    { what: "completed", key: "b/1/1", at: 2, pid: 7 },
    { what: "start", ...step, key: "c/1/1", execution: "c", at: 3, pid: 8 },
    { what: "gave-up", key: "c/1/1", at: 12, pid: 8 },
    { what: "start", ...step, key: "a/1/1", execution: "a", at: 40, pid: 8 },
    { what: "completed", key: "a/1/1", at: 50, pid: 8 },
  ];
  assert.deepEqual(recoveryOf(lines, [{ pid: 7, at: 10 }]), { times: [30], unheard: 0 });
});

test("what nobody tells of any more is counted", () => {
  const lines: Line[] = [{ what: "start", ...step, key: "a/1/1", execution: "a", at: 1, pid: 7 }];
  assert.deepEqual(recoveryOf(lines, [{ pid: 7, at: 10 }]), { times: [], unheard: 1 });
});

test("a percentile is the smallest that is not below that share", () => {
  assert.deepEqual(
    [0.5, 0.99, 1].map((share) => percentile([1, 2, 3, 4], share)),
    [2, 4, 4],
  );
});
