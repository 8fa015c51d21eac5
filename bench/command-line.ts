/** What was asked for, checked once. */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import type { Setting, Workload } from "./setting.ts";
import { isWorkload, workloads, type WorkloadName } from "./workloads.ts";

/** The command line is wrong; the message says how, and what is right. */
export class UsageError extends Error {}

/** Where the databases are made. */
export type Place =
  /** `path` undefined: a file in a temporary folder. */
  | { readonly kind: "sqlite"; readonly path: string | undefined }
  /** `url` undefined: a server that is started for it. */
  | { readonly kind: "postgres"; readonly url: string | undefined };

/** What the command line asks for. */
export type Request =
  | { readonly kind: "help"; readonly text: string }
  | {
      readonly kind: "all";
      readonly workloads: readonly string[];
      readonly rest: readonly string[];
    }
  | {
      readonly kind: "one";
      readonly workload: WorkloadName;
      readonly setting: Omit<Setting, "scratch">;
      readonly backend: Place;
      readonly json: boolean;
    };

const options = {
  backend: { type: "string" },
  n: { type: "string" },
  concurrency: { type: "string" },
  rounds: { type: "string" },
  processes: { type: "string" },
  preload: { type: "string" },
  scale: { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** Activities at a time: what is measured, and beside it what a worker has that was told nothing. */
const measuredConcurrency = 1_000;
const defaultConcurrency = 10;

/** @throws UsageError */
export function commandLine(parameters: readonly string[]): Request {
  const { values, positionals } = parsed(parameters);
  if (values.help === true) return { kind: "help", text: help() };
  const [name, ...more] = positionals;
  if (name === undefined) throw new UsageError(`name a workload: ${names()}`);
  if (more.length > 0)
    throw new UsageError(`one workload at a time, or all; got ${positionals.join(" ")}`);
  const backend = placeOf(values.backend);
  const json = values.json === true;
  const setting = {
    n: wholeNumber("n", values.n),
    rounds: wholeNumber("rounds", values.rounds),
    preload: wholeNumber("preload", values.preload),
    processes: wholeNumber("processes", values.processes) ?? 0,
    scale: values.scale === true,
    concurrencies: concurrencies(wholeNumber("concurrency", values.concurrency), json),
  };
  if (name === "all") {
    const { n, preload, scale, processes } = setting;
    refuse("all", {
      n,
      preload,
      scale: scale || undefined,
      processes: processes || undefined,
    });
    return {
      kind: "all",
      workloads: workloadsOn(backend.kind),
      rest: parameters.filter((parameter) => parameter !== name),
    };
  }
  if (!isWorkload(name)) throw new UsageError(`no workload "${name}"; there are: ${names()}`);
  const { only }: Workload = workloads[name];
  if (only !== undefined && only !== backend.kind)
    throw new UsageError(`${name} is measured on ${only} only; add --backend ${only}`);
  const beside = ["hello", "claims", "cleanup", "operators"];
  if (!beside.includes(name)) refuse(name, { preload: setting.preload });
  if (!["hello", "latency"].includes(name))
    refuse(name, { processes: setting.processes || undefined });
  if (name !== "fanout") refuse(name, { scale: setting.scale || undefined });
  return { kind: "one", workload: name, setting, backend, json };
}

function parsed(parameters: readonly string[]): ReturnType<typeof parse> {
  try {
    return parse(parameters);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function parse(parameters: readonly string[]) {
  return parseArgs({ args: [...parameters], allowPositionals: true, options });
}

function wholeNumber(option: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^[1-9]\d{0,8}$/.test(value)) return Number(value);
  throw new UsageError(`--${option} takes a whole number from 1, got "${value}"`);
}

function placeOf(backend: string | undefined): Place {
  if (backend === undefined) return { kind: "sqlite", path: undefined };
  if (backend === "postgres") {
    const given = process.env["BENCH_POSTGRES_URL"];
    return { kind: "postgres", url: given === "" ? undefined : given };
  }
  if (/^postgres(?:ql)?:/.test(backend)) return { kind: "postgres", url: backend };
  return { kind: "sqlite", path: pathOf(backend) };
}

/** The file is made and removed here, so one that is there already is left alone. */
function pathOf(backend: string): string | undefined {
  if (backend === "sqlite") return undefined;
  const path = /^sqlite:(.+)$/.exec(backend)?.[1];
  if (path === undefined) {
    throw new UsageError(
      `--backend takes sqlite, sqlite:PATH, postgres or postgresql://…, got "${backend}"`,
    );
  }
  if (path === ":memory:") {
    throw new UsageError(
      "--backend sqlite::memory: is not durable, so there is nothing to measure; name a file",
    );
  }
  if (!existsSync(dirname(path)))
    throw new UsageError(`no folder ${dirname(path)}; create it first`);
  if (!existsSync(path)) return path;
  throw new UsageError(`${path} exists; name a file that does not, it is made anew and removed`);
}

function workloadsOn(kind: Place["kind"]): string[] {
  return Object.entries<Workload>(workloads).flatMap(([name, { only = kind }]) =>
    only === kind ? [name] : [],
  );
}

function concurrencies(given: number | undefined, json: boolean): readonly number[] {
  if (given !== undefined) return [given];
  return json ? [measuredConcurrency] : [measuredConcurrency, defaultConcurrency];
}

function refuse(workload: string, given: Readonly<Record<string, unknown>>): void {
  for (const [option, value] of Object.entries(given)) {
    if (value !== undefined) throw new UsageError(`${workload} has no --${option}`);
  }
}

function names(): string {
  return [...Object.keys(workloads), "all"].join(", ");
}

function help(): string {
  const rows = Object.entries(workloads).map(
    ([name, { summary }]) => `  ${name.padEnd(10)}${summary}`,
  );
  return `npm run bench -- <workload> [options]

${rows.join("\n")}
  all       every one of them, a process each

  --backend sqlite:PATH   where the database is made; default: a temporary folder. It is removed afterwards
  --backend postgres      on a PostgreSQL server that is started for it, or on that of BENCH_POSTGRES_URL
  --backend postgresql://…  on that server, in a database that is created and dropped
  --n N                   how many workflows, steps, items, jobs or sleepers
  --concurrency C         activities at a time; default ${measuredConcurrency}
  --rounds N              how often it is measured; the median counts
  --processes N           hello, latency: served by so many other processes
  --preload N             hello, claims, cleanup, operators: with so many finished executions in the database
  --scale                 fanout: the cost of an item at 1,000, 10,000 and 100,000
  --json                  one line of JSON a result`;
}
