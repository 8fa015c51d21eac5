import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Chance } from "./chance.ts";
import type { Line } from "./external-log.ts";
import { checkAfterKill, checkKept, checkMoment, checkResults, checkWorld } from "./invariants.ts";
import { planOf } from "./plan.ts";
import { endedWell } from "./processes.ts";
import { snapshotOf, type Snapshot } from "./snapshot.ts";
import { stage } from "./stage.ts";

const sceneOf = stage();
const chance = Chance.fromEnvironment();
const size = 25;
const kills = 15;
/** Whoever runs is an innocent here. */
const serve = { maxClaims: 1_000, drainTimeout: "20ms", heartbeatInterval: "25ms" } as const;

test(`killed ${kills} times at random, everything goes on (${chance.told})`, async (t) => {
  const scene = await sceneOf(t, "random");
  const reopened = new Set(planOf(size).filter((id) => id.startsWith("mended")));
  const deaths: { left: Snapshot; lines: readonly Line[] }[] = [];
  for (let kill = 0; kill < kills; kill++) {
    const client = scene.start({ serve, load: size, drainAfterMs: 200 });
    const helper = chance.upTo(2) === 1 ? scene.start({ serve }) : undefined;
    // Between the first of what it does and the middle of the load.
    await Promise.race([
      client.ended,
      scene.until("it serves", (lines) =>
        lines.some(
          (line) => line.what === "note" && line.text === "ready" && line.pid === client.pid,
        ),
      ),
    ]);
    await Promise.race([client.ended, pause(chance.upTo(300))]);
    client.kill("SIGKILL");
    helper?.kill("SIGKILL");
    const [{ stderr }] = await Promise.all([client.ended, helper?.ended]);
    assert.equal(stderr, "");
    const left = await snapshotOf(scene.database);
    checkMoment(left);
    deaths.push({ left, lines: scene.lines() });
  }
  await endedWell(scene.start({ serve, load: size }), 30_000, scene);
  const end = await snapshotOf(scene.database);
  const lines = scene.lines();
  checkMoment(end);
  for (const death of deaths) {
    checkKept(death.left, end, reopened);
    checkAfterKill(death.left, death.lines, lines.slice(death.lines.length), reopened);
  }
  checkWorld(lines, end, reopened);
  checkResults(lines, planOf(size), end);
  const finished = deaths.map(
    ({ left }) => left.executions.filter((row) => row.ended_at !== null).length,
  );
  t.diagnostic(
    `${chance.told}; executions that had ended at each kill: ${finished.join(", ")} of ${end.executions.length}`,
  );
  assert.deepEqual(
    lines.filter((line) => line.what === "log" && line.level === "error"),
    [],
  );
});
