import type { ClaimedExecution, TurnRequest } from "../store/store.ts";

/** Whose turn it is. */
interface TurnOf {
  readonly session: number;
  readonly execution: Pick<ClaimedExecution, "key" | "claim" | "run">;
  readonly wakeSeq: number;
}

/** Fields that are filled in one by one. */
type Draft = { -readonly [K in keyof TurnRequest]: TurnRequest[K] };

const noRows: readonly never[] = [];

/**
 * A turn that writes nothing but what becomes of the execution; the rest is filled in. A class, not a literal: literals of which many
 * are alive at once V8 makes in old space, where each keeps all that it refers to until the next full collection.
 */
export class EmptyTurn implements Draft {
  session: number;
  claim: number;
  execution: number;
  run: number;
  wakeSeq: number;
  knowsCancel: boolean;
  entries: TurnRequest["entries"] = noRows;
  changes: TurnRequest["changes"] = noRows;
  withdrawn: TurnRequest["withdrawn"] = noRows;
  told: TurnRequest["told"] = noRows;
  tasks: TurnRequest["tasks"] = noRows;
  fanouts: TurnRequest["fanouts"] = noRows;
  children: TurnRequest["children"] = noRows;
  sends: TurnRequest["sends"] = noRows;
  dispatches: TurnRequest["dispatches"] = noRows;
  arrived: TurnRequest["arrived"] = noRows;
  consumed: TurnRequest["consumed"] = noRows;
  counters: TurnRequest["counters"] = noRows;
  state: TurnRequest["state"] = noRows;
  deadLetters: TurnRequest["deadLetters"] = noRows;
  clearMarks = false;
  next: TurnRequest["next"];

  constructor(of: TurnOf, knowsCancel: boolean, next: TurnRequest["next"]) {
    const { execution } = of;
    this.session = of.session;
    this.claim = execution.claim;
    this.execution = execution.key;
    this.run = execution.run;
    this.wakeSeq = of.wakeSeq;
    this.knowsCancel = knowsCancel;
    this.next = next;
  }
}
