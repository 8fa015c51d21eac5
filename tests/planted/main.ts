/**
 * `npm run planted`: known mistakes, each put into a copy of the project, where the tests have to notice it. `npm run planted -- NAME …`: only
 * those whose names hold one of these.
 */
import { join } from "node:path";
import { needsPostgres } from "../support/needed.ts";
import { PostgresServer } from "../support/postgres-server.ts";
import { caught } from "./catching.ts";
import { nameOf, type PlantedBug } from "./planted-bug.ts";
import { planted } from "./planted.ts";

const root = join(import.meta.dirname, "../..");
const wanted = process.argv.slice(2);
const bugs = planted.filter(
  ({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)),
);
const server = needsPostgres(filesOf(bugs)) ? await PostgresServer.create() : undefined;
if (server !== undefined) process.env["TEST_POSTGRES_URL"] = server.url;

const missed: string[] = [];
for (const bug of bugs) {
  for (const catcher of bug.caughtBy) {
    const { caught: noticed, ms, told } = await caught(bug, catcher);
    if (!noticed) missed.push(`${bug.name} by ${nameOf(catcher)}`);
    const how = noticed ? `${(ms / 1_000).toFixed(1)} s` : "NOT CAUGHT";
    print(`| ${bug.name} | ${nameOf(catcher)} | ${how} | ${told} |`);
  }
}
await server?.[Symbol.asyncDispose]();
print(
  missed.length === 0 && bugs.length > 0
    ? `all ${bugs.length} are caught`
    : `not caught: ${missed.join(", ") || `nothing is called ${wanted.join(", ")}`}`,
);
process.exitCode = missed.length === 0 && bugs.length > 0 ? 0 : 1;

function filesOf(some: readonly PlantedBug[]): string[] {
  return some.flatMap(({ caughtBy }) =>
    caughtBy.flatMap((catcher) => ("file" in catcher ? [join(root, catcher.file)] : [])),
  );
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
