import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Failpoint } from "../../src/runtime/failpoint.ts";
import { checkMoment, checkResults, checkWorld } from "./invariants.ts";
import { planOf } from "./plan.ts";
import { endedWell, type Child, type Scene } from "./processes.ts";
import { read, type Snapshot } from "./snapshot.ts";
import { stage, usualBackend } from "./stage.ts";

const sceneOf = stage();
const serve = { leaseDuration: "1s", pollInterval: "50ms", pollIntervalMax: "200ms" } as const;
/** Executions of every shape, before and after the worker has come back. */
const [size, laterSize] = [2, 3];
/** The load itself takes longer on PostgreSQL. */
const patienceMs = { sqlite: 15_000, postgres: 60_000 };

const frozenAt: readonly { readonly point: Failpoint; readonly count: number }[] = [
  { point: "claim.after-commit", count: 3 },
  { point: "turn.after-commit", count: 3 },
  { point: "turn.after-commit", count: 20 },
  { point: "perform.after-end", count: 5 },
  { point: "task.before-submit", count: 3 },
  { point: "heartbeat.before-submit", count: 1 },
  { point: "recover.after-commit", count: 1 },
];

test(
  "I3: a worker that was stopped for longer than its lease writes nothing, and serves again",
  { concurrency: 2 },
  async (t) => {
    await Promise.all(
      frozenAt.map(({ point, count }) =>
        t.test(`stopped at ${point}, time ${count}`, async (t) => {
          const scene = await sceneOf(t, `frozen-${point}-${count}`);
          if (point.startsWith("recover.")) {
            // Somebody has to be dead for what it was doing to be begun anew.
            const dead = { point: "perform.before-start", action: "kill", count: 12 } as const;
            await scene.start({ serve, load: size }, dead).ended;
          }
          const frozen = scene.start(
            { serve: { ...serve, maxConcurrency: 3 } },
            { point, action: "stop", count },
          );
          await scene.until("it serves", (lines) =>
            lines.find((line) => line.what === "note" && line.text === "ready"),
          );
          const client = scene.start({ serve: false, load: size });
          await stopped(scene, frozen);
          const second = scene.start({ serve });
          await endedWell(client, patienceMs[usualBackend], scene);
          await scene.until(
            "it is buried",
            async () => liveSessions(await read(scene.database), frozen.pid) === 0,
          );
          await scene.until("runs that are over are removed", async () =>
            hasNoFormerRun(await read(scene.database)),
          );
          const ended = await read(scene.database);
          checkMoment(ended);
          checkResults(scene.lines(), planOf(size), ended);

          frozen.kill("SIGCONT");
          await scene.until(
            "it registers anew",
            async () => liveSessions(await read(scene.database), frozen.pid) === 1,
          );
          const dead = (await read(scene.database)).workers.filter(
            (row) => row.pid === frozen.pid && row.state === "dead",
          );
          assert.equal(dead.length, 1, "one session of it was buried");
          assert.deepEqual(
            (await read(scene.database)).marks.filter((mark) => mark.session === dead[0]?.key),
            [],
            "the marks that its former session left are removed",
          );
          const after = await read(scene.database);
          assert.deepEqual(
            { executions: after.executions, journal: after.journal, signals: after.signals },
            { executions: ended.executions, journal: ended.journal, signals: ended.signals },
            "I3: it has written nothing",
          );

          second.kill("SIGTERM");
          assert.equal((await second.ended).code, 0);
          const later = scene.start({ serve: false, load: laterSize });
          await endedWell(later, patienceMs[usualBackend], scene);
          const lines = scene.lines();
          const served = lines.some(
            (line) =>
              line.what === "start" &&
              line.pid === frozen.pid &&
              line.execution.endsWith(`-${laterSize - 1}`),
          );
          assert.ok(served, "it serves again");
          checkResults(lines, planOf(laterSize), await read(scene.database));
          checkWorld(
            lines,
            await read(scene.database),
            new Set(planOf(laterSize).filter((id) => id.startsWith("mended"))),
          );
          frozen.kill("SIGTERM");
          assert.equal((await frozen.ended).code, 0);
        }),
      ),
    );
  },
);

test("an activity that runs in a worker which loses its lease is told by a LeaseLostError", async (t) => {
  const scene = await sceneOf(t, "interrupted");
  const frozen = scene.start({
    serve,
    dispatch: [{ shape: "interrupted", id: "interrupted", args: [20_000] }],
  });
  await scene.until("it runs", (lines) => lines.find((line) => line.what === "start"));
  frozen.kill("SIGSTOP");
  await stopped(scene, frozen);
  const second = scene.start({ serve });
  await scene.until("the other one has ended it", async () =>
    (await read(scene.database)).executions.every((row) => row.state === "completed"),
  );
  frozen.kill("SIGCONT");
  const told = await scene.until("it is told", (lines) =>
    lines.find((line) => line.what === "note" && line.text === "aborted"),
  );
  assert.equal(told.what === "note" && told.value, "LeaseLostError");
  const [execution] = (await read(scene.database)).executions;
  assert.match(execution?.result ?? "", /again/);
  second.kill("SIGKILL");
  await second.ended;
});

test("a worker whose event loop was blocked for longer than its lease is warned, loses its session and goes on", async (t) => {
  const scene = await sceneOf(t, "blocked");
  const busy = scene.start({
    serve,
    dispatch: [{ shape: "blocking", id: "blocking", args: [4_000] }],
  });
  await scene.until("it runs", (lines) => lines.find((line) => line.what === "start"));
  const second = scene.start({ serve });
  await scene.until("the other one has ended it", async () =>
    (await read(scene.database)).executions.every((row) => row.state === "completed"),
  );
  const warning = await scene.until("it is warned", (lines) =>
    lines.find((line) => line.what === "log" && line.level === "warn" && line.pid === busy.pid),
  );
  assert.match(warning.what === "log" ? warning.message : "", /event loop was blocked/);
  await scene.until(
    "it registers anew",
    async () => liveSessions(await read(scene.database), busy.pid) === 1,
  );
  assert.match((await read(scene.database)).executions[0]?.result ?? "", /again/);
  second.kill("SIGKILL");
  await second.ended;
});

async function stopped(scene: Scene, child: Child): Promise<void> {
  await scene.until("it is stopped", () =>
    readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1]?.startsWith("T"),
  );
}

/** Maintenance removes them some time after their end, whoever is frozen. */
function hasNoFormerRun({ executions, journal }: Snapshot): boolean {
  const runs = new Map(executions.map(({ key, run }) => [key, run]));
  return journal.every(({ execution, run }) => run >= (runs.get(execution) ?? 0));
}

function liveSessions({ workers }: Snapshot, pid: number): number {
  return workers.filter((row) => row.pid === pid && row.state === "live").length;
}
