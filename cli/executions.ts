import { text } from "node:stream/consumers";
import type { Stent } from "stentjs";
import { onStdin } from "./arguments.ts";
import { exitCodes, report } from "./failure.ts";
import { outputOf, type GlobalArguments } from "./global-arguments.ts";
import { toJson } from "./json.ts";
import { printable } from "./printable.ts";

/** What help says of an id, and of several. */
export const idText = "Its id, a prefix that no other id has, or latest";
export const idsText = "Ids, prefixes, latest, or - for ids on stdin";

/** Of so many ids that begin alike, the rest is not looked at. */
const maxAlike = 100;
/** So many of them are named. */
const maxNamed = 5;

/** More than one execution has an id that begins so. */
class AmbiguousIdError extends Error {
  readonly code = "AMBIGUOUS_ID";
}

/**
 * What `act` gives on the execution that is meant: by its id, by how its id begins where that is the only one, or `latest` for the one
 * that was dispatched last. @throws ExecutionNotFoundError, AmbiguousIdError; what `act` throws
 */
export async function onExecution<T>(
  stent: Stent,
  given: string,
  act: (id: string) => Promise<T>,
): Promise<T> {
  if (given === "latest") return act(await latest(stent));
  const { ExecutionNotFoundError } = await import("stentjs");
  try {
    return await act(given);
  } catch (error) {
    if (!(error instanceof ExecutionNotFoundError) || given === "") throw error;
    const id = await onlyOneAlike(stent, given);
    if (id === undefined) throw error;
    return await act(id);
  }
}

async function latest(stent: Stent): Promise<string> {
  const { items } = await stent.listExecutions({ limit: 1 });
  const { ExecutionNotFoundError } = await import("stentjs");
  if (items[0] === undefined) throw new ExecutionNotFoundError("latest");
  return items[0].id;
}

/** The one whose id begins so; its children, whose ids begin with its own, do not count. */
async function onlyOneAlike(stent: Stent, idPrefix: string): Promise<string | undefined> {
  const { items } = await stent.listExecutions({ idPrefix, limit: maxAlike });
  const ids = items.map(({ id }) => id);
  const alike = ids.filter((id) => !ids.some((other) => id.startsWith(`${other}/`)));
  if (alike.length <= 1) return alike[0];
  const more = alike.length > maxNamed || items.length === maxAlike ? ", …" : "";
  throw new AmbiguousIdError(
    `several executions have an id that begins with "${idPrefix}": ${alike.slice(0, maxNamed).join(", ")}${more}`,
  );
}

/** An execution that is asked for. */
export interface Asked {
  readonly id: string;
  /** What other commands put out, a line each: not the beginning of an id, which might be another's by now. */
  readonly whole: boolean;
}

/** The ids on the command line; `-` stands for those on stdin, one a line. @throws UsageError */
export async function idsOf(given: readonly string[]): Promise<Asked[]> {
  const fromStdin = given.includes(onStdin);
  const lines = fromStdin ? (await text(process.stdin)).split(/\s+/).filter((id) => id !== "") : [];
  const named = given.filter((id) => id !== onStdin);
  return [
    ...named.map((id) => ({ id, whole: false })),
    ...lines.map((id) => ({ id, whole: true })),
  ];
}

/** Does the same to each, prints the ids of those that were done, and sets the exit code: 1 if of several some could not be done. */
export async function actOnEach(
  stent: Stent,
  asked: readonly Asked[],
  given: GlobalArguments,
  act: (id: string) => Promise<void>,
): Promise<void> {
  const refused: number[] = [];
  const json = isJson(given);
  const actAndTell = async (id: string): Promise<void> => {
    await act(id);
    process.stdout.write(json ? `${toJson({ id })}\n` : `${printable(id)}\n`);
  };
  for (const { id, whole } of asked) {
    try {
      await (whole ? actAndTell(id) : onExecution(stent, id, actAndTell));
    } catch (error) {
      refused.push(report(error, { json, verbose: given.verbose === true }));
    }
  }
  if (refused.length > 0) process.exitCode = asked.length === 1 ? refused[0] : exitCodes.failed;
}

function isJson(given: GlobalArguments): boolean {
  return outputOf(given) === "json" || outputOf(given) === "jsonl";
}
