import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { checkMoment, checkNothingTwice, checkResults, checkWorld } from "./invariants.ts";
import { planOf } from "./plan.ts";
import { endedWell } from "./processes.ts";
import { howFar, read, snapshotOf } from "./snapshot.ts";
import { stage } from "./stage.ts";

const sceneOf = stage();
const size = 30;
const serve = {
  leaseDuration: "2s",
  pollInterval: "50ms",
  pollIntervalMax: "200ms",
  maxConcurrency: 5,
} as const;
const reopened = new Set(planOf(size).filter((id) => id.startsWith("mended")));

test("two worker processes share one file, and one of them is killed in the middle", async (t) => {
  const scene = await sceneOf(t, "shared");
  const [first, second] = [scene.start({ serve }), scene.start({ serve })];
  const ready = await scene.until("both serve", (lines) => {
    const pids = new Set(
      lines.flatMap((line) => (line.what === "note" && line.text === "ready" ? [line.pid] : [])),
    );
    return pids.size === 2 && pids;
  });
  const client = scene.start({ serve: false, load: size });
  await scene.until(
    "they are in the middle of it",
    (lines) => lines.filter((line) => line.what === "start").length > 8 * size,
  );
  first.kill("SIGKILL");
  await first.ended;
  // Its process is seen to be gone at the next look, well before its lease is over.
  await endedWell(client, 60_000, scene);
  second.kill("SIGTERM");
  assert.equal((await second.ended).code, 0);
  const lines = scene.lines();
  const end = await snapshotOf(scene.database);
  checkMoment(end);
  checkWorld(lines, end, reopened);
  checkResults(lines, planOf(size), end);
  checkNothingTwice(lines, new Set([first.pid]));
  for (const pid of ready)
    assert.ok(
      lines.filter((line) => line.what === "start" && line.pid === pid).length > size,
      "both make progress",
    );
});

test("2,000 executions with children beside each other end with five workers of one slot each", async (t) => {
  const scene = await sceneOf(t, "trees");
  const trees = 2_000;
  const narrow = { maxConcurrency: 1 } as const;
  const startedAt = performance.now();
  scene.start({ serve: narrow, workers: 3, trees });
  scene.start({ serve: narrow, workers: 2 });
  await scene.until(
    "they serve",
    (lines) => lines.filter((line) => line.what === "note" && line.text === "ready").length === 2,
  );
  let [most, lastProgress] = [0, startedAt];
  for (
    let seen = await howFar(scene.database);
    seen.unfinished > 0;
    seen = await howFar(scene.database)
  ) {
    if (seen.steps > most) [most, lastProgress] = [seen.steps, performance.now()];
    assert.ok(performance.now() - lastProgress < 10_000, `nothing moves: ${JSON.stringify(seen)}`);
    assert.ok(
      performance.now() - startedAt < 240_000,
      `it takes too long: ${JSON.stringify(seen)}`,
    );
    await pause(500);
  }
  t.diagnostic(`${Math.round(performance.now() - startedAt)} ms`);
  const end = await read(scene.database);
  checkMoment(end);
  assert.equal(end.executions.length, 3 * trees);
  assert.ok(end.executions.every((row) => row.state === "completed"));
});
