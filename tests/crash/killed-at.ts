import assert from "node:assert/strict";
import type { Failpoint } from "../../src/runtime/failpoint.ts";
import { checkAfterKill, checkKept, checkMoment, checkResults, checkWorld } from "./invariants.ts";
import type { Line } from "./external-log.ts";
import { planOf } from "./plan.ts";
import { endedWell, type SceneTask } from "./processes.ts";
import { snapshotOf, type Snapshot } from "./snapshot.ts";
import type { Backend, Stage } from "./stage.ts";
import type { Ending } from "./processes.ts";

/** Executions of every shape. */
const size = 2;
const task: SceneTask = {
  serve: { heartbeatInterval: "25ms", drainTimeout: "20ms", cancelGrace: "2s" },
  load: size,
};
/** A successor goes on at once: no lease, and no grace of a cancel, is waited for. */
const patienceMs = { sqlite: 10_000, postgres: 30_000 };

/** How often a point is reached in a load, roughly. */
export function latest(point: Failpoint): number {
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

/** Kills a process when it passes a point for that time: everything goes on in the next one. `mustBeHit`: it passes there so often. */
export async function killedAt(
  t: Ending,
  on: { readonly sceneOf: Stage; readonly backend: Backend },
  point: Failpoint,
  count: number,
  mustBeHit: boolean,
): Promise<void> {
  const scene = await on.sceneOf(t, `${point}-${count}`);
  const reopened = new Set(planOf(size).filter((id) => id.startsWith("mended")));
  const deaths: { left: Snapshot; lines: readonly Line[] }[] = [];
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
    const left = await snapshotOf(scene.database);
    checkMoment(left);
    deaths.push({ left, lines: scene.lines() });
  }
  const successor = scene.start(task);
  await endedWell(successor, patienceMs[on.backend], scene);
  const end = await snapshotOf(scene.database);
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
