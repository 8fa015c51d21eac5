import {
  ExecutionExistsError,
  ExecutionFinishedError,
  ExecutionNotFoundError,
} from "../core/errors.ts";
import type { Next, TurnAnswer } from "../store/store.ts";
import { claimedTask } from "./claimed-task.ts";
import type { Hold } from "./hold.ts";
import type { LocalSteps } from "./local-steps.ts";
import type { Replica } from "./replica.ts";
import type { TransactionStep, TransactRefusal } from "./transaction-step.ts";
import type { Turn } from "./turn.ts";

type StoredAnswer = Extract<TurnAnswer, { kind: "stored" }>;

/** Does what a turn asks for, once it is stored. By W2 not before. */
export class AfterCommit {
  readonly #hold: Hold;
  readonly #local: LocalSteps;
  readonly #notTransacted: (path: string, reason: TransactRefusal) => void;

  /** `notTransacted` is told of a transaction that the store has not run. */
  constructor(
    hold: Hold,
    local: LocalSteps,
    notTransacted: (path: string, reason: TransactRefusal) => void,
  ) {
    this.#hold = hold;
    this.#local = local;
    this.#notTransacted = notTransacted;
  }

  /** Tells the observer of attempts whose outcomes the turn has stored. */
  report(turn: Turn): void {
    for (const step of turn.settled) step.report?.();
    for (const step of turn.retried) step.report();
    turn.logUnheard();
  }

  /** Tells the observer of the dead letters that the turn has left. */
  deadLettered(turn: Turn, next: Next): void {
    const { steps } = this.#hold.host;
    if (next.kind === "end") steps.deadLettered(next.end.deadLetter);
    for (const letter of turn.deadLetters) steps.deadLettered(letter);
  }

  /** Items of maps that the turn has put into the queue and taken. */
  beginItems({ outbound, replica }: Turn, answer: StoredAnswer): void {
    if (outbound.takenItems.length === 0) return;
    const { host, execution } = this.#hold;
    const now = host.deps.clock.now();
    host.tasksTaken(
      outbound.takenItems.flatMap(({ task, items }, index) => {
        const taken = answer.taken[index];
        const options = replica.open.get(task.path)?.options;
        return taken === undefined
          ? []
          : [claimedTask(execution, task, { items, options, taken, now })];
      }),
    );
  }

  /** Steps that run here, and those that the commit has answered. */
  begin({ outbound, replica }: Turn, answer: StoredAnswer): void {
    const local = this.#local;
    for (const step of outbound.steps) local.begin(step);
    for (const { path, fn } of outbound.closures) local.beginClosure(path, fn);
    for (const step of outbound.transactions) this.#transact(replica, step);
    outbound.sends.forEach((send, index) =>
      this.#sent(replica, send.seq, answer.sends[index], send.executionId),
    );
    for (const seq of answer.strangers) this.#stranger(replica, seq);
  }

  #transact({ coroutine }: Replica, step: TransactionStep): void {
    const { session, execution } = this.#hold;
    const knowsCancel = coroutine.closingReason !== undefined;
    const as = { session, claim: execution.claim, knowsCancel };
    this.#local.beginTransaction(step, as, (reason) => this.#notTransacted(step.path, reason));
  }

  #sent(
    replica: Replica,
    seq: number,
    how: "sent" | "not-found" | "finished" | undefined,
    executionId: string,
  ): void {
    const path = pathOf(replica, seq);
    if (path === undefined) return;
    if (how === "sent") this.#local.succeed(path);
    else if (how === "not-found") this.#local.fail(path, new ExecutionNotFoundError(executionId));
    else
      this.#local.fail(
        path,
        new ExecutionFinishedError(
          `execution ${executionId} has ended and takes no signals any more`,
        ),
      );
  }

  /** The child was not started: its id was taken. */
  #stranger(replica: Replica, seq: number): void {
    const path = pathOf(replica, seq);
    if (path === undefined) return;
    this.#local.fail(
      path,
      new ExecutionExistsError(
        `the id of the child at ${path} of ${this.#hold.execution.id} belongs to another execution that is there already; choose ids without slashes`,
      ),
    );
  }
}

function pathOf(replica: Replica, seq: number): string | undefined {
  for (const entry of replica.open.values()) if (entry.seq === seq) return entry.path;
  return undefined;
}
