import assert from "node:assert/strict";
import { test } from "node:test";
import { checkMoment } from "./invariants.ts";
import { read, type Snapshot } from "./snapshot.ts";
import { stage } from "./stage.ts";

const sceneOf = stage();
const serve = { pollInterval: "20ms", pollIntervalMax: "50ms" } as const;

for (const shape of ["abandonedJob", "abandonedMap"] as const) {
  test(`what was running when its worker died, and nobody takes then, ends by its totalTimeout: ${shape}`, async (t) => {
    const scene = await sceneOf(t, shape);
    const first = scene.start({ serve, dispatch: [{ shape, id: shape, args: [] }] });
    assert.equal((await first.ended).signal, "SIGKILL");
    assert.ok(scene.lines().some((line) => line.what === "start" && line.execution === shape));
    scene.start({ serve: { ...serve, queues: ["default"] } });
    await scene.until("it ends", async () => endOf(await read(scene.database)) !== undefined);
    const end = await read(scene.database);
    checkMoment(end);
    const { state, result = "" } = endOf(end) ?? {};
    if (shape === "abandonedJob") assert.match(String(result), /ATTEMPT_TIMED_OUT/);
    else
      assert.match(
        String(result),
        /\[(0|"ATTEMPT_TIMED_OUT"),"ATTEMPT_TIMED_OUT",(2|"ATTEMPT_TIMED_OUT")\]/,
      );
    assert.deepEqual(
      [state, end.deadLetters.length],
      shape === "abandonedJob" ? ["failed", 1] : ["completed", 0],
    );
  });
}

function endOf(moment: Pick<Snapshot, "executions">): Snapshot["executions"][number] | undefined {
  return moment.executions.find((row) => row.ended_at !== null);
}
