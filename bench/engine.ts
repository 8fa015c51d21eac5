import { Stent, type ExecutionHandle, type Logger } from "../src/index.ts";
import { WorkerProcesses } from "./worker-processes.ts";

/** What `act` gives, with a worker that serves the functions of this process, in it. */
export async function withEngine<T>(
  address: string,
  maxConcurrency: number,
  act: (stent: Stent) => Promise<T>,
): Promise<T> {
  const options = { backend: address, logger: onlyErrors };
  await using stent = await Stent.bootstrap(options, { serve: { maxConcurrency } });
  return await act(stent);
}

/** The same with so many worker processes, and none in this one. */
export async function withProcesses<T>(
  processes: number,
  address: string,
  maxConcurrency: number,
  act: (stent: Stent, workers: WorkerProcesses) => Promise<T>,
): Promise<T> {
  await using stent = await Stent.open({ backend: address, logger: onlyErrors });
  await using workers = await WorkerProcesses.start(processes, address, maxConcurrency);
  return await act(stent, workers);
}

/** Waits until all have ended. @throws the error of one that failed */
export async function allEnded(handles: readonly ExecutionHandle<unknown>[]): Promise<void> {
  await Promise.all(handles.map((handle) => handle.result()));
}

/** That a worker is gone is no news where it has been killed. */
const onlyErrors: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: (message, fields) => console.error(message, fields),
};
