import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Chance } from "./chance.ts";
import {
  checkAfterKill,
  checkKept,
  checkMoment,
  checkNothingTwice,
  checkResults,
  checkWorld,
} from "./invariants.ts";
import { planOf } from "./plan.ts";
import { endedWell } from "./processes.ts";
import { read, snapshotOf, type Snapshot } from "./snapshot.ts";
import { stage, usualBackend } from "./stage.ts";

const sceneOf = stage();
const chance = Chance.fromEnvironment();
const size = 10;
/** The load itself takes longer on PostgreSQL. */
const patienceMs = { sqlite: 15_000, postgres: 60_000 };

test(`a drained worker gives everything back, and the next one goes on at once (${chance.told})`, async (t) => {
  const scene = await sceneOf(t, "drain");
  const serve = { drainTimeout: "30ms" };
  const reopened = new Set(planOf(size).filter((id) => id.startsWith("mended")));
  const client = scene.start({ serve: false, load: size });
  const deaths: { left: Snapshot; lines: ReturnType<typeof scene.lines> }[] = [];
  for (let round = 0; round < 6; round++) {
    const worker = scene.start({ serve });
    await scene.until("it serves", (lines) =>
      lines.some(
        (line) => line.what === "note" && line.text === "ready" && line.pid === worker.pid,
      ),
    );
    await pause(chance.upTo(40));
    worker.kill("SIGTERM");
    const { code, stderr } = await worker.ended;
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    const left = await read(scene.database);
    checkMoment(left);
    assert.deepEqual(
      left.workers.filter((row) => row.state === "live"),
      [],
      "its session has ended",
    );
    assert.deepEqual(left.marks, [], "drain gives no marks");
    deaths.push({ left, lines: [] });
  }
  const last = scene.start({ serve });
  await endedWell(client, patienceMs[usualBackend], scene);
  last.kill("SIGTERM");
  assert.equal((await last.ended).code, 0);
  const end = await snapshotOf(scene.database);
  const lines = scene.lines();
  checkMoment(end);
  for (const { left } of deaths) {
    checkKept(left, end, reopened);
    checkAfterKill(left, [], [], reopened);
  }
  checkWorld(lines, end, reopened);
  checkNothingTwice(lines, new Set());
  checkResults(lines, planOf(size), end);
});

test("an activity that runs longer than the drain waits is told by a DrainError, and what it returns is stored", async (t) => {
  const scene = await sceneOf(t, "told");
  const worker = scene.start({
    serve: { drainTimeout: "50ms" },
    dispatch: [{ shape: "interrupted", id: "interrupted", args: [20_000] }],
  });
  await scene.until("it runs", (lines) => lines.find((line) => line.what === "start"));
  worker.kill("SIGTERM");
  assert.equal((await worker.ended).code, 0);
  const told = scene.lines().find((line) => line.what === "note" && line.text === "aborted");
  assert.equal(told?.what === "note" && told.value, "DrainError");
  const [execution] = (await snapshotOf(scene.database)).executions;
  assert.deepEqual([execution?.state, /once/.test(execution?.result ?? "")], ["completed", true]);
});

for (const order of ["cancelled, then lost", "lost, then cancelled"] as const) {
  test(`an execution that is being cancelled does not wait for attempts that were lost with their workers, nor begin them anew: ${order}`, (t) =>
    cancelsTheLost(t, order));
}

async function cancelsTheLost(
  t: TestContext,
  order: "cancelled, then lost" | "lost, then cancelled",
): Promise<void> {
  const scene = await sceneOf(t, order === "lost, then cancelled" ? "listless-lost" : "listless");
  const narrow = { maxConcurrency: 1, cancelGrace: "1h" };
  const workers = [
    scene.start({
      serve: narrow,
      dispatch: [{ shape: "listless", id: "listless", args: [600_000] }],
    }),
    scene.start({ serve: narrow }),
  ];
  await scene.until(
    "both attempts run, one beside its workflow and one from the queue",
    (lines) => lines.filter((line) => line.what === "start").length === 2,
  );
  const cancel = async (): Promise<void> => {
    const client = scene.start({ serve: false, cancel: ["listless"] });
    assert.equal((await client.ended).code, 0);
  };
  if (order === "cancelled, then lost") {
    await cancel();
    await pause(100);
  }
  for (const worker of workers) worker.kill("SIGKILL");
  await Promise.all(workers.map(({ ended }) => ended));
  if (order === "lost, then cancelled") await cancel();
  assert.equal((await read(scene.database)).executions[0]?.state, "cancelling");
  const successor = scene.start({ serve: narrow });
  await scene.until(
    "it is cancelled",
    async () => (await read(scene.database)).executions[0]?.state === "cancelled",
    5_000,
  );
  assert.equal(
    scene.lines().filter((line) => line.what === "start").length,
    2,
    "nothing is started anew",
  );
  successor.kill("SIGKILL");
  await successor.ended;
}
