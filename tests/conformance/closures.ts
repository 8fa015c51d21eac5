import type { NewExecution, TransactRequest } from "../../src/store/store.ts";
import { entry, type Held, type Scene } from "./scene.ts";

/** An execution that is held, and whose first entry is a transaction that has begun. */
export async function heldTransaction(
  one: Scene,
  session: number,
  parts: Partial<NewExecution> = {},
): Promise<Held> {
  const held = await one.start(session, parts);
  await one.stored(held, { entries: [entry(1, { kind: "transaction", here: true })] });
  return held;
}

/** Asks to run a closure for that entry. */
export function closureOf(
  { session, claim, execution, run }: Held,
  act: (tx: never) => unknown,
  parts: Partial<TransactRequest> = {},
): TransactRequest {
  return {
    session,
    claim,
    execution,
    run,
    seq: 1,
    title: "the closure",
    attempt: 1,
    knowsCancel: false,
    act: async (tx) => act(tx as never),
    encode: String,
    ...parts,
  };
}
