/**
 * One held execution of a workflow: turn after turn, each stored in one commit before anything it asks for is done.
 *
 *   W1  One turn at a time; what arrives meanwhile is for the next one.
 *   W2  Nothing is begun before the turn that asks for it is stored.
 *   W3  When a turn could not be stored, the coroutine is dropped and replayed; outcomes in hand are kept and delivered to the new one.
 *   W4  It is let go only while nothing of it runs here, and only if nothing has arrived since arrivals were read.
 *
 * When a turn is due is decided here. `TurnMaker` makes it, `TurnStoring` has it stored and does what the commit decides, `AfterCommit` what the
 * turn asks for, and `Hold` knows what all of them have to know of the execution.
 */
import type { Workflow } from "../core/durable.ts";
import { NonDeterminismError, SerializationError } from "../core/errors.ts";
import type { Snapshot } from "../core/interpreter/coroutine.ts";
import type { ClaimedExecution } from "../store/store.ts";
import { AfterCommit } from "./after-commit.ts";
import { closingReason } from "./closing.ts";
import { Ending } from "./ending.ts";
import { Hold } from "./hold.ts";
import { LocalSteps, stopReason } from "./local-steps.ts";
import { takeUpLostCalls } from "./lost-calls.ts";
import { Outgoing } from "./outgoing.ts";
import { differenceOf } from "./rehearsal.ts";
import { NoGeneratorError } from "./replica.ts";
import { RunFacts } from "./run-facts.ts";
import type { RunHost } from "./run-host.ts";
import {
  block,
  blockIfPoison,
  endAtGate,
  endIfUnbegun,
  endWithoutGenerator,
} from "./standstill.ts";
import type { TransactRefusal } from "./transaction-step.ts";
import { TurnTools, type Turn } from "./turn.ts";
import { TurnMaker } from "./turn-maker.ts";
import { TurnStoring, type TurnOver } from "./turn-storing.ts";

/** How long a run waits after an error that is nobody's fault in particular. */
const stumbleDelayMs = 1_000;

/** Held while attempts of it run here; else let go, with its coroutine kept in memory as long as there is room. */
export class WorkflowRun {
  readonly #host: RunHost;
  readonly #hold: Hold;
  readonly #local: LocalSteps;
  readonly #outgoing: Outgoing;
  readonly #facts: RunFacts;
  readonly #maker: TurnMaker;
  readonly #storing: TurnStoring;
  /** A turn is being made or stored. */
  #busy = false;
  /** Another one is to follow. */
  #wanted = false;

  /** `slotKept`: its claim has taken a slot for the first activity. `handedOn`: counters and state of the run before. */
  constructor(
    execution: ClaimedExecution,
    fn: Workflow<unknown[], unknown>,
    host: RunHost,
    slotKept: boolean,
    handedOn?: Snapshot,
  ) {
    const { clock, codec } = host.deps;
    const kick = (): void => this.kick();
    const hold = new Hold(execution, fn, host, slotKept);
    const local = new LocalSteps(host, execution, kick);
    const after = new AfterCommit(hold, local, (path, reason) => this.#notTransacted(path, reason));
    this.#host = host;
    this.#hold = hold;
    this.#local = local;
    this.#outgoing = new Outgoing(hold);
    this.#facts = new RunFacts(clock, codec, execution, () => new Ending(hold).nextFunction);
    this.#maker = new TurnMaker(
      hold,
      new TurnTools(host, local, this.#outgoing, this.#facts),
      handedOn,
    );
    this.#storing = new TurnStoring(
      hold,
      this.#maker,
      local,
      after,
      (how, error) => this.#turnOver(how, error),
      kick,
      () => this.#wanted,
    );
  }

  get execution(): ClaimedExecution {
    return this.#hold.execution;
  }

  /** Wake-ups that have been noticed. */
  get wakeSeq(): number {
    return this.#hold.wakeSeq;
  }

  /** There is something to do: runs a turn, or another one after this. */
  kick(): void {
    this.#wanted = true;
    if (!this.#busy && this.#hold.isHeld) this.#begin();
  }

  /** Something has happened to it outside: its row, arrivals and messages are read. */
  wake(): void {
    this.#hold.wake();
    this.kick();
  }

  /** Claimed again by the same worker, with nobody in between: the coroutine goes on. */
  reclaim(execution: ClaimedExecution, slotKept: boolean): void {
    this.#hold.reclaim(execution, slotKept);
    this.kick();
  }

  drain(): void {
    this.#local.drain();
  }

  /** It is not ours any more. */
  lose(reason?: Error): void {
    if (!this.#hold.isHeld) return;
    this.#hold.letGo();
    this.#maker.drop();
    this.#local.lose(reason);
    this.#host.runOver(this.execution.key);
  }

  // ── one turn after the other ──

  /** A turn that has to read nothing is made at once; what waits for the database is the exception. */
  #begin(): void {
    this.#busy = true;
    this.#wanted = false;
    this.#hold.endTimer();
    if (this.#maker.mustRead) {
      void this.#readAndTurn().catch((error: unknown) => this.#stumble(error));
      return;
    }
    let made: ReturnType<TurnMaker["make"]>;
    try {
      made = this.#maker.make();
    } catch (error) {
      void this.#stumble(error);
      return;
    }
    if (made instanceof Promise)
      void made.then(
        (turn) => this.#made(turn),
        (error: unknown) => this.#stumble(error),
      );
    else this.#made(made);
  }

  async #readAndTurn(): Promise<void> {
    const hold = this.#hold;
    if (hold.rowIsStale) await this.#readRow();
    if (!hold.isHeld) return this.#rest();
    if (await this.#standsStill()) this.lose();
    else if (this.#maker.isTakenOver && (await this.#takeUpLostCalls())) return this.#rest();
    if (!hold.isHeld) return this.#rest();
    this.#made(await this.#maker.read());
  }

  /** `turn`: none if the execution was lost meanwhile. */
  #made(turn: Turn | undefined): void {
    if (turn === undefined) this.#rest();
    else if (turn.replica.trace === undefined) this.#storing.store(turn);
    else void this.#rehearse(turn).catch((error: unknown) => this.#giveUp(turn, error));
  }

  /** The turn is over: the next one, if there is something for it. */
  #rest(): void {
    this.#busy = false;
    this.#hold.freeSlot();
    if (this.#wanted && this.#hold.isHeld) this.#begin();
  }

  #turnOver(how: TurnOver, error: unknown): void {
    if (how === "failed") return void this.#stumble(error);
    if (how === "lost") this.lose();
    if (how === "look-again") this.#lookAgain();
    this.#rest();
  }

