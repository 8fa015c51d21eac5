/** operators: how long what the command line asks takes beside a million executions. */
import {
  activity,
  call,
  remote,
  signal,
  workflow,
  type Activity,
  type Stent,
} from "../../src/index.ts";
import { withEngine } from "../engine.ts";
import { percentile } from "../measure.ts";
import type { Workload } from "../setting.ts";

const defaultN = 20;
const defaultPreload = 1_000_000;
/** Of each kind that has not completed. */
const few = 5;

const broken = activity("operators.broken", { retry: { maxAttempts: 1 } }, async () => {
  throw new RangeError("declined");
});
const failing = workflow("operators.failing", function* () {
  yield* call(broken);
});
const waiting = workflow("operators.waiting", function* () {
  yield* signal("go");
});
const far = remote<Activity<[], void>>("operators.far", { kind: "activity", queue: "far" });

/** What is asked, as the commands ask it. */
const questions: Readonly<Record<string, (stent: Stent) => Promise<unknown>>> = {
  list: (stent) => stent.listExecutions({ limit: 20 }),
  "list -s running": (stent) => stent.listExecutions({ state: "running", limit: 20 }),
  "list -s pending": (stent) => stent.listExecutions({ state: "pending", limit: 20 }),
  "list -s failed": (stent) => stent.listExecutions({ state: "failed", limit: 20 }),
  "list -s completed": (stent) => stent.listExecutions({ state: "completed", limit: 20 }),
  "list -s running,failed": (stent) =>
    stent.listExecutions({ state: ["running", "failed"], limit: 20 }),
  // In an hour not all have ended, as here they have.
  stats: (stent) => stent.admin.stats({ since: new Date(Date.now() - 1_000) }),
  "queues list": (stent) => stent.admin.queues(),
  "workers list": (stent) => stent.admin.workers(),
  "workflows list": (stent) => stent.admin.functions(),
  doctor: (stent) => stent.admin.doctor(),
};

export const operators: Workload = {
  summary: "what operators ask, beside 1,000,000 executions that have ended",
  async *run({ scratch, n = defaultN, preload = defaultPreload }) {
    await scratch.preload(preload);
    const address = await scratch.preloaded();
    const times = await withEngine(address, 10, async (stent) => {
      await someOfEach(stent);
      const found = new Map<string, number[]>();
      for (const [what, ask] of Object.entries(questions)) {
        const taken: number[] = [];
        for (let index = 0; index < n; index += 1) {
          const startedAt = performance.now();
          await ask(stent);
          taken.push(performance.now() - startedAt);
        }
        found.set(what, taken);
      }
      return found;
    });
    for (const [what, taken] of times) {
      const [p50, p99] = [percentile(taken, 0.5), percentile(taken, 0.99)];
      yield { n, unit: "answers", concurrency: 1, p50, p99, remarks: [`to           ${what}`] };
    }
  },
};

/** Younger than what has ended. */
async function someOfEach(stent: Stent): Promise<void> {
  for (let index = 0; index < few; index += 1) {
    const failed = await stent.dispatch(failing, []);
    await failed.wait();
    const waits = await stent.dispatch(waiting, []);
    await stent.dispatch(far, []);
    while ((await waits.state()).waitingFor[0]?.kind !== "signal") await new Promise(setImmediate);
  }
}
