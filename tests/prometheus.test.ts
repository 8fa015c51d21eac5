import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { register, Registry } from "prom-client";
import { activity, call, NonRetryableError, sleep, workflow, type MetricsRecorder } from "stentjs";
import { prometheus } from "stentjs/prometheus";
import { serving, until } from "./support/serving.ts";

describe("a recorder for Prometheus", () => {
  test("counts and measures what happens in a worker", async (t) => {
    const registry = new Registry();
    const metrics = prometheus({ registry });
    const stent = await serving(t, {
      serve: { maxCachedWorkflows: 0, leaseDuration: 300, heartbeatInterval: 10 },
      stent: { metrics },
    });
    await stent.run(order, [3]);
    await assert.rejects(stent.run(order, [0]));
    await until("the lease was renewed", async () =>
      (await registry.metrics()).includes("stent_lease_renewed_total{"),
    );
    const text = await registry.metrics();
    const charge = 'queue="cards",step_name="prometheus.charge",kind="activity"';
    const orders = 'queue="default",step_name="prometheus.order",kind="workflow"';
    for (const line of [
      `stent_tasks_claimed_total{${charge}} 2`,
      `stent_task_queue_seconds_count{${charge}} 2`,
      `stent_tasks_completed_total{${charge}} 1`,
      `stent_task_duration_seconds_count{${charge}} 1`,
      `stent_tasks_failed_total{${charge},error="NonRetryableError",retrying="false"} 1`,
      `stent_dead_lettered_total{${charge},error="NonRetryableError"} 1`,
      `stent_workflow_queue_seconds_count{${orders}} 2`,
    ]) {
      assert.ok(text.includes(`${line}\n`), `${line}\n\n${text}`);
    }
    for (const begin of [
      `stent_turn_duration_seconds_count{${orders}} `,
      `stent_workflow_replays_total{${orders}} `,
      `stent_workflow_replay_entries_sum{${orders}} `,
      `stent_workflow_replay_duration_seconds_sum{${orders}} `,
      `stent_cache_misses_total{${orders}} `,
      "stent_commit_batch_size_sum ",
      "stent_commit_duration_seconds_sum ",
      'stent_lease_renewed_total{success="true"} ',
    ]) {
      assert.match(text, new RegExp(`^${begin.replaceAll(/[{}.]/g, "\\$&")}[\\d.e-]*[1-9]`, "m"));
    }
  });

  test("uses the registry that prom-client shares if it is given none", async () => {
    prometheus({ prefix: "shared_" }).leaseRenewed({ workerId: "w1", success: false });
    assert.match(await register.metrics(), /shared_lease_renewed_total\{success="false"\} 1/);
    register.clear();
  });

  test("shares its metrics with others in the same registry", async () => {
    const registry = new Registry();
    for (const recorder of [prometheus({ registry }), prometheus({ registry })]) {
      recorder.leaseRenewed({ workerId: "w1", success: true });
    }
    assert.match(await registry.metrics(), /stent_lease_renewed_total\{success="true"\} 2/);
  });

  test("tells workers apart only where that is asked for", async () => {
    const registry = new Registry();
    prometheus({ registry, workerLabel: true }).leaseRenewed({ workerId: "w1", success: true });
    assert.match(await registry.metrics(), /\{success="true",worker_id="w1"\} 1/);
  });

  test("takes no label from the text of an error but its name", async () => {
    const registry = new Registry();
    const recorder = prometheus({ registry });
    for (const reason of [
      "TypeError: x is 1",
      "TypeError: x is 2",
      "no name at all",
      "a: b: c",
      "",
    ])
      failed(recorder, reason);
    const labels = (await registry.metrics()).match(/error="[^"]*"/g);
    assert.deepEqual([...new Set(labels)].toSorted(), [
      'error="Error"',
      'error="TypeError"',
      'error="a"',
    ]);
  });

  test("sorts durations by the given bounds", async () => {
    const registry = new Registry();
    prometheus({ registry, buckets: [1, 2] }).taskCompleted({
      step: "s",
      kind: "activity",
      durationMs: 1_500,
    });
    const text = await registry.metrics();
    assert.match(text, /task_duration_seconds_bucket\{le="1",.*\} 0\n/);
    assert.match(text, /task_duration_seconds_bucket\{le="2",.*\} 1\n/);
  });

  test("names a wrong option", () => {
    assert.throws(() => prometheus({ registry: {} as never }), /registry must be a Registry/);
    assert.throws(() => prometheus({ prefix: "a-b" }), /prefix must be/);
    assert.throws(() => prometheus({ buckets: "1" as never }), /buckets must be/);
    assert.throws(() => prometheus({ labels: [] } as never), /no option "labels"/);
  });
});

const charge = activity("prometheus.charge", { queue: "cards" }, async (cents: number) => {
  if (cents === 0) throw new NonRetryableError("nothing to charge");
  return cents;
});
const order = workflow("prometheus.order", function* (cents: number) {
  yield* sleep("5ms");
  return yield* call(charge, cents);
});

function failed(recorder: MetricsRecorder, reason: string): void {
  recorder.taskFailed({ step: "s", kind: "activity", reason, retrying: false });
}