  /** In development mode. By D1, a turn that is not the same twice is not stored. */
  async #rehearse(turn: Turn): Promise<void> {
    const hold = this.#hold;
    const { deps } = this.#host;
    const { execution, fn } = hold;
    const run = { deps, execution, fn, facts: this.#facts };
    const different = await differenceOf(run, turn.replica, turn);
    if (different !== undefined) await this.#readRow();
    if (!hold.isHeld) return this.#giveUp(turn, undefined);
    if (different === undefined) return this.#storing.store(turn);
    await block(hold, "non-determinism", different.error, different.kept);
    for (const step of turn.settled) step.report?.();
    this.lose();
    this.#giveUp(turn, undefined);
  }

  #giveUp(turn: Turn, error: unknown): void {
    turn.forgo();
    if (error === undefined) this.#rest();
    else void this.#stumble(error);
  }

  /** Something has happened that the next turn has to read. */
  #lookAgain(): void {
    this.#hold.wake();
    this.#wanted = true;
  }

  async #readRow(): Promise<void> {
    const loss = await this.#hold.readRow();
    if (loss !== undefined) this.lose(loss);
  }

  /** A transaction was not run: the store knows something of the execution that its workflow does not. */
  #notTransacted(path: string, reason: TransactRefusal): void {
    if (reason === "session") return this.#host.sessionLost();
    if (reason === "lost") return this.lose();
    const { coroutine } = this.#maker;
    // By now the workflow has been told of the cancel, and waits for this as for what runs.
    if (coroutine?.waiting(path)?.late === true)
      return this.#local.fail(path, stopReason(coroutine.closingReason));
    // What is stored is not what it knows: it is read anew, and begins from there if it is still waited for.
    this.#maker.drop();
    this.wake();
  }

  // ── where there is no turn ──

  /** Nothing of the turn is stored: what stands in the way is named, or the turn is tried again by a fresh coroutine. */
  async #stumble(error: unknown): Promise<void> {
    this.#maker.drop();
    const { observer, clock } = this.#host.deps;
    const executionId = this.execution.id;
    try {
      if (!this.#hold.isHeld) return;
      if (await this.#canNotGoOn(error)) this.lose();
      else {
        const message = "a turn could not be run; it is tried again";
        observer.log.error(message, { executionId, error });
        this.#lookAgain();
        this.#wanted = false;
        clock.schedule(stumbleDelayMs, () => this.kick());
      }
    } catch (failure) {
      const message = "an execution could not be blocked; its worker gives it up";
      observer.log.error(message, { executionId, error: failure });
      this.lose();
    } finally {
      this.#rest();
    }
  }

  /** @returns false for what another try may mend. */
  async #canNotGoOn(error: unknown): Promise<boolean> {
    if (error instanceof NonDeterminismError) await block(this.#hold, "non-determinism", error);
    else if (error instanceof SerializationError) await block(this.#hold, "unreadable", error);
    else if (error instanceof NoGeneratorError) await endWithoutGenerator(this.#hold, error);
    else return false;
    return true;
  }

  /** @returns whether it is over here. */
  async #standsStill(): Promise<boolean> {
    const hold = this.#hold;
    if (await endAtGate(hold)) return true;
    if (hold.execution.marks > 0) {
      await hold.readDeaths();
      if (await blockIfPoison(hold)) return true;
    }
    if (!hold.isHeld || this.#maker.coroutine !== undefined) return false;
    const reason = closingReason(hold.execution, undefined, this.#host.deps.clock.now());
    return reason !== undefined && (await endIfUnbegun(hold, reason));
  }

  /** What a replay need not be waited for. @returns whether there was any: then there is another turn. */
  async #takeUpLostCalls(): Promise<boolean> {
    const taken = await takeUpLostCalls(this.#hold);
    if (taken === "begun") this.#wanted = true;
    if (taken === "cancelled") this.#lookAgain();
    if (taken === "session") this.#host.sessionLost();
    if (taken === "lost") this.lose();
    return taken !== "none";
  }
}
