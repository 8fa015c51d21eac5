import type { PayloadCodec } from "../core/payload.ts";
import { isOverWorkflow } from "../core/map-items.ts";
import { entryPlace } from "../core/places.ts";
import { entryStatus } from "../core/status.ts";
import type { EntryRow, ExecutionRow, StepRow, Store } from "../store/store.ts";
import type { ProgressEntry } from "./execution-state.ts";
import type { OpenWork } from "./open-work.ts";
import { orUnreadable } from "./or-unreadable.ts";

/** Steps shown of an execution: the newest. */
const maxShown = 200;

/** How far an execution is. */
export interface Progress {
  readonly progress: readonly ProgressEntry[];
  readonly progressTotal: number;
  readonly progressText: string;
}

/** The newest steps of the current run, oldest first. A job has one step: its activity. */
export async function progressOf(
  store: Store,
  codec: PayloadCodec,
  row: ExecutionRow,
  open: OpenWork,
): Promise<Progress> {
  if (row.kind === "activity") return withText([jobStep(row)], 1);
  const steps = await store.newestSteps(row.key, row.run, maxShown);
  const shown = steps.toReversed().map((step) => entryStep(codec, row, step, open));
  return withText(shown, steps[0]?.step ?? 0);
}

function withText(progress: readonly ProgressEntry[], progressTotal: number): Progress {
  const text = progress.map((entry) => stepText(entry)).join(" > ");
  const progressText = progressTotal > progress.length ? `… > ${text}` : text;
  return { progress, progressTotal, progressText };
}

function jobStep(row: ExecutionRow): ProgressEntry {
  const { name, state, worker, startedAt, endedAt } = row;
  const running = worker === undefined ? "dispatched" : "running";
  return {
    step: name,
    status: endedAt === undefined ? running : state === "completed" ? "completed" : "failed",
    ...times(startedAt, endedAt),
  };
}

function entryStep(
  codec: PayloadCodec,
  { id, run }: ExecutionRow,
  step: StepRow,
  open: OpenWork,
): ProgressEntry {
  const { kind, path, status, value, scheduledAt, startedAt, endedAt } = step;
  if (kind === "progress") {
    const detail =
      value === undefined
        ? ""
        : String(orUnreadable(() => codec.decode(value, entryPlace(id, run, path))));
    return { step: "progress", status: "completed", ...times(endedAt, endedAt), detail };
  }
  const name = nameOf(step);
  switch (status) {
    case entryStatus.completed: {
      // No attempt was made: the result of another run stands for it.
      const hit = kind === "call" && step.attempt === 0;
      const how = hit ? "cache_hit" : "completed";
      return { step: name, status: how, ...times(startedAt ?? scheduledAt, endedAt) };
    }
    case entryStatus.failed:
      return { step: name, status: "failed", ...times(startedAt ?? scheduledAt, endedAt) };
    case entryStatus.withdrawn:
      return {
        step: name,
        status: "failed",
        ...times(startedAt ?? scheduledAt, endedAt),
        detail: "nobody waits for it any more",
      };
    case entryStatus.pending: {
      const begunAt = beganAt(step, open);
      return begunAt === undefined
        ? { step: name, status: "dispatched" }
        : { step: name, status: "running", ...times(begunAt, undefined) };
    }
    default:
      return status satisfies never;
  }
}

/** When what an entry waits for began; undefined while that is still in a queue. A child begins by itself. */
function beganAt(step: StepRow, open: OpenWork): number | undefined {
  if (step.kind !== "call" && step.kind !== "map") return step.startedAt ?? step.scheduledAt;
  if (step.kind === "map" && open.entries.some((entry) => isMapOfChildren(entry, step.seq)))
    return step.scheduledAt;
  if (step.worker !== undefined) return step.startedAt ?? step.scheduledAt;
  const tasks = open.tasks.get(step.seq) ?? [];
  const begun = tasks.flatMap(({ worker, startedAt }) =>
    worker === undefined || startedAt === undefined ? [] : [startedAt],
  );
  return begun.length === 0 ? undefined : Math.min(...begun);
}

function isMapOfChildren(entry: EntryRow, seq: number): boolean {
  return entry.seq === seq && isOverWorkflow(entry);
}

function nameOf({ kind, name }: StepRow): string {
  return kind === "sleep" || kind === "sleepUntil" ? "sleep" : (name ?? kind);
}

function times(
  startedAt: number | undefined,
  completedAt: number | undefined,
): Pick<ProgressEntry, "startedAt" | "completedAt"> {
  return {
    ...(startedAt === undefined ? {} : { startedAt: new Date(startedAt) }),
    ...(completedAt === undefined ? {} : { completedAt: new Date(completedAt) }),
  };
}

/** "charge(1.2s)", "charge(failed, 1.2s)", "sleep" for one that is not over; what `progress` told stands for itself. */
function stepText({ step, status, startedAt, completedAt, detail }: ProgressEntry): string {
  if (step === "progress" && detail !== undefined) return detail;
  if (completedAt === undefined) return step;
  const took =
    startedAt === undefined
      ? []
      : [`${(Math.max(0, completedAt.getTime() - startedAt.getTime()) / 1_000).toFixed(1)}s`];
  return `${step}(${[...(status === "failed" ? ["failed"] : []), ...took].join(", ")})`;
}
