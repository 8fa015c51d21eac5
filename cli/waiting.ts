import type { ExecutionState, Stent } from "stentjs";
import { exitCodes, report } from "./failure.ts";
import { outputOf, type GlobalArguments } from "./global-arguments.ts";
import { toJson } from "./json.ts";
import { printable } from "./printable.ts";
import { durationText } from "./time.ts";

/** How often progress is told. */
const tellMs = 500;

/** Waits for the end of an execution, and prints its result; its failure sets the exit code. @throws ExecutionNotFoundError, ExpiryError */
export async function waitFor(
  stent: Stent,
  given: GlobalArguments,
  id: string,
  options: { readonly timeout?: string },
): Promise<void> {
  await stent.stateOf(id);
  const telling =
    given.quiet !== true && process.stderr.isTTY ? tellProgress(stent, id) : undefined;
  let result;
  try {
    result = await stent.waitFor(id, options);
  } finally {
    telling?.stop();
  }
  const { state } = await stent.stateOf(id);
  const json = outputOf(given) === "json" || outputOf(given) === "jsonl";
  if (result.ok) {
    const printed = json ? { id, state, result: result.value } : result.value;
    process.stdout.write(`${toJson(printed)}\n`);
    return;
  }
  report(result.error, { json, verbose: given.verbose === true });
  process.exitCode = codeOf(state);
}

function codeOf(state: ExecutionState["state"]): number {
  if (state === "cancelled" || state === "timed_out") return exitCodes.waited[state];
  return exitCodes.waited.failed;
}

/** One line on the terminal, written over and over. */
function tellProgress(stent: Stent, id: string): { stop(): void } {
  const meter = new ProgressMeter();
  let over = false;
  const tell = async (): Promise<void> => {
    try {
      const state = await stent.stateOf(id);
      if (!over) process.stderr.write(`\r\u001b[K${meter.line(state, Date.now())}`);
    } catch {
      // What is waited for says what is wrong.
    }
  };
  const timer = setInterval(() => void tell(), tellMs);
  void tell();
  return {
    stop() {
      over = true;
      clearInterval(timer);
      process.stderr.write("\r\u001b[K");
    },
  };
}

const widest = 100;

/** Tells how far an execution is, and how fast its fan-out goes. */
export class ProgressMeter {
  #first: { readonly at: number; readonly done: number; readonly total: number } | undefined;

  line({ state, createdAt, progressText, waitingFor }: ExecutionState, now: number): string {
    const since = durationText(Math.max(0, now - createdAt.getTime()));
    const parts = [
      `${state} ${since}`,
      ...waitingFor.flatMap(({ detail }) => {
        const [, done, total, what] =
          /(\d+) of (\d+) (items|executions) have ended/.exec(detail ?? "") ?? [];
        return done === undefined || total === undefined
          ? []
          : [`${done} of ${total} ${what}${this.#rate(Number(done), Number(total), now)}`];
      }),
    ];
    const steps = progressText.split(" > ").slice(-3).join(" > ");
    const line = printable([...parts, steps].filter((part) => part !== "").join("  "));
    return line.length > widest ? `${line.slice(0, widest - 1)}…` : line;
  }

  #rate(done: number, total: number, now: number): string {
    if (this.#first?.total !== total || this.#first.done > done)
      this.#first = { at: now, done, total };
    const seconds = (now - this.#first.at) / 1_000;
    const rate = seconds === 0 ? 0 : (done - this.#first.done) / seconds;
    if (rate === 0) return "";
    return `, ${rate.toFixed(rate < 10 ? 1 : 0)} a second, ${durationText(((total - done) / rate) * 1_000)} left`;
  }
}
