/**
 * Measures Stent: `npm run bench -- hello`. What each workload does, and how it is measured, stands in docs/performance.md.
 */
import { commandLine, UsageError, type Request } from "./command-line.ts";
import { runEach } from "./each-alone.ts";
import { jsonLine, text } from "./report.ts";
import { ScratchFiles } from "./scratch-files.ts";
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
    process.exitCode = runEach(request.rest);
    return;
  }
  const { workload, setting, backend, json } = request;
  using files = new ScratchFiles(backend);
  for await (const figures of workloads[workload].run({ ...setting, files })) {
    console.log(json ? jsonLine(workload, figures) : text(workload, figures));
  }
}
