/**
 * `npm run quickstart`: runs a workflow, kills its process in the middle of the third step, lets a new process finish it, and proves
 * from the steps' own log that what had been completed was not done again.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as moment } from "node:timers/promises";

const steps = ["reserve", "charge", "pack", "ship", "notify"];
const killedIn = "pack";

const folder = mkdtempSync(join(tmpdir(), "stent-quickstart-"));
const database = join(folder, "quickstart.db");
const log = join(folder, "quickstart.log");
try {
  heading(`1. A process runs the workflow: ${steps.join(", ")}`);
  const first = startWorker();
  await printUntil(first, `${killedIn} begins`);

  heading(`2. kill -9 in the middle of ${killedIn}`);
  await moment(100);
  first.kill("SIGKILL");
  const [, signal] = (await once(first, "exit")) as [number | null, string | null];
  console.log(`process ${first.pid} has ended by ${signal}`);

  heading("3. A new process goes on with it");
  const second = startWorker();
  const ended = once(second, "exit");
  await printUntil(second, undefined);
  const [exitCode] = (await ended) as [number | null];

  heading("4. What the log of the steps says");
  const faults =
    exitCode === 0 ? faultsOf(readFileSync(log, "utf8").split("\n")) : ["it did not end"];
  console.log(
    faults.length === 0
      ? `Each of the ${steps.length} steps was completed once; only ${killedIn}, which the kill cut off, began twice.`
      : `This is wrong: ${faults.join("; ")}.`,
  );
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}

function startWorker(): ChildProcess {
  return spawn(
    process.execPath,
    ["--import", "tsx", join(import.meta.dirname, "worker.ts"), database],
    {
      env: { ...process.env, QUICKSTART_LOG: log },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
}

/** Shows what the process prints, up to that line or to its end. */
async function printUntil(worker: ChildProcess, lastLine: string | undefined): Promise<void> {
  if (worker.stdout === null) throw new Error("its output goes elsewhere");
  for await (const line of createInterface(worker.stdout)) {
    console.log(`[process ${worker.pid}] ${line}`);
    if (line === lastLine) return;
  }
}

function faultsOf(lines: readonly string[]): string[] {
  return steps.flatMap((step) => {
    const begun = lines.filter((line) => line === `${step} begins`).length;
    const ended = lines.filter((line) => line === `${step} has ended`).length;
    const expected = step === killedIn ? 2 : 1;
    return begun === expected && ended === 1
      ? []
      : [`${step} began ${begun} times and ended ${ended} times`];
  });
}

function heading(text: string): void {
  console.log(`\n── ${text} ──`);
}
