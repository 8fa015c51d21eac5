/**
 * Runs the tests: `npm test`, `npm test -- core/duration store/`, `npm test -- --test-name-pattern retry`.
 *
 * Node's own runner does the work, a process a file. What is added is the list of files (`node --test`
 * expands no globs before Node 21), one PostgreSQL and one build of the command line for all files that need them, and a failure where node
 * reports success: when no test ran, and when a file holds no test.
 */
import { readdirSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { parseArgs } from "node:util";
import { commandLineBuilt } from "./support/command-line.ts";
import { needsCommandLine, needsPostgres } from "./support/needed.ts";
import { PostgresServer } from "./support/postgres-server.ts";

// On Node 20 a limit counts for a whole file, whose process is then ended; a single test has none.
const fileLimitMs = 600_000;

const root = join(import.meta.dirname, "..");
const { values, positionals: fragments } = parseArgs({
  allowPositionals: true,
  options: {
    "test-name-pattern": { type: "string", multiple: true },
    "test-concurrency": { type: "string", default: String(availableParallelism()) },
  },
});

const files = testFiles(fragments);
const server = await sharedServer();
const built = sharedBuild();
const tally = { ran: 0, failed: 0, summary: [] as string[], withoutTests: [] as string[] };
const results = run({
  files,
  concurrency: Number(values["test-concurrency"]),
  timeout: fileLimitMs,
  ...(values["test-name-pattern"] && { testNamePatterns: values["test-name-pattern"] }),
});

results.on("test:pass", ({ name, file, skip, details }) => {
  if (name === file) tally.withoutTests.push(relative(root, file));
  else if (details.type !== "suite" && (skip === undefined || skip === false)) tally.ran += 1;
});
results.on("test:fail", ({ todo }) => {
  tally.ran += 1;
  if (todo === undefined || todo === false) tally.failed += 1;
});
results.on("test:diagnostic", ({ message, file }) => {
  if (file === undefined) tally.summary.push(`ℹ ${message}`);
});

for await (const text of results.compose(new spec())) process.stdout.write(String(text));
await server?.[Symbol.asyncDispose]();
if (built !== undefined) rmSync(built, { recursive: true });

const faults = [
  ...tally.withoutTests.map((file) => `no test in ${file}`),
  ...(tally.ran === 0 ? [`no test ran; files asked for: ${fragments.join(", ") || "all"}`] : []),
];
// Node lists what failed after its summary; the summary is what a reader of the last lines looks for.
if (tally.failed > 0) process.stdout.write(`\n${tally.summary.join("\n")}\n`);
if (faults.length > 0) process.stdout.write(`\n${faults.join("\n")}\n`);
process.exitCode = tally.failed > 0 || faults.length > 0 ? 1 : 0;

/** Files find it in TEST_POSTGRES_URL, which may name one already. It goes with this process, however that ends. */
async function sharedServer(): Promise<PostgresServer | undefined> {
  const needed = process.env["TEST_BACKEND"] === "postgres" || needsPostgres(files);
  if (process.env["TEST_POSTGRES_URL"] || !needed) return undefined;
  const started = await PostgresServer.create();
  process.env["TEST_POSTGRES_URL"] = started.url;
  return started;
}

/** Files find it in TEST_COMMAND_LINE. */
function sharedBuild(): string | undefined {
  if (!needsCommandLine(files)) return undefined;
  const place = commandLineBuilt();
  process.env["TEST_COMMAND_LINE"] = place;
  return place;
}

function testFiles(wanted: readonly string[]): string[] {
  return readdirSync(join(root, "tests"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".test.ts"))
    .filter((path) => wanted.length === 0 || wanted.some((fragment) => path.includes(fragment)))
    .toSorted()
    .map((path) => join(root, "tests", path));
}
