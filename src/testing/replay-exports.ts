/** Exported executions against today's code: journals that are kept beside the tests, as golden files. */
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { executionsIn, type Exported } from "../client/admin/import.ts";
import type { AnyDurable, Workflow } from "../core/durable.ts";
import { SerializationError, UnregisteredFunctionError } from "../core/errors.ts";
import { knownOptions } from "../core/option.ts";
import { registry as defaultRegistry, type FunctionRegistry } from "../core/registry.ts";
import { replay, type Replay } from "./replay.ts";

/** Where today's code is found. */
export interface ReplayExportOptions {
  /** Default: where `workflow` registers. */
  registry?: FunctionRegistry;
}

/** What came of one execution. */
export type ReplayedExecution = Replay & {
  readonly id: string;
  readonly workflow: string;
  readonly version: string | undefined;
};

/** What came of one execution of a file, named from the directory on. */
export type ReplayedFile = ReplayedExecution & { readonly file: string };

/**
 * Does today's code still accept these executions? `lines` are those of `admin.export` or of `stent executions export`, children included if
 * they are there. Workflows are found by name and version, and get the arguments that were exported.
 * @throws UnregisteredFunctionError for a workflow that is not here; SerializationError for what was not exported so
 */
export async function replayExport(
  lines: Iterable<string> | AsyncIterable<string>,
  options: ReplayExportOptions = {},
): Promise<readonly ReplayedExecution[]> {
  knownOptions("replayExport", options, ["registry"]);
  const { registry = defaultRegistry } = options;
  const replayed: ReplayedExecution[] = [];
  for await (const execution of executionsIn(lines)) replayed.push(checked(execution, registry));
  if (replayed.length === 0) throw new SerializationError("there is no execution in it");
  return replayed;
}

/**
 * The same of every file `*.ndjson` and `*.jsonl` of a directory and those below it, in the order of their names.
 * @throws as `replayExport`, the file named where its lines are wrong; Error where there is no such file, since a check of nothing would never fail
 */
export async function replayDirectory(
  directory: string,
  options: ReplayExportOptions = {},
): Promise<readonly ReplayedFile[]> {
  const files = await exportsIn(directory);
  if (files.length === 0)
    throw new Error(
      `there is no exported execution (*.ndjson, *.jsonl) in ${directory}; ` +
        `put one there: stent executions export ID --out ${join(directory, "ID.ndjson")}`,
    );
  const replayed: ReplayedFile[] = [];
  for (const file of files) {
    const lines = (await readFile(join(directory, file), "utf8")).split("\n");
    for (const execution of await named(file, () => replayExport(lines, options)))
      replayed.push({ file, ...execution });
  }
  return replayed;
}

function checked({ head, history }: Exported, registry: FunctionRegistry): ReplayedExecution {
  const { id, kind, workflow, version, args } = head;
  const unreadable = args.find((arg) => arg instanceof SerializationError);
  if (unreadable !== undefined)
    throw new SerializationError(`the arguments of execution "${id}" were not readable`, {
      cause: unreadable,
    });
  const told = { id, workflow, version };
  if (kind === "activity") return { ...told, ok: true }; // it has no journal
  return { ...told, ...replay(workflowOf(registry, workflow, version), args, history) };
}

function workflowOf(
  registry: FunctionRegistry,
  name: string,
  version: string | undefined,
): Workflow<readonly unknown[], unknown> {
  // As a worker: what was started without a version goes on with the code that has none.
  const fn: AnyDurable | undefined = registry.exact(name, version);
  if (fn?.kind === "workflow") return fn;
  const sought = version === undefined ? name : `${name}" version "${version}`;
  throw new UnregisteredFunctionError(sought, registry.names());
}

async function exportsIn(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && /\.(?:ndjson|jsonl)$/.test(entry.name))
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .toSorted();
}

/** With the file in what is thrown. */
async function named<T>(file: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof SerializationError)
      throw new SerializationError(`${file}: ${error.message}`, { cause: error });
    throw error;
  }
}
