import assert from "node:assert/strict";
import { test } from "node:test";
import { failpoints, type Failpoint } from "../../src/runtime/failpoint.ts";
import { checkAfterKill, checkKept, checkMoment, checkResults, checkWorld } from "./invariants.ts";
import { planOf } from "./plan.ts";
import { endedWell, type Ending, type Scene } from "./processes.ts";
import { Chance } from "./chance.ts";
import { snapshotOf } from "./snapshot.ts";
import { stage } from "./stage.ts";
import type { ProcessTask } from "./worker-process.ts";

/** Executions of every shape. */
const size = 2;
const chance = Chance.fromEnvironment();
const sceneOf = stage();

const task: Omit<ProcessTask, "database"> = {
  serve: { heartbeatInterval: "25ms", drainTimeout: "20ms", cancelGrace: "2s" },
  load: size,
};
/** A successor goes on at once: no lease, and no grace of a cancel, is waited for. */
const patienceMs = 10_000;

test(
  `killed at every failpoint, everything goes on (${chance.told})`,
  { concurrency: 2 },
  async (t) => {
    await Promise.all(
      failpoints.flatMap((point) =>
        [1, 1 + chance.upTo(latest(point))].map((count, index) =>
          t.test(`${point}, time ${count}`, (t) => killedAt(t, point, count, index === 0)),
        ),
      ),
    );
  },
);

/** How often a point is reached in a load, roughly. */
function latest(point: Failpoint): number {
  if (point.startsWith("turn.") || point.startsWith("perform.") || point.startsWith("commit."))
    return 60;
  if (
    point.startsWith("reap.") ||
    point.startsWith("recover.") ||
    point.startsWith("register.") ||
    point.startsWith("retry.")
  )
    return 2;
  if (point.startsWith("transact.")) return size * 4;
  if (point.startsWith("drain.") || point.startsWith("cancel.") || point.startsWith("again."))
    return 2;
  return 15;
}

async function killedAt(
  t: Ending,
  point: Failpoint,
  count: number,
  mustBeHit: boolean,
): Promise<void> {
  const scene = sceneOf(t, `${point}-${count}`);
  const reopened = new Set(planOf(size).filter((id) => id.startsWith("mended")));
  const deaths: { left: ReturnType<typeof snapshotOf>; lines: ReturnType<Scene["lines"]> }[] = [];
  const disturbances = [
    // Somebody has to be dead before anybody can be buried, and what it was doing begun anew.
    ...(point.startsWith("reap.") || point.startsWith("recover.")
      ? [{ point: "perform.before-start", action: "kill", count: 12 } as const]
      : []),
    { point, action: "kill", count } as const,
  ];
  for (const [index, disturbance] of disturbances.entries()) {
    const child = scene.start({ ...task, drainAfterMs: 60 }, disturbance);
    const { signal, code, stderr } = await child.ended;
    assert.equal(stderr, "");
    if (mustBeHit || index < disturbances.length - 1)
      assert.equal(signal, "SIGKILL", `${disturbance.point} was never reached`);
    else if (signal === null) assert.equal(code, 0);
    const left = snapshotOf(scene.database);
    checkMoment(left);
    deaths.push({ left, lines: scene.lines() });
  }
  const successor = scene.start(task);
  await endedWell(successor, patienceMs, scene);
  const end = snapshotOf(scene.database);
  const lines = scene.lines();
  checkMoment(end);
  for (const death of deaths) {
    checkKept(death.left, end, reopened);
    checkAfterKill(death.left, death.lines, lines.slice(death.lines.length), reopened);
  }
  checkWorld(lines, end, reopened);
  checkResults(lines, planOf(size), end);
  const complaints = lines.filter((line) => line.what === "log" && line.level === "error");
  assert.deepEqual(complaints, []);
}
