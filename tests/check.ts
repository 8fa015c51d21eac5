/**
 * `npm run check`: everything about the code that can be known without running the product. Each step is
 * a script of package.json and runs alone as well: `npm run lint`.
 */
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { text } from "node:stream/consumers";

// The slowest first, so that the last to end is a short one.
const steps = ["package", "types", "lint", "unused", "format", "layers"];
const stepLimitMs = 300_000;

const waiting = [...steps];
const failed: string[] = [];
await Promise.all(Array.from({ length: availableParallelism() }, runWhatIsWaiting));

if (failed.length > 0) process.stdout.write(`\ncheck failed: ${failed.join(", ")}\n`);
process.exitCode = failed.length > 0 ? 1 : 0;

async function runWhatIsWaiting(): Promise<void> {
  for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
    const startedAt = performance.now();
    const { passed, output } = await runScript(step);
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    process.stdout.write(`${passed ? "ok    " : "FAILED"} ${step} (${seconds} s)\n`);
    if (passed) continue;
    failed.push(step);
    process.stdout.write(`${output.trimEnd()}\n`);
  }
}

async function runScript(name: string): Promise<{ passed: boolean; output: string }> {
  const script = spawn(`npm run --silent ${name} 2>&1`, {
    shell: true,
    stdio: ["ignore", "pipe", "inherit"],
    timeout: stepLimitMs,
  });
  const ended = new Promise<number | null>((resolve) => script.once("close", resolve));
  const output = await text(script.stdout);
  const exitCode = await ended;
  return { passed: exitCode === 0, output };
}
