import { failpoint } from "../runtime/failpoint.ts";
import type { Next, TurnAnswer, TurnRequest } from "../store/store.ts";
import type { AfterCommit } from "./after-commit.ts";
import { graceEnd, isLate } from "./closing.ts";
import { Ending } from "./ending.ts";
import type { Hold } from "./hold.ts";
import type { LocalSteps } from "./local-steps.ts";
import type { Replica } from "./replica.ts";
import type { Turn } from "./turn.ts";
import type { TurnMaker } from "./turn-maker.ts";

type StoredAnswer = Extract<TurnAnswer, { kind: "stored" }>;

/** How the storing of a turn is over: with nothing more to say; the execution has to be looked at again; it is not held any more; nothing was stored, for this error. */
export type TurnOver = "done" | "look-again" | "lost" | "failed";

/** Hands turns to the committer, one at a time, and carries out what their commits decide: what is begun here (by W2), and whether the execution is held on. */
export class TurnStoring {
  readonly #hold: Hold;
  readonly #maker: TurnMaker;
  readonly #local: LocalSteps;
  readonly #after: AfterCommit;
  readonly #over: (how: TurnOver, error?: unknown) => void;
  readonly #ring: () => void;
  readonly #isWanted: () => boolean;

  /**
   * `over` is told once a turn. `ring`: a time has come that was waited for while the execution is held. `isWanted`: another turn is to follow, so
   * that there is no use in letting go; asked late, since what the turn takes up may fail at once and be for the next one.
   */
  constructor(
    hold: Hold,
    maker: TurnMaker,
    local: LocalSteps,
    after: AfterCommit,
    over: (how: TurnOver, error?: unknown) => void,
    ring: () => void,
    isWanted: () => boolean,
  ) {
    this.#hold = hold;
    this.#maker = maker;
    this.#local = local;
    this.#after = after;
    this.#over = over;
    this.#ring = ring;
    this.#isWanted = isWanted;
  }

  store(turn: Turn): void {
    try {
      this.#hold.trace = turn.watch?.trace;
      turn.takeUp();
      if (turn.send(this.#hold.slotKept)) this.#hold.slotUsed();
      this.#hold.freeSlot();
      const next = this.#next(turn);
      const request = this.#request(turn, next);
      if (next.kind !== "block") failpoint(beforeSubmit[next.kind]);
      this.#hold.host.store(
        "turn",
        request,
        (answer) => this.#answered(turn, next, answer),
        (error) => this.#failed(turn, error),
      );
    } catch (error) {
      this.#failed(turn, error);
    }
  }

  /** What becomes of the execution with this turn. */
  #next(turn: Turn): Next {
    const { replica, done } = turn;
    const ending = new Ending(this.#hold);
    const next =
      done === undefined
        ? this.#nextUnended(turn)
        : ending.next(
            done,
            replica.coroutine.failedByOutcome ? replica.failedSteps : noSteps,
            turn.handsOn,
            turn.encodedResult,
          );
    turn.keepUndoLetters(ending);
    return next;
  }

  /** By W4. */
  #nextUnended({ replica, outbound, wakeAt }: Turn): Next {
    const { steps, closures, transactions } = outbound;
    const begun = steps.length + closures.length + transactions.length;
    if (this.#local.running + begun > 0 || this.#isWanted()) return onHold;
    const graceAt = isLate(replica.coroutine) ? this.#graceEnd(replica) : Infinity;
    return { kind: "park", dueAt: timeOrNever(Math.min(wakeAt ?? Infinity, graceAt)) };
  }

  #request(turn: Turn, next: Next): TurnRequest {
    const { outbound, replica } = turn;
    const rows = turn.builder.rows();
    const knowsCancel = replica.coroutine.closingReason !== undefined;
    const request = this.#hold.emptyTurn(knowsCancel, next);
    request.entries = rows.entries;
    request.changes = rows.changes;
    request.withdrawn = rows.withdrawn;
    request.told = rows.told;
    request.tasks = outbound.tasks;
    request.fanouts = outbound.fanouts;
    request.children = outbound.children;
    request.sends = outbound.sends;
    request.dispatches = outbound.dispatches;
    request.arrived = turn.arrived;
    request.consumed = turn.consumed;
    request.counters = rows.counters;
    request.state = rows.state;
    request.deadLetters = turn.deadLetters;
    request.clearMarks = this.#hold.execution.marks > 0;
    return request;
  }

