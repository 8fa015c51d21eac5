import { colourOf, type Paint } from "./paint.ts";
import { printable } from "./printable.ts";

/** Rows with a head, in columns; the last column is as long as it is. Words for states are painted. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  paint: Paint = (text) => text,
): string {
  const cells = [head, ...rows.map((row) => row.map((cell) => printable(cell)))];
  const widths = head.map((_, column) =>
    cells.reduce((width, row) => Math.max(width, row[column]?.length ?? 0), 0),
  );
  return cells
    .map((row, index) =>
      row
        .map((cell, column) => {
          const padded = column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0);
          return paint(padded, index === 0 ? "dim" : colourOf(cell));
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
