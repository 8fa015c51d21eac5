import { inspect } from "node:util";
import type { HistoryEntry } from "../client/history.ts";
import { assertHistory } from "./tested-workflow.ts";

/** Of a value, so much is shown. */
const shown = {
  depth: 4,
  breakLength: Infinity,
  compact: true,
  sorted: true,
  maxArrayLength: 20,
  maxStringLength: 200,
} as const;

/**
 * A history as text, a line an effect: what the workflow wanted, and what came back. It holds no times and no stacks, so the same history
 * is the same text on every day: compare it with a stored one.
 */
export function formatHistory(history: Iterable<HistoryEntry>): string {
  assertHistory("formatHistory", history);
  const entries = [...history];
  const width = Math.max(0, ...entries.map(({ path }) => path.length));
  const lines: string[] = [];
  let run = entries[0]?.run ?? 1;
  for (const entry of entries) {
    if (entry.run !== run) lines.push(`run ${entry.run}`);
    run = entry.run;
    lines.push(`${entry.path.padEnd(width)}  ${wanted(entry)}${came(entry)}`);
  }
  return lines.map((line) => `${line}\n`).join("");
}

function wanted({ effect: { kind, name, args } }: HistoryEntry): string {
  if (kind === "sendSignal" && Array.isArray(args)) {
    const [execution, payload] = args as readonly unknown[];
    return `sendSignal ${name} to ${String(execution)}: ${show(payload)}`;
  }
  const named = name === undefined ? kind : `${kind} ${name}`;
  if (args === undefined) return named;
  if (kind === "map" && Array.isArray(args)) return `${named} of ${args.length}: ${show(args)}`;
  return `${named}(${Array.isArray(args) ? args.map(show).join(", ") : show(args)})`;
}

function came({ outcome, effect }: HistoryEntry): string {
  if (outcome === undefined) return effect.kind === "continueAsNew" ? "" : " …";
  if (!outcome.ok) return ` ✗ ${outcome.error.name}: ${outcome.error.message}`;
  return outcome.value === undefined ? " ✓" : ` → ${show(outcome.value)}`;
}

/** An error among values is shown without its stack, which differs from machine to machine. */
function show(value: unknown): string {
  return inspect(withoutStacks(value, shown.depth), shown);
}

function withoutStacks(value: unknown, depth: number): unknown {
  if (value instanceof Error) return new Told(`${value.name}: ${value.message}`);
  if (depth === 0 || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item: unknown) => withoutStacks(item, depth - 1));
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [key, withoutStacks(part, depth - 1)]),
  );
}

/** A text that is shown without quotes. */
class Told {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  [inspect.custom](): string {
    return `[${this.#text}]`;
  }
}
