import type { HistoryEntry, TaskRecord } from "stentjs";
import { durationText } from "./time.ts";

/** One line of a tree of effects. */
export interface TimelineRow {
  readonly depth: number;
  readonly name: string;
  readonly status: string;
  readonly took: string;
  readonly bar: string;
  readonly detail: string;
}

/** What a row is made of: an effect, or the branches of one that is none itself. */
interface Node {
  readonly path: string;
  readonly depth: number;
  readonly entry: HistoryEntry | undefined;
}

const width = 32;
/** A stretch of time in which nothing but timers and waits went on. */
const idle = "┊";

/** A run as a tree, each effect with a bar that says when it waited and when it ran; stretches in which nothing happened are left out. */
export function timeline(
  entries: readonly HistoryEntry[],
  tasks: readonly TaskRecord[],
  now: number,
): TimelineRow[] {
  const byPath = new Map(tasks.map((task) => [task.id.slice(task.id.lastIndexOf("/") + 1), task]));
  const scale = new Scale(
    entries.filter((entry) => !waits(entry)).map((entry) => spanOf(entry, now)),
    entries.map((entry) => spanOf(entry, now)),
  );
  return nodesOf(entries).map(({ path, depth, entry }) => {
    if (entry === undefined)
      return { depth, name: "branches", status: "", took: "", bar: scale.bar([]), detail: "" };
    const task = byPath.get(path);
    const { begin, end } = spanOf(entry, now);
    const began = task?.startedAt?.getTime() ?? begin;
    return {
      depth,
      name: entry.effect.name ?? entry.effect.kind,
      status: statusOf(entry, task),
      took: entry.deliveredAt === undefined ? "" : durationText(end - begin),
      bar: scale.bar([
        { begin, end: began, mark: "░" },
        { begin: began, end, mark: waits(entry) ? "░" : "█" },
      ]),
      detail: detailOf(entry, task),
    };
  });
}

function nodesOf(entries: readonly HistoryEntry[]): Node[] {
  const shown = new Set<string>();
  return entries.flatMap((entry) => {
    const parts = entry.path.split(".");
    const nodes: Node[] = [];
    for (let length = 1; length < parts.length; length += 1) {
      const path = parts.slice(0, length).join(".");
      // The branch of a call that stands by itself has the path of the call.
      if (length % 2 === 1 && !shown.has(path))
        nodes.push({ path, depth: (length - 1) / 2, entry: undefined });
      shown.add(path);
    }
    shown.add(entry.path);
    nodes.push({ path: entry.path, depth: Math.floor(parts.length / 2), entry });
    return nodes;
  });
}

function waits({ effect }: HistoryEntry): boolean {
  return ["sleep", "sleepUntil", "signal"].includes(effect.kind);
}

interface Span {
  readonly begin: number;
  readonly end: number;
}

function spanOf({ scheduledAt, deliveredAt, outcome }: HistoryEntry, now: number): Span {
  const begin = scheduledAt.getTime();
  const end = deliveredAt?.getTime() ?? (outcome === undefined ? now : begin);
  return { begin, end: Math.max(begin, end) };
}

function statusOf({ outcome, effect }: HistoryEntry, task: TaskRecord | undefined): string {
  if (outcome !== undefined) return outcome.ok ? "completed" : "failed";
  if (["sleep", "sleepUntil", "signal"].includes(effect.kind)) return "waiting";
  return task?.state === "running" ? "running" : "pending";
}

function detailOf({ outcome, effect }: HistoryEntry, task: TaskRecord | undefined): string {
  const attempts =
    task === undefined || task.attempt <= 1
      ? []
      : [`attempt ${task.attempt} of ${task.maxAttempts}`];
  const items =
    effect.kind === "map" && Array.isArray(effect.args) ? [`${effect.args.length} items`] : [];
  const error =
    outcome?.ok === false
      ? [`${outcome.error.name}: ${outcome.error.message}`]
      : task?.error === undefined
        ? []
        : [`last: ${task.error.name}: ${task.error.message}`];
  return [...items, ...attempts, ...error].join(", ");
}

/** Puts times on a line: what is busy takes its share, and every idle stretch one column. */
class Scale {
  readonly #stretches: readonly (Span & { readonly from: number; readonly columns: number })[];

  constructor(busy: readonly Span[], all: readonly Span[]) {
    const merged = mergedSpans(busy);
    const first = Math.min(...all.map(({ begin }) => begin));
    const last = Math.max(...all.map(({ end }) => end));
    const stretches: (Span & { readonly busy: boolean })[] = [];
    let at = first;
    for (const span of merged) {
      if (span.begin > at) stretches.push({ begin: at, end: span.begin, busy: false });
      stretches.push({ ...span, busy: true });
      at = span.end;
    }
    if (last > at) stretches.push({ begin: at, end: last, busy: false });
    const gaps = stretches.filter((each) => !each.busy).length;
    const total = merged.reduce((sum, { begin, end }) => sum + end - begin, 0);
    const room = Math.max(8, width - gaps);
    let from = 0;
    this.#stretches = stretches.map((each) => {
      const share = total === 0 ? 0 : ((each.end - each.begin) / total) * room;
      const columns = each.busy ? share : 1;
      const placed = { ...each, from, columns };
      from += columns;
      return placed;
    });
  }

  bar(spans: readonly (Span & { readonly mark: string })[]): string {
    const cells = Array.from({ length: width }, () => " ");
    for (const { from, columns, begin, end } of this.#stretches) {
      const isGap = columns === 1 && end > begin;
      if (isGap && from < width) cells[Math.floor(from)] = idle;
    }
    for (const { begin, end, mark } of spans) {
      const first = Math.min(width - 1, Math.floor(this.#column(begin)));
      const last = Math.min(width, Math.max(first + 1, Math.ceil(this.#column(end))));
      if (mark === "░" && end <= begin) continue;
      for (let column = first; column < last; column += 1) cells[column] = mark;
    }
    return cells.join("");
  }

  #column(time: number): number {
    for (const { begin, end, from, columns } of this.#stretches) {
      if (time > end) continue;
      return from + (end === begin ? 0 : (Math.max(0, time - begin) / (end - begin)) * columns);
    }
    const last = this.#stretches.at(-1);
    return last === undefined ? 0 : last.from + last.columns;
  }
}

function mergedSpans(spans: readonly Span[]): Span[] {
  const merged: Span[] = [];
  for (const span of spans.toSorted((a, b) => a.begin - b.begin)) {
    const last = merged.at(-1);
    if (last === undefined || span.begin > last.end) merged.push(span);
    else merged[merged.length - 1] = { begin: last.begin, end: Math.max(last.end, span.end) };
  }
  return merged;
}
