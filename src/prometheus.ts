/** Metrics for Prometheus, in a registry of prom-client. */
import {
  Counter,
  Histogram,
  register,
  type CounterConfiguration,
  type HistogramConfiguration,
  type Registry,
} from "prom-client";
import { knownOptions, show } from "./core/option.ts";
import { unqueued } from "./core/step-options.ts";
import type { MetricsRecorder, StepMetric } from "./observe/events.ts";

/** How `prometheus` works. */
export interface PrometheusOptions {
  /** Where the metrics are; default: the one that prom-client shares. Several Stents may use one. */
  registry?: Registry;
  /** How their names begin. Default "stent_". */
  prefix?: string;
  /** Upper bounds of what durations are sorted into, in seconds. Default: from 1 ms to 10 minutes. */
  buckets?: readonly number[];
  /** Tell workers apart by a label `worker_id`. Default false: each start of a worker without a `workerId` of its own has a new one, and with it all series anew. */
  workerLabel?: boolean;
}

const known = ["registry", "prefix", "buckets", "workerLabel"];
const defaultBuckets = [
  0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600,
];
const sizes = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000];
const entryCounts = [1, 2, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000, 50_000];

/** A recorder for the option `metrics` of a Stent. @throws TypeError naming the option */
export function prometheus(options: PrometheusOptions = {}): MetricsRecorder {
  knownOptions("prometheus", options, known);
  return recorderOf(metricsOf(checked(options)), options.workerLabel === true);
}

function checked({
  registry = register,
  prefix = "stent_",
  buckets = defaultBuckets,
}: PrometheusOptions): Required<Omit<PrometheusOptions, "workerLabel">> {
  if (typeof registry?.registerMetric !== "function")
    throw new TypeError(`registry must be a Registry of prom-client, got ${show(registry)}`);
  if (typeof prefix !== "string" || !/^(?:[a-zA-Z_:][\w:]*)?$/.test(prefix))
    throw new TypeError(`prefix must be letters, digits and "_", got ${show(prefix)}`);
  if (!Array.isArray(buckets) || !buckets.every((bucket) => typeof bucket === "number"))
    throw new TypeError(`buckets must be a list of numbers of seconds, got ${show(buckets)}`);
  return { registry, prefix, buckets };
}

type Labels = Record<string, string>;
type Metrics = ReturnType<typeof metricsOf>;

const ofStep = ["queue", "step_name", "kind", "worker_id"];

