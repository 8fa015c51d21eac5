import type { HistoryEntry, Stent } from "stentjs";
import type { Body } from "../body.ts";
import { withStent } from "../database.ts";
import { onExecution } from "../executions.ts";
import { exitCodes } from "../failure.ts";
import { outputOf, type GlobalArguments } from "../global-arguments.ts";
import { toJson } from "../json.ts";
import { importModules } from "../modules.ts";
import { printable } from "../printable.ts";
import { UsageError } from "../usage-error.ts";
import { contentOf } from "./import.ts";

interface Arguments extends GlobalArguments {
  readonly files: readonly string[] | undefined;
  readonly id: string | undefined;
  readonly state: readonly string[] | undefined;
  readonly import: readonly string[];
}

/** `stent replay`: does today's code still accept yesterday's journals? */
export const replay: Body<Arguments> = {
  builder: (yargs) =>
    yargs
      .positional("files", {
        type: "string",
        array: true,
        describe: "Exported executions, or - for stdin",
      })
      .option("id", { type: "string", requiresArg: true, describe: "An execution of the database" })
      .option("state", {
        alias: "s",
        type: "string",
        array: true,
        requiresArg: true,
        describe: "All executions of the database in this state; repeatable",
      })
      .option("import", {
        type: "string",
        array: true,
        requiresArg: true,
        demandOption: true,
        describe: "Modules with the workflows of today; repeatable",
      }),
  handler: async (given) => {
    const { files = [], id, state } = given;
    if ([files.length > 0, id !== undefined, state !== undefined].filter(Boolean).length !== 1)
      throw new UsageError("name files, or --id, or --state");
    const check = await replayOf();
    await importModules(given.import);
    const tell = teller(given);
    if (files.length === 0) {
      await withStent(given, async (stent) => {
        for (const found of await idsIn(stent, given))
          tell(found, await checked(stent, found, check));
      });
    } else {
      const { Stent } = await import("stentjs");
      for (const file of files) {
        // Of a database for a moment, what stands in the file is read as every execution is.
        await using stent = await Stent.open("sqlite::memory:");
        const found = await stent.admin.import((await contentOf(file)).split("\n"));
        tell(found, await checked(stent, found, check));
      }
    }
  },
};

type Answer =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly path: string;
      readonly recorded: object;
      readonly yielded: object;
    };
type Check = (
  workflow: unknown,
  args: readonly unknown[],
  history: Iterable<HistoryEntry>,
) => Answer;

/** The testing kit holds the comparison. @throws NotSupportedError where this version has none */
async function replayOf(): Promise<Check> {
  const kit = "stentjs/testing";
  try {
    return ((await import(kit)) as { readonly replay: Check }).replay;
  } catch (error) {
    const missing = error instanceof Error && "code" in error ? error.code : undefined;
    if (missing !== "ERR_PACKAGE_PATH_NOT_EXPORTED" && missing !== "ERR_MODULE_NOT_FOUND")
      throw error;
    const { NotSupportedError } = await import("stentjs");
    throw new NotSupportedError("this version of stentjs cannot replay: it has no stentjs/testing");
  }
}

async function idsIn(stent: Stent, { id, state = [] }: Arguments): Promise<string[]> {
  if (id !== undefined)
    return [await onExecution(stent, id, async (found) => (await stent.stateOf(found)).id)];
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await stent.listExecutions({
      state: state.flatMap((each) => each.split(",")) as never,
      limit: 500,
      ...(cursor === undefined ? {} : { cursor }),
    });
    ids.push(...page.items.map((each) => each.id));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return ids;
}

async function checked(stent: Stent, id: string, check: Check): Promise<Answer> {
  const { registry, UnregisteredFunctionError } = await import("stentjs");
  const { workflow, version } = await stent.stateOf(id);
  const fn = registry.get(workflow, version);
  if (fn === undefined) throw new UnregisteredFunctionError(workflow, registry.names());
  if (fn.kind === "activity") return { ok: true };
  const entries: HistoryEntry[] = [];
  for await (const entry of stent.history(id)) entries.push(entry);
  return check(fn, await argsOf(stent, id), entries);
}

/**
 * The head of an export has them: an object of JSON, or one as the default serializer writes it, without its tag. A serializer that compresses
 * hands what is not compressed on to that.
 */
async function argsOf(stent: Stent, id: string): Promise<readonly unknown[]> {
  const { compressed } = await import("stentjs");
  for await (const line of stent.admin.export(id)) {
    const tag = "json" in (JSON.parse(line) as object) ? "superjson:" : "";
    const head = compressed().loads(tag + line, { kind: "input", owner: id });
    return (head as { readonly args: readonly unknown[] }).args;
  }
  return [];
}

function teller(given: GlobalArguments): (id: string, answer: Answer) => void {
  return (id, answer) => {
    if (!answer.ok) process.exitCode = exitCodes.failed;
    if (outputOf(given) !== "table") {
      process.stdout.write(`${toJson({ id, ...answer })}\n`);
      return;
    }
    if (answer.ok) process.stdout.write(`${printable(id)}: the same\n`);
    else {
      const { path, recorded, yielded } = answer;
      process.stdout.write(
        `${printable(id)}: differs at ${path}\n  recorded ${printable(toJson(recorded))}\n  yielded  ${printable(toJson(yielded))}\n`,
      );
    }
  };
}
