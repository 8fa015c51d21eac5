import type { TurnRequest } from "../store/store.ts";

/** Whose turn it is. */
type TurnOf = Pick<TurnRequest, "session" | "claim" | "execution" | "run" | "wakeSeq">;

/** A turn that writes nothing but what becomes of the execution. */
export function emptyTurn(of: TurnOf): Omit<TurnRequest, "next" | "knowsCancel"> {
  return {
    session: of.session,
    claim: of.claim,
    execution: of.execution,
    run: of.run,
    wakeSeq: of.wakeSeq,
    entries: noRows,
    changes: noRows,
    withdrawn: noRows,
    told: noRows,
    tasks: noRows,
    fanouts: noRows,
    children: noRows,
    sends: noRows,
    dispatches: noRows,
    arrived: noRows,
    consumed: noRows,
    counters: noRows,
    state: noRows,
    deadLetters: noRows,
    clearMarks: false,
  };
}

const noRows: readonly never[] = [];
