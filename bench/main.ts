/**
 * Measures Stent: `npm run bench -- hello`. What each workload does, and how it is measured, stands in docs/performance.md.
 */
import { commandLine, UsageError, type Place, type Request } from "./command-line.ts";
import { runEach } from "./each-alone.ts";
import { jsonLine, text } from "./report.ts";
import { PostgresScratch } from "./postgres/scratch.ts";
import type { Scratch } from "./scratch.ts";
import { SqliteScratch } from "./sqlite/scratch.ts";
import { workloads } from "./workloads.ts";

try {
  await main(commandLine(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`error: ${error.message}`);
  process.exitCode = 2;
}

async function main(request: Request): Promise<void> {
  if (request.kind === "help") {
    console.log(request.text);
    return;
  }
  if (request.kind === "all") {
    process.exitCode = runEach(request.workloads, request.rest);
    return;
  }
  const { workload, setting, backend, json } = request;
  await using scratch = await scratchAt(backend);
  for await (const figures of workloads[workload].run({ ...setting, scratch })) {
    console.log((json ? jsonLine : text)(workload, scratch.backend, figures));
  }
}

async function scratchAt(place: Place): Promise<Scratch> {
  return place.kind === "sqlite" ? new SqliteScratch(place.path) : PostgresScratch.open(place.url);
}
