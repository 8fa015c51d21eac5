import type { Stent } from "stentjs";
import { colourOf, type Paint } from "./paint.ts";
import { printable } from "./printable.ts";
import { table } from "./table.ts";
import { spanText, type TimeText } from "./time.ts";

/** What `watch` shows of a database at one time. */
export interface Overview {
  readonly stats: Awaited<ReturnType<Stent["admin"]["stats"]>>;
  readonly queues: Awaited<ReturnType<Stent["admin"]["queues"]>>;
  readonly workers: Awaited<ReturnType<Stent["admin"]["workers"]>>;
  readonly active: Awaited<ReturnType<Stent["listExecutions"]>>["items"];
  readonly running: Awaited<ReturnType<Stent["listTasks"]>>["items"];
  readonly ended: Awaited<ReturnType<Stent["listExecutions"]>>["items"];
  readonly deadLetters: Awaited<ReturnType<Stent["listDeadLetters"]>>["items"];
}

const mostListed = 8;

/** Reads it. Rates are of the last ten minutes. */
export async function overviewOf(stent: Stent): Promise<Overview> {
  const since = new Date(Date.now() - 600_000);
  const [stats, queues, workers, active, running, ended, deadLetters] = await Promise.all([
    stent.admin.stats({ since }),
    stent.admin.queues(),
    stent.admin.workers(),
    stent.listExecutions({ state: ["running", "cancelling", "pending"], limit: mostListed }),
    stent.listTasks({ state: "running", limit: mostListed }),
    stent.listExecutions({
      state: ["completed", "failed", "timed_out", "cancelled"],
      limit: mostListed,
    }),
    stent.listDeadLetters({ limit: mostListed }),
  ]);
  return {
    stats,
    queues,
    workers,
    active: active.items,
    running: running.items,
    ended: ended.items,
    deadLetters: deadLetters.items,
  };
}

const barWidth = 24;

/** The lines of a snapshot. */
export function overviewLines(
  found: Overview,
  { time, paint }: { readonly time: TimeText; readonly paint: Paint },
): string[] {
  const { stats, queues, workers, active, running, ended, deadLetters } = found;
  const counts = Object.entries(stats.byState).map(([state, count]) =>
    paint(`${state} ${count}`, count === 0 ? "dim" : colourOf(state)),
  );
  const live = workers.filter(({ state }) => state === "live").length;
  const listed = (title: string, lines: readonly string[]): string[] =>
    lines.length === 0 ? [] : ["", paint(title, "bold"), ...lines];
  return [
    counts.join("  "),
    `${stats.completedPerMinute.toFixed(1)} completed and ${stats.failedPerMinute.toFixed(1)} failed a minute, ${live} live workers, ${stats.deadLetters} dead letters`,
    ...listed("queues", depthLines(queues)),
    ...listed(
      "active",
      rows(
        active.map(({ id, workflow, state, createdAt }) => [id, workflow, state, time(createdAt)]),
        paint,
      ),
    ),
    ...listed(
      "running tasks",
      rows(
        running.map(({ name, executionId, attempt, workerId, startedAt }) => [
          name,
          executionId,
          `attempt ${attempt}`,
          workerId ?? "-",
          time(startedAt),
        ]),
        paint,
      ),
    ),
    ...listed(
      "ended",
      rows(
        ended.map(({ id, workflow, state, startedAt, completedAt }) => [
          id,
          workflow,
          state,
          spanText(startedAt, completedAt),
          time(completedAt),
        ]),
        paint,
      ),
    ),
    ...listed(
      "dead letters",
      rows(
        deadLetters.map(({ task, reason, movedAt }) => [task.name, task.id, time(movedAt), reason]),
        paint,
      ),
    ),
  ];
}

function rows(cells: readonly (readonly string[])[], paint: Paint): string[] {
  if (cells.length === 0) return [];
  const head = (cells[0] ?? []).map(() => "");
  return table(head, cells, paint)
    .split("\n")
    .slice(1)
    .map((line) => `  ${line}`);
}

function depthLines(queues: Overview["queues"]): string[] {
  const most = queues.reduce((max, { ready, running }) => Math.max(max, ready + running), 1);
  const width = queues.reduce((max, { name }) => Math.max(max, name.length), 0);
  return queues.map(({ name, ready, delayed, running, workers }) => {
    const bar = "█".repeat(Math.ceil((running / most) * barWidth));
    const behind = "▒".repeat(Math.ceil((ready / most) * barWidth));
    const text = `${ready} ready, ${running} running, ${delayed} delayed, ${workers} workers`;
    return `  ${printable(name).padEnd(width)}  ${(bar + behind).slice(0, barWidth).padEnd(barWidth)}  ${text}`;
  });
}
