/**
 * How executions travel from one database to another: NDJSON, of each execution a head and then its history. A line is an object of JSON; what
 * JSON has no word for is in it as the default serializer writes it, so that values come out as they went in.
 */
import { SerializationError } from "../../core/errors.ts";
import { superjsonSerializer } from "../../core/serializer.ts";
import { executionStates, type ExecutionStatus } from "../../core/status.ts";
import type { HistoryEntry } from "../history.ts";

/** The first line of an execution. */
export interface BundleHead {
  readonly stent: 1;
  readonly id: string;
  readonly kind: "workflow" | "activity";
  readonly workflow: string;
  readonly version: string | undefined;
  readonly args: readonly unknown[];
  readonly state: ExecutionStatus;
  readonly parent: string | undefined;
  readonly run: number;
  readonly attempt: number;
  readonly queue: string | undefined;
  readonly priority: number;
  readonly tags: readonly string[];
  readonly createdAt: Date;
  readonly startedAt: Date | undefined;
  readonly completedAt: Date | undefined;
  readonly outcome: HistoryEntry["outcome"];
  readonly blocked: string | undefined;
  readonly counters: Readonly<Record<string, number>>;
  readonly customState: Readonly<Record<string, unknown>>;
}

const place = { kind: "entry", owner: "a bundle" } as const;
const richTag = "superjson:";

/** One line, without its end. */
export function lineOf(part: BundleHead | HistoryEntry): string {
  const text = superjsonSerializer.dumps(part, place);
  return text.startsWith(richTag) ? text.slice(richTag.length) : text;
}

/** What a line holds. @throws SerializationError for what is no line of a bundle */
export function partOf(line: string): BundleHead | HistoryEntry {
  try {
    const data: unknown = JSON.parse(line);
    const rich = typeof data === "object" && data !== null && "json" in data;
    const part = superjsonSerializer.loads(rich ? richTag + line : line, place);
    if (isPart(part)) return part;
  } catch {
    // told below
  }
  throw new SerializationError(
    `this is no line of an exported execution: ${JSON.stringify(line.slice(0, 60))}`,
  );
}

function isPart(value: unknown): value is BundleHead | HistoryEntry {
  if (typeof value !== "object" || value === null) return false;
  const part = value as Partial<BundleHead & HistoryEntry>;
  if (part.stent !== undefined) {
    return (
      part.stent === 1 &&
      typeof part.id === "string" &&
      typeof part.workflow === "string" &&
      executionStates.includes(part.state as ExecutionStatus) &&
      Array.isArray(part.args) &&
      Array.isArray(part.tags) &&
      isRecord(part.counters) &&
      isRecord(part.customState) &&
      part.createdAt instanceof Date
    );
  }
  return (
    Number.isSafeInteger(part.run) &&
    typeof part.path === "string" &&
    isRecord(part.effect) &&
    part.scheduledAt instanceof Date
  );
}

function isRecord(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** Tells the lines that begin an execution from the others. */
export function isHead(part: BundleHead | HistoryEntry): part is BundleHead {
  return "stent" in part;
}
