import type { Workflow } from "../core/durable.ts";
import type { ClaimedExecution, Next } from "../store/store.ts";
import { EmptyTurn } from "./empty-turn.ts";
import { lossOf } from "./lost-hold.ts";
import type { RunHost } from "./run-host.ts";
import { Slice } from "./slice.ts";

/** A held execution, as it stands now. */
export interface Held {
  readonly host: RunHost;
  readonly execution: ClaimedExecution;
  readonly session: number;
  /** Wake-ups that have been noticed. */
  readonly wakeSeq: number;
}

const unmarked: ReadonlyMap<number, number> = new Map();

/**
 * A worker's hold on an execution of a workflow: under which claim, what its row said when it was last read, and whether anything has happened
 * to it since. It ends when the execution is let go or lost, and begins anew when the same worker claims it again.
 */
export class Hold implements Held {
  readonly host: RunHost;
  readonly fn: Workflow<unknown[], unknown>;
  #execution: ClaimedExecution;
  #slice = new Slice();
  #session: number;
  #wakeSeq: number;
  #isHeld = true;
  #woken: boolean;
  #rowIsStale = false;
  #deaths = unmarked;
  #slotKept: boolean;
  #endTimer: (() => void) | undefined;
  /** The span of the turn that is being stored: what it asks for goes on from it. */
  trace: string | undefined;

  /** `slotKept`: its claim has taken a slot for the first activity. */
  constructor(
    execution: ClaimedExecution,
    fn: Workflow<unknown[], unknown>,
    host: RunHost,
    slotKept: boolean,
  ) {
    this.host = host;
    this.fn = fn;
    this.#execution = execution;
    this.#session = host.session();
    this.#wakeSeq = execution.wakeSeq;
    this.#woken = !execution.fresh;
    this.#slotKept = slotKept;
  }

  get execution(): ClaimedExecution {
    return this.#execution;
  }

  /** Of this claim. */
  get slice(): Slice {
    return this.#slice;
  }

  get session(): number {
    return this.#session;
  }

  get wakeSeq(): number {
    return this.#wakeSeq;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Claimed again by the same worker, with nobody in between. */
  reclaim(execution: ClaimedExecution, slotKept: boolean): void {
    this.#execution = execution;
    this.#slice = new Slice();
    this.#session = this.host.session();
    this.#wakeSeq = execution.wakeSeq;
    this.#slotKept = slotKept;
    this.#isHeld = true;
    this.#woken = true;
  }

  letGo(): void {
    this.#isHeld = false;
    this.endTimer();
    this.freeSlot();
  }

  /** A turn under this claim that writes nothing but what becomes of the execution; the rest is filled in. */
  emptyTurn(knowsCancel: boolean, next: Next): EmptyTurn {
    return new EmptyTurn(this, knowsCancel, next);
  }

  // ── what has happened to it ──

  /** Arrivals and the inbox have to be read. */
  get isWoken(): boolean {
    return this.#woken;
  }

  /** The row may have changed since it was read: a wake, a cancel. */
  get rowIsStale(): boolean {
    return this.#rowIsStale;
  }

  /** Something has happened outside: its row, arrivals and messages are to be read. */
  wake(): void {
    this.#woken = true;
    this.#rowIsStale = true;
  }

  /** Whether arrivals and the inbox have to be read, which whoever asks does from here on. */
  takeWoken(): boolean {
    const woken = this.#woken;
    this.#woken = false;
    return woken;
  }

  /** What the row says now: whether it is still ours, whether it was cancelled, and which wake-ups have been noticed. @returns why it is not ours any more. */
  async readRow(): Promise<Error | undefined> {
    this.#rowIsStale = false;
    const { store, codec } = this.host.deps;
    const row = await store.executionByKey(this.#execution.key);
    if (row === undefined || row.worker !== this.#session || row.claim !== this.#execution.claim)
      return lossOf(codec, row);
    // What it stands for may have been told to nobody here yet, and parking takes it for read.
    if (row.wakeSeq !== this.#wakeSeq) this.#woken = true;
    this.#wakeSeq = row.wakeSeq;
    this.#execution = {
      ...this.#execution,
      state: row.state,
      cancelReason: row.cancelReason,
      deadline: row.deadline,
    };
    return undefined;
  }

  // ── sessions that died in it ──

  /** Sessions that died while an attempt of it was running, by the entry's seq; of its turn, under `turnItself`. As last read. */
  get deaths(): ReadonlyMap<number, number> {
    return this.#deaths;
  }

  async readDeaths(): Promise<void> {
    const { key, run } = this.#execution;
    const deaths = new Map<number, number>();
    for (const mark of await this.host.deps.store.marks(key, run)) {
      if (mark.item === -1) deaths.set(mark.seq, (deaths.get(mark.seq) ?? 0) + 1);
    }
    this.#deaths = deaths;
  }

  /** A turn has been stored that took its marks away. */
  marksCleared(): void {
    if (this.#execution.marks > 0) this.#execution = { ...this.#execution, marks: 0 };
  }

  // ── its slot and its timer ──

  /** The slot that its claim has taken is still free for its first activity. */
  get slotKept(): boolean {
    return this.#slotKept;
  }

  /** An activity runs in it, which frees it. */
  slotUsed(): void {
    this.#slotKept = false;
  }

  /** No activity needs it. */
  freeSlot(): void {
    if (!this.#slotKept) return;
    this.#slotKept = false;
    this.host.slots.release();
  }

  /** While it is held, its times are ours to watch. */
  setTimer(at: number, ring: () => void): void {
    const { clock } = this.host.deps;
    this.#endTimer = clock.schedule(Math.max(0, at - clock.now()), ring);
  }

  endTimer(): void {
    this.#endTimer?.();
    this.#endTimer = undefined;
  }
}
