/** A client that starts executions of every shape, and goes on where a former one was killed. */
import {
  ExecutionFinishedError,
  ExecutionRunningError,
  type Durable,
  type DispatchOptions,
  type Stent,
} from "stentjs";
import { linesOf } from "./external-log.ts";
import * as shapes from "./workflows.ts";
import { isMended, log, mend, messages } from "./workflows.ts";

/** An execution to be started. */
interface Planned {
  readonly id: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- functions of every kind
  readonly fn: Durable<any, any>;
  readonly args: readonly unknown[];
  readonly options?: DispatchOptions;
}

/** Executions of every shape, `size` of each. */
function planOf(size: number): Planned[] {
  return Array.from({ length: size }, (_, n): Planned[] => {
    const planned = (
      fn: Planned["fn"],
      args: readonly unknown[] = [n],
      options?: DispatchOptions,
    ): Planned => ({
      id: `${fn.functionName}-${n}`,
      fn,
      args,
      ...(options && { options }),
    });
    return [
      planned(shapes.sequence),
      planned(shapes.branches),
      planned(shapes.composed),
      planned(shapes.rounds, [n, 1]),
      planned(shapes.undone),
      planned(shapes.mapped),
      planned(shapes.parent),
      planned(shapes.collector, []),
      { ...planned(shapes.collector, []), id: `receiver-${n}` },
      planned(shapes.sender, [`receiver-${n}`]),
      planned(shapes.booked),
      planned(shapes.sleeper),
      planned(shapes.atMostOnce),
      planned(shapes.cancellable),
      planned(shapes.failing),
      planned(shapes.runsAgain),
      planned(shapes.mended, [`mended-${n}`]),
      planned(shapes.job),
      planned(shapes.limited),
      planned(shapes.shared),
      planned(shapes.onceJob, [n], { delay: "30ms" }),
    ];
  }).flat();
}

/** Does everything that is not acknowledged yet, waits for every end, and tells the log. */
export async function drive(stent: Stent, size: number): Promise<void> {
  const acknowledged = new Set(
    linesOf(log.path).flatMap((line) => (line.what === "acknowledged" ? [line.request] : [])),
  );
  const plan = planOf(size);
  await Promise.all(
    plan.map(async ({ id, fn, args, options }) => {
      // A sender is refused by a receiver that is not there yet.
      if (fn === shapes.sender)
        await ask(`dispatch receiver${id.slice("sender".length)}`, () => Promise.resolve(), true);
      await ask(`dispatch ${id}`, () =>
        stent.dispatch(fn, args, { id, ifExists: "join", ...options }),
      );
      if (fn === shapes.collector && id.startsWith("collector")) await sendAll(id);
      if (fn === shapes.cancellable) await ask(`cancel ${id}`, () => stent.cancel(id));
      if (fn === shapes.mended) await retryOnce(id);
      const { ok, value, error } = await stent.waitFor(id, { timeout: "60s" });
      log.write({ what: "result", id, ok, value: ok ? value : error.name });
    }),
  );

  async function sendAll(id: string): Promise<void> {
    for (let i = 0; i < messages; i++) {
      await ask(`signal ${id} ${i}`, () =>
        stent.sendSignal(id, "item", i, { dedupeKey: String(i) }),
      );
    }
  }

  async function retryOnce(id: string): Promise<void> {
    if (!isMended(id)) {
      await stent.waitFor(id, { timeout: "60s" });
      mend(id);
    }
    await ask(`retry ${id}`, async () => {
      try {
        await stent.retry(id);
      } catch (error) {
        // Stored by a client that was killed before it was told.
        if (!(error instanceof ExecutionRunningError || error instanceof ExecutionFinishedError))
          throw error;
      }
    });
  }

  async function ask(
    request: string,
    act: () => Promise<unknown>,
    byAnother = false,
  ): Promise<void> {
    if (acknowledged.has(request)) return;
    if (byAnother) {
      while (!acknowledged.has(request)) await new Promise((done) => setTimeout(done, 2));
      return;
    }
    await act();
    log.write({ what: "acknowledged", request });
    acknowledged.add(request);
  }
}