  #failed(turn: Turn, error: unknown): void {
    turn.forgo();
    this.#over("failed", error);
  }

  // ── the answer ──

  /** `answer`: none once this worker has stopped. */
  #answered(turn: Turn, next: Next, answer: TurnAnswer | undefined): void {
    if (answer?.kind === "stored") {
      failpoint("turn.after-commit");
      if (next.kind !== "block") failpoint(afterCommit[next.kind]);
      if (!this.#hold.host.leaseHolds()) return void this.#actLater(turn, next, answer);
      this.#stored(turn, next, answer);
    } else this.#refused(turn, answer?.reason);
  }

  /** By W3: what the turn holds is given back, and the coroutine that has gone ahead of it is dropped. */
  #refused(turn: Turn, reason: Refusal | undefined): void {
    const lost = reason === undefined || reason === "lost" || !this.#hold.isHeld;
    if (this.#hold.isHeld) this.#maker.drop();
    turn.forgo();
    if (lost) return this.#over("lost");
    if (reason !== "session") return this.#over("look-again");
    this.#hold.host.sessionLost();
    this.#over("done");
  }

  /** This process was held up: others may have taken the execution over, and done what the turn asks for (V4). */
  async #actLater(turn: Turn, next: Next, answer: StoredAnswer): Promise<void> {
    if (await this.#hold.host.renewed()) return this.#stored(turn, next, answer);
    turn.forgo();
    this.#over("lost");
  }

  #stored(turn: Turn, next: Next, answer: StoredAnswer): void {
    if (this.#hold.isHeld) return this.#over(this.#act(turn, next, answer));
    turn.forgo();
    this.#over("lost");
  }

  #act(turn: Turn, next: Next, answer: StoredAnswer): TurnOver {
    const hold = this.#hold;
    const after = this.#after;
    after.report(turn);
    turn.watch?.stored(!this.#maker.hasBegun);
    this.#maker.stored(turn);
    hold.marksCleared();
    after.beginItems(turn, answer);
    after.deadLettered(turn, next);
    if (next.kind === "continue") this.#continue(turn, next, answer);
    if (next.kind === "end" || next.kind === "again") this.#end();
    if (next.kind !== "hold" && next.kind !== "park") return "done";
    if (turn.watch === undefined) after.begin(turn, answer);
    else turn.watch.run(() => after.begin(turn, answer));
    failpoint("turn.after-acting");
    if (answer.released) this.#park(turn, next);
    // Something has arrived between reading and storing.
    else if (next.kind === "park") return "look-again";
    else this.#watchTimes(turn);
    return "done";
  }

  // ── holding on, and letting go ──

  #end(): void {
    const { execution, host } = this.#hold;
    this.#hold.letGo();
    this.#local.lose();
    host.runOver(execution.key);
  }

  /** Held by the same claim, or by whoever takes it. What still runs of the last run is waited for by nobody. */
  #continue(
    { replica }: Turn,
    { input, version }: Extract<Next, { kind: "continue" }>,
    answer: StoredAnswer,
  ): void {
    const { execution: last, wakeSeq, isWoken, rowIsStale, host } = this.#hold;
    this.#end();
    if (answer.released) return;
    const execution = {
      ...last,
      run: last.run + 1,
      input,
      version,
      attempt: 1,
      failures: 0,
      marks: 0,
      fresh: true,
      wakeSeq,
    };
    const woken = isWoken || rowIsStale;
    host.runContinued({ execution, records: replica.coroutine.snapshot(), woken });
  }

  #park({ replica }: Turn, next: Next): void {
    const { execution, host } = this.#hold;
    const dueAt = Math.min(
      (next.kind === "park" ? next.dueAt : undefined) ?? Infinity,
      this.#deadline(replica),
    );
    this.#hold.letGo();
    host.runParked(execution.key, timeOrNever(dueAt));
  }

  /** While attempts run here, timers are ours to watch. */
  #watchTimes({ replica, wakeAt }: Turn): void {
    const at = Math.min(wakeAt ?? Infinity, this.#deadline(replica), this.#graceEnd(replica));
    if (at !== Infinity) this.#hold.setTimer(at, this.#ring);
  }

  /** It counts until the execution is being closed. */
  #deadline({ coroutine }: Replica): number {
    return coroutine.closingReason === undefined
      ? (this.#hold.execution.deadline ?? Infinity)
      : Infinity;
  }

  #graceEnd(replica: Replica): number {
    return graceEnd(replica, this.#hold.host.cancelGraceMs);
  }
}

type Refusal = Extract<TurnAnswer, { kind: "refused" }>["reason"];

const onHold: Next = { kind: "hold" };
const beforeSubmit = {
  hold: "hold.before-submit",
  park: "park.before-submit",
  end: "end.before-submit",
  again: "again.before-submit",
  continue: "continue.before-submit",
} as const;
const afterCommit = {
  hold: "hold.after-commit",
  park: "park.after-commit",
  end: "end.after-commit",
  again: "again.after-commit",
  continue: "continue.after-commit",
} as const;
const noSteps: Replica["failedSteps"] = new Map();

function timeOrNever(at: number): number | undefined {
  return at === Infinity ? undefined : at;
}
