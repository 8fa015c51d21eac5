import { text } from "node:stream/consumers";
import type { Stent } from "stentjs";
import { exitCodes, report } from "./failure.ts";
import { UsageError } from "./usage-error.ts";

/** Stands for `-` once the command line has been read. */
export const onStdin = "\0stdin";

/** The id that is meant: itself, or `latest` for the one dispatched last. @throws ExecutionNotFoundError */
export async function idOf(stent: Stent, given: string): Promise<string> {
  if (given !== "latest") return given;
  const { items } = await stent.listExecutions({ limit: 1 });
  const { ExecutionNotFoundError } = await import("stentjs");
  if (items[0] === undefined) throw new ExecutionNotFoundError("latest");
  return items[0].id;
}

/** The ids on the command line; `-` stands for those on stdin, one a line. @throws UsageError */
export async function idsOf(given: readonly string[]): Promise<string[]> {
  const ids = given.includes(onStdin)
    ? (await text(process.stdin)).split(/\s+/).filter((id) => id !== "")
    : [];
  const all = [...given.filter((id) => id !== onStdin), ...ids];
  if (all.length === 0 && !given.includes(onStdin))
    throw new UsageError("name at least one execution");
  return all;
}

/** Does the same to each, prints the ids of those that were done, and sets the exit code: 1 if of several some could not be done. */
export async function actOnEach(
  stent: Stent,
  ids: readonly string[],
  json: boolean,
  act: (id: string) => Promise<void>,
): Promise<void> {
  const refused: number[] = [];
  for (const given of ids) {
    try {
      const id = await idOf(stent, given);
      await act(id);
      process.stdout.write(json ? `${JSON.stringify({ id })}\n` : `${id}\n`);
    } catch (error) {
      refused.push(report(error, { json, verbose: false }));
    }
  }
  if (refused.length > 0) process.exitCode = ids.length === 1 ? refused[0] : exitCodes.failed;
}