function metricsOf({ registry, prefix, buckets }: ReturnType<typeof checked>) {
  // One that is there is shared: another Stent of this process has made it.
  const counter = (config: CounterConfiguration<string>): Counter => {
    const name = prefix + config.name;
    const there = registry.getSingleMetric(name);
    return there instanceof Counter
      ? there
      : new Counter({ ...config, name, registers: [registry] });
  };
  const histogram = (config: HistogramConfiguration<string>): Histogram => {
    const name = prefix + config.name;
    const there = registry.getSingleMetric(name);
    return there instanceof Histogram
      ? there
      : new Histogram({ buckets: [...buckets], ...config, name, registers: [registry] });
  };
  return {
    tasksClaimed: counter({
      name: "tasks_claimed_total",
      help: "Attempts of activities that workers have begun",
      labelNames: ofStep,
    }),
    taskQueueSeconds: histogram({
      name: "task_queue_seconds",
      help: "How long an activity was due before an attempt began",
      labelNames: ofStep,
    }),
    tasksCompleted: counter({
      name: "tasks_completed_total",
      help: "Activities that have completed",
      labelNames: ofStep,
    }),
    taskDurationSeconds: histogram({
      name: "task_duration_seconds",
      help: "How long attempts took that completed",
      labelNames: ofStep,
    }),
    tasksFailed: counter({
      name: "tasks_failed_total",
      help: "Attempts of activities that have failed, by the error's name, and whether another one follows",
      labelNames: [...ofStep, "error", "retrying"],
    }),
    deadLettered: counter({
      name: "dead_lettered_total",
      help: "Tasks that have become dead letters",
      labelNames: [...ofStep, "error"],
    }),
    leasesRenewed: counter({
      name: "lease_renewed_total",
      help: "Renewals of leases, and whether they succeeded",
      labelNames: ["success", "worker_id"],
    }),
    workflowQueueSeconds: histogram({
      name: "workflow_queue_seconds",
      help: "How long a workflow was due before a worker began it",
      labelNames: ofStep,
    }),
    turnDurationSeconds: histogram({
      name: "turn_duration_seconds",
      help: "How long turns of workflows took, their commit included",
      labelNames: ofStep,
    }),
    replays: counter({
      name: "workflow_replays_total",
      help: "How often workflows were run again from their journal",
      labelNames: ofStep,
    }),
    replayEntries: histogram({
      name: "workflow_replay_entries",
      help: "Entries of the journals from which workflows were run again",
      labelNames: ofStep,
      buckets: entryCounts,
    }),
    replayDurationSeconds: histogram({
      name: "workflow_replay_duration_seconds",
      help: "How long it took to load journals and run workflows again from them",
      labelNames: ofStep,
    }),
    cacheMisses: counter({
      name: "cache_misses_total",
      help: "How often a workflow was not in the memory of the worker that took it",
      labelNames: ofStep,
    }),
    commitBatchSize: histogram({
      name: "commit_batch_size",
      help: "Changes that were stored in one transaction",
      buckets: sizes,
    }),
    commitDurationSeconds: histogram({
      name: "commit_duration_seconds",
      help: "How long transactions took",
    }),
  };
}

function recorderOf(metrics: Metrics, workerLabel: boolean): MetricsRecorder {
  const worker = (workerId: string | undefined): Labels =>
    workerLabel && workerId !== undefined ? { worker_id: workerId } : {};
  const step = ({ queue, step: name, kind, workerId }: StepMetric): Labels => ({
    queue: queue ?? unqueued,
    step_name: name,
    kind,
    ...worker(workerId),
  });
  return {
    taskClaimed(event) {
      metrics.tasksClaimed.inc(step(event));
      metrics.taskQueueSeconds.observe(step(event), event.queuedMs / 1_000);
    },
    taskCompleted(event) {
      metrics.tasksCompleted.inc(step(event));
      metrics.taskDurationSeconds.observe(step(event), event.durationMs / 1_000);
    },
    taskFailed(event) {
      const error = errorName(event.reason);
      metrics.tasksFailed.inc({ ...step(event), error, retrying: String(event.retrying) });
    },
    deadLettered(event) {
      metrics.deadLettered.inc({ ...step(event), error: errorName(event.reason) });
    },
    leaseRenewed({ workerId, success }) {
      metrics.leasesRenewed.inc({ success: String(success), ...worker(workerId) });
    },
    workflowStarted(event) {
      metrics.workflowQueueSeconds.observe(step(event), event.queuedMs / 1_000);
    },
    turnCompleted(event) {
      metrics.turnDurationSeconds.observe(step(event), event.durationMs / 1_000);
    },
    workflowReplayed(event) {
      metrics.replays.inc(step(event));
      metrics.replayEntries.observe(step(event), event.entries);
      metrics.replayDurationSeconds.observe(step(event), event.durationMs / 1_000);
    },
    cacheMissed(event) {
      metrics.cacheMisses.inc(step(event));
    },
    batchCommitted({ transitions, durationMs }) {
      metrics.commitBatchSize.observe(transitions);
      metrics.commitDurationSeconds.observe(durationMs / 1_000);
    },
  };
}

/** Of a reason only the error's name becomes a label: messages are without number. */
function errorName(reason: string): string {
  return /^[A-Za-z_$][\w$]{0,99}(?=: |$)/.exec(reason)?.[0] ?? "Error";
}
