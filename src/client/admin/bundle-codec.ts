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
  if (!isRecord(value)) return false;
  if (value["stent"] !== undefined) return isShaped(value, headShape);
  return (
    isShaped(value, entryShape) && isRecord(value["effect"]) && isEffect(value["effect"], value)
  );
}

type Test = (value: unknown) => boolean;

function isShaped(value: Readonly<Record<string, unknown>>, shape: Record<string, Test>): boolean {
  return Object.entries(shape).every(([name, isRight]) => isRight(value[name]));
}

/** PostgreSQL takes no NUL. */
const isText: Test = (value) => typeof value === "string" && !value.includes("\0");
const isDate: Test = (value) => value instanceof Date && !Number.isNaN(value.getTime());
const isCount: Test = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isOutcome: Test = (value) =>
  isRecord(value) &&
  (value["ok"] === true || (value["ok"] === false && value["error"] instanceof Error));

function or(isRight: Test): Test {
  return (value) => value === undefined || isRight(value);
}

const headShape: Record<string, Test> = {
  stent: (value) => value === 1,
  id: (value) => isText(value) && value !== "",
  kind: (value) => value === "workflow" || value === "activity",
  workflow: isText,
  version: or(isText),
  args: Array.isArray,
  state: (value) => executionStates.includes(value as ExecutionStatus),
  parent: or(isText),
  run: (value) => isCount(value) && value !== 0,
  attempt: isCount,
  queue: or(isText),
  priority: Number.isSafeInteger,
  tags: (value) => Array.isArray(value) && value.every(isText),
  createdAt: isDate,
  startedAt: or(isDate),
  completedAt: or(isDate),
  outcome: or(isOutcome),
  counters: (value) =>
    isRecord(value) &&
    Object.entries(value).every(([name, count]) => isText(name) && Number.isFinite(count)),
  customState: (value) => isRecord(value) && Object.keys(value).every(isText),
};

const entryShape: Record<string, Test> = {
  run: (value) => isCount(value) && value !== 0,
  path: (value) => isText(value) && value !== "",
  delivery: or(isCount),
  effect: (value) => isRecord(value) && isText(value["kind"]) && or(isText)(value["name"]),
  outcome: or(isOutcome),
  scheduledAt: isDate,
  deliveredAt: or(isDate),
};

/** What is read of the arguments and the outcome of some kinds. */
function isEffect(
  { kind, args }: Readonly<Record<string, unknown>>,
  { outcome }: Readonly<Record<string, unknown>>,
): boolean {
  if (kind === "sendSignal") return args === undefined || (Array.isArray(args) && isText(args[0]));
  if (kind !== "map" || !isRecord(outcome) || outcome["ok"] !== true) return true;
  return Array.isArray(outcome["value"]);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** Tells the lines that begin an execution from the others. */
export function isHead(part: BundleHead | HistoryEntry): part is BundleHead {
  return "stent" in part;
}
