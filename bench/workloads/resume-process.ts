/** A worker process that runs so many steps, tells when, and hangs in the next one until it is killed. */
import { withEngine } from "../engine.ts";
import { nextStep, type Stopped } from "./endless-steps.ts";

const [address = "", steps, concurrency] = process.argv.slice(2);
const stepsToRun = Number(steps);
let run = 0;
let firstStepAt = 0;

const allRun = new Promise<void>((resolve) => {
  nextStep.run = async () => {
    if (run === 0) firstStepAt = timeNow();
    run += 1;
    if (run <= stepsToRun) return;
    resolve();
    await new Promise(() => undefined);
  };
});

await withEngine(address, Number(concurrency), async () => {
  const readyAt = timeNow();
  await allRun;
  const stopped: Stopped = { startedAt: performance.timeOrigin, readyAt, firstStepAt };
  process.send?.(stopped);
  await new Promise(() => undefined);
});

function timeNow(): number {
  return performance.timeOrigin + performance.now();
}
