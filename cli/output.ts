import { outputOf, type GlobalArguments } from "./global-arguments.ts";
import { toJson } from "./json.ts";
import { note } from "./note.ts";
import { paintOf } from "./paint.ts";
import { table } from "./table.ts";

/** How the items of a list stand in a table, and what names each. */
export interface Columns<T> {
  readonly head: readonly string[];
  row(item: T): readonly string[];
  id(item: T): string;
}

/** Prints a list as is asked for; where there is more, says how to go on. */
export function printList<T>(
  given: GlobalArguments,
  page: { readonly items: readonly T[]; readonly nextCursor?: string | undefined },
  columns: Columns<T>,
): void {
  const { items, nextCursor } = page;
  const output = outputOf(given);
  switch (output) {
    case "json":
      process.stdout.write(`${toJson({ items, nextCursor: nextCursor ?? null })}\n`);
      return;
    case "jsonl":
      for (const item of items) process.stdout.write(`${toJson(item)}\n`);
      break;
    case "ids":
      for (const item of items) process.stdout.write(`${columns.id(item)}\n`);
      break;
    case "table":
      process.stdout.write(
        `${table(
          columns.head,
          items.map((item) => columns.row(item)),
          paintOf(given),
        )}\n`,
      );
      break;
    default:
      output satisfies never;
  }
  if (nextCursor !== undefined) note(given, `more: --cursor ${nextCursor}`);
}

/** Prints one thing: as text, as a document, or by its id. */
export function printOne(
  given: GlobalArguments,
  value: unknown,
  ways: { readonly text: () => string; readonly id: string },
): void {
  const output = outputOf(given);
  switch (output) {
    case "json":
    case "jsonl":
      process.stdout.write(`${toJson(value)}\n`);
      return;
    case "ids":
      process.stdout.write(`${ways.id}\n`);
      return;
    case "table":
      process.stdout.write(ways.text());
      return;
    default:
      output satisfies never;
  }
}
