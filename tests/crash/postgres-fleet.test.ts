import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Chance } from "./chance.ts";
import { checkMoment, checkResults, checkWorld } from "./invariants.ts";
import { planOf } from "./plan.ts";
import { endedWell, type Child } from "./processes.ts";
import { read, snapshotOf } from "./snapshot.ts";
import { stage, usualBackend } from "./stage.ts";

const sceneOf = stage("postgres");
const chance = Chance.fromEnvironment();
/** All of it takes long: `npm test` does a part. */
const [size, disturbances] = usualBackend === "postgres" ? [25, 40] : [6, 8];
const workers = 4;
const serve = {
  leaseDuration: "2s",
  pollInterval: "50ms",
  pollIntervalMax: "200ms",
  maxConcurrency: 5,
  /** Whoever runs is an innocent here. */
  maxClaims: 1_000,
} as const;

test(`four worker processes are killed and stopped at random, and everything goes on (${chance.told})`, async (t) => {
  const scene = await sceneOf(t, "fleet");
  const fleet: Child[] = Array.from({ length: workers }, () => scene.start({ serve }));
  const client = scene.start({ serve: false, load: size });
  await scene.until("one serves", (lines) =>
    lines.some((line) => line.what === "note" && line.text === "ready"),
  );
  for (let n = 0; n < disturbances; n++) {
    await pause(chance.upTo(400));
    const index = chance.upTo(workers) - 1;
    const one = fleet[index];
    if (one === undefined) continue;
    if (chance.upTo(3) === 1) {
      // Now and then for longer than its lease.
      one.kill("SIGSTOP");
      setTimeout(() => one.kill("SIGCONT"), chance.upTo(3_000));
    } else {
      one.kill("SIGKILL");
      await one.ended;
      fleet[index] = scene.start({ serve });
    }
    checkMoment(await read(scene.database));
  }
  await endedWell(client, 90_000, scene);
  for (const one of fleet) {
    one.kill("SIGCONT");
    one.kill("SIGTERM");
  }
  assert.deepEqual(
    (await Promise.all(fleet.map(({ ended }) => ended))).map(({ stderr }) => stderr),
    fleet.map(() => ""),
  );
  const lines = scene.lines();
  const end = await snapshotOf(scene.database);
  checkMoment(end);
  checkWorld(lines, end, new Set(planOf(size).filter((id) => id.startsWith("mended"))));
  checkResults(lines, planOf(size), end);
});
