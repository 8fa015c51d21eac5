/** Processes that serve, apart from the one that measures. */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { extname, join } from "node:path";
import { cpuMsOf } from "./cpu-time.ts";

/** So many, from the moment when all of them are ready until they are disposed of. */
export class WorkerProcesses implements AsyncDisposable {
  readonly #processes: readonly ChildProcess[];

  private constructor(processes: readonly ChildProcess[]) {
    this.#processes = processes;
  }

  static async start(
    many: number,
    address: string,
    maxConcurrency: number,
  ): Promise<WorkerProcesses> {
    const program = join(import.meta.dirname, `worker-process${extname(import.meta.filename)}`);
    const processes = Array.from({ length: many }, () =>
      fork(program, [address, String(maxConcurrency)]),
    );
    await Promise.all(
      processes.map((each) => Promise.race([once(each, "message"), once(each, "exit").then(gone)])),
    );
    return new WorkerProcesses(processes);
  }

  /** The time that all of them have had on a processor so far. */
  cpuMs(): number | undefined {
    let sum = 0;
    for (const { pid = 0 } of this.#processes) {
      const ms = cpuMsOf(pid);
      if (ms === undefined) return undefined;
      sum += ms;
    }
    return sum;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#processes.map(async (each) => {
        if (each.exitCode !== null) return;
        const ended = once(each, "exit");
        each.kill("SIGTERM");
        await ended;
      }),
    );
  }
}

function gone(): never {
  throw new Error("a worker process ended before it was ready; its error stands above");
}
