import { printable, shortened } from "./printable.ts";

/** What there is to say of one thing, a line each; what is undefined is left out. */
export function facts(of: Readonly<Record<string, string | undefined>>): string {
  const rows = Object.entries(of).filter(([, value]) => value !== undefined);
  const width = Math.max(9, ...rows.map(([name]) => name.length));
  return rows
    .map(([name, value = ""]) => `${name.padEnd(width)} ${printable(shortened(value))}`)
    .join("\n");
}
