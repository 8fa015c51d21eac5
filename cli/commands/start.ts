import { text } from "node:stream/consumers";
import type { DispatchOptions, Stent, Workflow } from "stentjs";
import { onStdin } from "../arguments.ts";
import type { Body } from "../body.ts";
import { databaseOf, stentOptions } from "../database.ts";
import type { GlobalArguments } from "../global-arguments.ts";
import { importModules } from "../modules.ts";
import { note } from "../note.ts";
import { printOne } from "../output.ts";
import { UsageError } from "../usage-error.ts";
import { waitFor } from "../waiting.ts";

interface Arguments extends GlobalArguments {
  readonly workflow: string;
  readonly args: readonly string[] | undefined;
  readonly import: readonly string[] | undefined;
  readonly "input-json": string | undefined;
  readonly id: string | undefined;
  readonly "if-exists": "reject" | "join" | "restart-if-failed" | undefined;
  readonly queue: string | undefined;
  readonly tag: readonly string[] | undefined;
  readonly priority: string | undefined;
  readonly delay: string | undefined;
  readonly "max-duration": string | undefined;
  readonly wait: boolean | undefined;
}

/** `stent start`: begins an execution, by the name of its function. */
export const start: Body<Arguments> = {
  builder: (yargs) => {
    const option = (describe: string) => ({ type: "string", requiresArg: true, describe }) as const;
    return yargs
      .positional("workflow", {
        type: "string",
        demandOption: true,
        describe: "Name of the workflow, or activity",
      })
      .positional("args", {
        type: "string",
        array: true,
        describe: "Arguments: JSON, and what is no JSON is a text",
      })
      .option(
        "input-json",
        option(
          "Instead: the arguments as a JSON array, or the only one as any other JSON; - for stdin",
        ),
      )
      .option("import", {
        ...option("Modules that define it: its options and its schema apply; repeatable"),
        array: true,
      })
      .option("id", option("Its id"))
      .option("if-exists", {
        choices: ["reject", "join", "restart-if-failed"] as const,
        describe: "What becomes of it where there is one of that id [reject]",
      })
      .option("queue", option("Into this queue"))
      .option("tag", { ...option("With this tag; repeatable"), array: true })
      .option("priority", option("Higher is taken first"))
      .option("delay", option("Begins so much later"))
      .option("max-duration", option("Longest it may take"))
      .option("wait", { type: "boolean", describe: "Wait for its end, and print its result" });
  },
  handler: async (given) => {
    const args = await argumentsOf(given);
    const options = optionsOf(given);
    const backend = databaseOf(given.database);
    if (given.import !== undefined) await importModules(given.import);
    const { Stent } = await import("stentjs");
    await using stent = await Stent.open(stentOptions(given, backend));
    const { id } = await stent.dispatch(await functionOf(stent, given), args, options);
    if (given.wait === true) {
      note(given, id);
      await waitFor(stent, given, id, {});
    } else printOne(given, { id }, { id, text: () => `${id}\n` });
  },
};

/** What the modules define under that name; else a function elsewhere, of the kind that is known of it. */
async function functionOf(stent: Stent, given: Arguments): Promise<Workflow<unknown[], unknown>> {
  const { registry, remote, UnregisteredFunctionError } = await import("stentjs");
  const name = given.workflow;
  const own = registry.get(name);
  if (own !== undefined) return own as Workflow<unknown[], unknown>;
  if (given.import !== undefined) throw new UnregisteredFunctionError(name, registry.names());
  const known = await stent.admin.functions();
  const isActivity = known.some((each) => each.name === name && each.kind === "activity");
  const isWorkflow = known.some((each) => each.name === name && each.kind === "workflow");
  return remote(name, { kind: isActivity && !isWorkflow ? "activity" : "workflow" });
}

async function argumentsOf(given: Arguments): Promise<unknown[]> {
  const json = given["input-json"];
  const args = given.args ?? [];
  if (json === undefined) return args.map((each) => jsonOrText(each));
  if (args.length > 0) throw new UsageError("give arguments or --input, not both");
  const source = json === onStdin ? await text(process.stdin) : json;
  try {
    const input: unknown = JSON.parse(source);
    return Array.isArray(input) ? input : [input];
  } catch (error) {
    throw new UsageError(`--input is no JSON: ${source.slice(0, 100)}`, { cause: error });
  }
}

function jsonOrText(argument: string): unknown {
  try {
    return JSON.parse(argument) as unknown;
  } catch {
    return argument;
  }
}

function optionsOf(given: Arguments): DispatchOptions {
  const { id, queue, tag, priority, delay } = given;
  if (priority !== undefined && !/^-?\d{1,9}$/.test(priority))
    throw new UsageError(`--priority takes a whole number, got "${priority}"`);
  const options = {
    id,
    queue,
    tags: tag,
    priority: priority === undefined ? undefined : Number(priority),
    delay,
    maxDuration: given["max-duration"],
    ifExists: given["if-exists"],
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
