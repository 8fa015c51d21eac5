import assert from "node:assert/strict";
import { test } from "node:test";
import type { Failpoint } from "../../src/runtime/failpoint.ts";
import { Chance } from "./chance.ts";
import type { Line } from "./external-log.ts";
import { checkAfterKill, checkKept, checkMoment, checkWorld } from "./invariants.ts";
import type { SceneDatabase } from "./database.ts";
import type { Child } from "./processes.ts";
import { read, snapshotOf, type Snapshot } from "./snapshot.ts";
import { stage } from "./stage.ts";

const sceneOf = stage();
const chance = Chance.fromEnvironment();
const size = 80;
const mostKills = 10;
/** Whoever runs is an innocent here. */
const serve = { maxClaims: 1_000, heartbeatInterval: "25ms" } as const;
/** Before and after what a child's first turn, its steps and its end are stored by, and with them the next child. */
const points: readonly Failpoint[] = [
  "commit.before-commit",
  "turn.after-commit",
  "end.before-submit",
  "commit.after-commit",
  "end.after-commit",
  "commit.after-begin",
  "turn.after-load",
];

test(`a map over a workflow, killed again and again, runs each child once (${chance.told})`, async (t) => {
  const scene = await sceneOf(t, "fleet");
  const dispatch = [{ shape: "fleet" as const, id: "fleet", args: [size] }];
  const deaths: { readonly left: Snapshot; readonly lines: readonly Line[] }[] = [];
  for (let kill = 0; kill < mostKills; kill++) {
    const point = points[kill % points.length] ?? "commit.before-commit";
    const child = scene.start(
      { serve, dispatch },
      { point, action: "kill", count: chance.upTo(15) },
    );
    await scene.until("it dies, or is over", () => hasDied(child) || isOver(scene.database));
    child.kill("SIGKILL");
    const { stderr } = await child.ended;
    assert.equal(stderr, "");
    const left = await snapshotOf(scene.database);
    checkMoment(left);
    deaths.push({ left, lines: scene.lines() });
    if (await isOver(scene.database)) break;
  }
  const survivor = scene.start({ serve, dispatch });
  await scene.until("it is over", () => isOver(scene.database));
  survivor.kill("SIGKILL");
  await survivor.ended;
  const end = await snapshotOf(scene.database);
  const lines = scene.lines();
  checkMoment(end);
  for (const death of deaths) {
    checkKept(death.left, end, new Set());
    checkAfterKill(death.left, death.lines, lines.slice(death.lines.length), new Set());
  }
  checkWorld(lines, end);
  checkChildren(end);
  const done = deaths.map(({ left }) => endedOf(left));
  t.diagnostic(`children that had ended at each kill: ${done.join(", ")} of ${size}`);
  assert.ok(deaths.length > 3, "it was killed while the map was under way");
});

/** Every item has one child, which has ended by itself in its first run, and its outcome. */
function checkChildren(end: Snapshot): void {
  const sinks = (n: number): boolean => n % 10 === 7;
  const expected = Array.from({ length: size }, (_, n) => (sinks(n) ? "it sinks" : n + 2));
  const parent = end.executions.find(({ id }) => id === "fleet");
  assert.match(parent?.result ?? "", new RegExp(JSON.stringify(expected).slice(1, -1)));
  assert.deepEqual(
    end.executions
      .filter(({ name }) => name === "ship")
      .map(({ id, state, run, cut }) => [id, state, run, cut]),
    expected.map((_, n) => [`fleet/1/1.${n}`, sinks(n) ? "failed" : "completed", 1, 0]),
  );
  for (const { key, id, state } of end.executions) {
    const calls = end.journal.filter((row) => row.execution === key && row.kind === "call");
    if (id !== "fleet") assert.equal(calls.length, state === "failed" ? 1 : 2, id);
  }
}

function hasDied({ process }: Child): boolean {
  return process.exitCode !== null || process.signalCode !== null;
}

async function isOver(database: SceneDatabase): Promise<boolean> {
  const fleet = (await read(database)).executions.find(({ id }) => id === "fleet");
  return fleet !== undefined && fleet.ended_at !== null;
}

function endedOf({ executions }: Snapshot): number {
  return executions.filter(({ name, ended_at }) => name === "ship" && ended_at !== null).length;
}
