import type { GlobalArguments } from "./global-arguments.ts";
import { printable } from "./printable.ts";
import { masked } from "./secrets.ts";

/** Tells a person something that is no data. */
export function note({ quiet }: Pick<GlobalArguments, "quiet">, text: string): void {
  if (quiet !== true) process.stderr.write(`${masked(printable(text))}\n`);
}
