import { Stent, type ExecutionHandle, type Logger } from "../src/index.ts";

/** What `act` gives, with a worker that serves this file in this process. */
export async function withEngine<T>(
  path: string,
  maxConcurrency: number,
  act: (stent: Stent) => Promise<T>,
): Promise<T> {
  const options = { backend: `sqlite:${path}`, logger: onlyErrors };
  await using stent = await Stent.bootstrap(options, { serve: { maxConcurrency } });
  return await act(stent);
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
