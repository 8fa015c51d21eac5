import { Stent, type ExecutionHandle } from "../src/index.ts";

/** What `act` gives, with a worker that serves this file in this process. */
export async function withEngine<T>(
  path: string,
  maxConcurrency: number,
  act: (stent: Stent) => Promise<T>,
): Promise<T> {
  await using stent = await Stent.bootstrap(`sqlite:${path}`, { serve: { maxConcurrency } });
  return await act(stent);
}

/** Waits until all have ended. @throws the error of one that failed */
export async function allEnded(handles: readonly ExecutionHandle<unknown>[]): Promise<void> {
  await Promise.all(handles.map((handle) => handle.result()));
}
