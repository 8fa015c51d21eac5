import assert from "node:assert/strict";
import { test } from "node:test";
import type { Line } from "./external-log.ts";
import { checkMoment } from "./invariants.ts";
import type { Scene } from "./processes.ts";
import { read, snapshotOf, type Snapshot } from "./snapshot.ts";
import { stage } from "./stage.ts";
import type { ProcessTask } from "./worker-process.ts";

const sceneOf = stage();
const maxClaims = 3;
const serve = { maxClaims, pollInterval: "20ms", pollIntervalMax: "50ms" } as const;
type Shape = NonNullable<ProcessTask["dispatch"]>[number]["shape"];

test(
  "what kills its process is given up, and what ran beside it is not hurt",
  { concurrency: 2 },
  async (t) => {
    await Promise.all([
      t.test("a call of an activity", async (t) => {
        const { end, deaths } = await untilCalm(await sceneOf(t, "call"), "deadlyCall");
        assert.match(resultOf(end, "deadlyCall"), /PoisonError/);
        assert.deepEqual(
          [stateOf(end, "deadlyCall"), end.deadLetters, deaths],
          ["completed", [], maxClaims],
          "its workflow has caught it",
        );
      }),
      t.test("one of many items of a map", async (t) => {
        const { end, deaths } = await untilCalm(await sceneOf(t, "map"), "deadlyMap");
        assert.match(resultOf(end, "deadlyMap"), /\[0,1,2,3,4,5,6,"PoisonError",8,9\]/);
        assert.ok(deaths <= maxClaims + 1, `${deaths} processes died of it`);
      }),
      t.test("a run closure", async (t) => {
        const { end, deaths } = await untilCalm(await sceneOf(t, "closure"), "deadlyClosure");
        assert.match(resultOf(end, "deadlyClosure"), /PoisonError/);
        assert.equal(deaths, maxClaims);
      }),
      t.test("a transaction", async (t) => {
        const { end, deaths } = await untilCalm(
          await sceneOf(t, "transaction"),
          "deadlyTransaction",
        );
        assert.match(resultOf(end, "deadlyTransaction"), /not tried again by itself/);
        assert.equal(deaths, maxClaims);
      }),
      t.test("a job", async (t) => {
        const { end, deaths } = await untilCalm(await sceneOf(t, "job"), "deadlyJob");
        assert.match(resultOf(end, "deadlyJob"), /PoisonError/);
        assert.deepEqual(
          [stateOf(end, "deadlyJob"), end.deadLetters.length, deaths],
          ["failed", 1, maxClaims],
        );
      }),
      t.test("a first turn", async (t) =>
        givesUpTurn(await sceneOf(t, "turn"), "deadlyTurn", maxClaims),
      ),
      // Its first two deaths come before the outcome of the call is stored, and look like ones of the call; then that goes its own way.
      t.test("a turn that follows a call", async (t) =>
        givesUpTurn(await sceneOf(t, "later-turn"), "deadlyTurnAfterCall", maxClaims + 2),
      ),
    ]);
  },
);

async function givesUpTurn(scene: Scene, shape: Shape, deathsAtMost: number): Promise<void> {
  const { end, deaths, lines } = await untilCalm(scene, shape);
  const execution = end.executions.find(({ id }) => id === shape);
  assert.equal(execution?.ended_at, null, "nothing of it is lost");
  assert.match(execution?.blocked ?? "", /"kind":"poison"/);
  assert.deepEqual(
    end.deadLetters.map(({ reason }) => reason.split(":")[0]),
    ["PoisonError"],
  );
  assert.ok(deaths <= deathsAtMost, `${deaths} processes died of it`);
  const calls = lines.filter((line) => line.what === "end" && line.execution === shape && line.ok);
  assert.ok(calls.length <= 3, `the call before it was made ${calls.length} times`);
}

/** Starts the deadly one among innocents, and a new process after each death, until one survives everything. */
async function untilCalm(
  scene: Scene,
  shape: Shape,
): Promise<{ end: Snapshot; lines: readonly Line[]; deaths: number }> {
  const innocents = Array.from({ length: 6 }, (_, n) => ({
    shape: "sequence" as const,
    id: `sequence-${n}`,
    args: [n],
  }));
  const args: unknown[] = [];
  const dispatch = [...innocents.slice(0, 3), { shape, id: shape, args }, ...innocents.slice(3)];
  for (let deaths = 0; deaths < 12; deaths++) {
    const child = scene.start({ serve, dispatch });
    const survived = await Promise.race([
      child.ended.then(() => false),
      scene
        .until("all is calm", () => isCalm(scene))
        .then(
          () => true,
          () => false,
        ),
    ]);
    if (!survived) {
      const { signal, stderr } = await child.ended;
      assert.equal(signal, "SIGKILL", stderr);
      continue;
    }
    child.kill("SIGKILL");
    await child.ended;
    const end = await snapshotOf(scene.database);
    checkMoment(end);
    for (const { id } of innocents) assert.equal(stateOf(end, id), "completed", id);
    const lines = scene.lines();
    assert.deepEqual(
      lines.filter(
        (line) => line.what === "log" && line.level === "error" && !/is blocked/.test(line.message),
      ),
      [],
    );
    return { end, lines, deaths };
  }
  throw new Error(`processes die of ${shape} without end`);
}

async function isCalm(scene: Scene): Promise<boolean> {
  const { executions } = await read(scene.database);
  return (
    executions.length > 0 &&
    executions.every((row) => row.ended_at !== null || row.blocked !== null)
  );
}

function stateOf(end: Snapshot, id: string): string | undefined {
  return end.executions.find((row) => row.id === id)?.state;
}

function resultOf(end: Snapshot, id: string): string {
  return end.executions.find((row) => row.id === id)?.result ?? "";
}
