import { describe, test } from "node:test";
import type { Failpoint } from "../../src/runtime/failpoint.ts";
import { killedAt } from "./killed-at.ts";
import { stage, usualBackend } from "./stage.ts";

const on = { sceneOf: stage("postgres"), backend: "postgres" } as const;

/** With TEST_BACKEND=postgres it is every one, in failpoints.test.ts. */
const points: readonly (readonly [point: Failpoint, count: number])[] = [
  ["commit.after-begin", 25],
  ["commit.before-commit", 30],
  ["commit.after-commit", 35],
  ["claim.after-commit", 5],
  ["turn.after-commit", 20],
  ["reap.after-commit", 1],
];

describe("on PostgreSQL", { skip: usualBackend === "postgres", concurrency: 2 }, () => {
  for (const [point, count] of points) {
    test(`killed at ${point}, time ${count}, everything goes on`, (t) =>
      killedAt(t, on, point, count, true));
  }
});
