import { ExecutionExistsError, SerializationError } from "../../core/errors.ts";
import { knownOptions, nameOption } from "../../core/option.ts";
import type { Connection } from "../connection.ts";
import type { HistoryEntry } from "../history.ts";
import { isHead, partOf, type BundleHead } from "./bundle-codec.ts";
import { restored } from "./restored-codec.ts";

/** Under which id. */
export interface ImportOptions {
  /** Default: the id that it had. */
  id?: string;
}

/**
 * Puts exported executions into this database: finished as they were, and blocked where they had not ended, so that nothing runs by itself.
 * @returns the id of the first. @throws ExecutionExistsError, SerializationError; what came before stays
 */
export async function importLines(
  { store, codec }: Connection,
  lines: Iterable<string> | AsyncIterable<string>,
  options: ImportOptions = {},
): Promise<string> {
  knownOptions("import", options, ["id"]);
  const given = nameOption("id", options.id);
  let first: BundleHead | undefined;
  const now = await store.now();
  for await (const { head, history } of executionsIn(lines)) {
    first ??= head;
    const renamed = rename(first.id, given ?? first.id);
    const execution = restored(codec, head, history, { renamed, now });
    if (!(await store.restore(execution))) {
      throw new ExecutionExistsError(
        `there is an execution "${execution.id}" already; import it under another id`,
      );
    }
  }
  if (first === undefined) throw new SerializationError("there is no execution in it");
  return given ?? first.id;
}

/** Ids of children begin with their parent's. */
function rename(from: string, to: string): (id: string) => string {
  return (id) => (id === from || id.startsWith(`${from}/`) ? to + id.slice(from.length) : id);
}

/** One execution of a bundle. */
export interface Exported {
  readonly head: BundleHead;
  readonly history: HistoryEntry[];
}

/** The executions of a bundle, one by one. @throws SerializationError for what is none */
export async function* executionsIn(
  lines: Iterable<string> | AsyncIterable<string>,
): AsyncGenerator<Exported> {
  let current: Exported | undefined;
  for await (const line of lines) {
    if (line.trim() === "") continue;
    const part = partOf(line);
    if (isHead(part)) {
      if (current !== undefined) yield checked(current);
      current = { head: part, history: [] };
    } else if (current === undefined) {
      throw new SerializationError("it begins with no head of an execution");
    } else current.history.push(part);
  }
  if (current !== undefined) yield checked(current);
}

/** @throws SerializationError for lines that do not belong together */
function checked(exported: Exported): Exported {
  const { head, history } = exported;
  const paths = new Set<string>();
  const deliveries = new Set<number>();
  for (const { run, path, delivery, outcome } of history) {
    const wrong =
      run !== head.run
        ? `is of run ${run}, and the execution was in run ${head.run}`
        : paths.has(path)
          ? "is there twice"
          : (delivery === undefined) !== (outcome === undefined)
            ? "has an outcome or its place in their order, but not both"
            : delivery !== undefined && deliveries.has(delivery)
              ? `has the same place in the order of outcomes as another, ${delivery}`
              : undefined;
    if (wrong !== undefined) {
      throw new SerializationError(
        `the export of execution "${head.id}" was cut or mixed up: step ${path} ${wrong}`,
      );
    }
    paths.add(path);
    if (delivery !== undefined) deliveries.add(delivery);
  }
  return exported;
}
