/**
 * Two processes, statement by statement: each query of a process stops at its gate, and a schedule says whose goes to the server next.
 *
 *   W1  One statement at a time is on its way, but for one that waits for a lock of the other process.
 *   W2  Whether it waits is asked of the server, so nothing here depends on how long something takes. Sessions wait for locks as long as it
 *       takes, unless the schedule says that one has no patience: then the same error comes as after `lock_timeout`.
 */
import type pg from "pg";
import type { ClientOptions, PostgresConnections } from "../../src/store/postgres/connection.ts";
import { footprintOf, nothing, type Footprint } from "./footprint.ts";
import { isImpatient, processOf, type Choice, type Choose, type Name } from "./schedules.ts";

type Sent = pg.QueryArrayConfig | string;
type Ask = (query: Sent, values?: unknown[]) => Promise<unknown>;

/** A connection behind the gate. */
interface Session {
  readonly pid: number;
  readonly ask: Ask;
  /** What its transaction has locked so far. */
  readonly locks: Set<string>;
  readonly shares: Set<string>;
  /** After an error it does nothing but roll back. */
  failed: boolean;
}

/** A query that stands before the gate. */
interface Waiting {
  readonly session: Session;
  readonly text: string;
  readonly send: () => Promise<void>;
}

/** Before the commits of one process. Open, it lets everything through. */
export class Gate {
  readonly #waiting: Waiting[] = [];
  readonly #pids: number[] = [];
  #shut = false;
  #changed: () => void = () => undefined;

  /** Its commits go through this gate from now on. */
  guard(connections: PostgresConnections): void {
    const connectClient = connections.connectClient.bind(connections);
    Object.assign(connections, {
      connectClient: async (options: ClientOptions) => {
        const client = await connectClient(options);
        this.#watch(client as pg.Client & { readonly processID: number });
        return client;
      },
    });
  }

  #watch(client: pg.Client & { readonly processID: number }): void {
    const ask = client.query.bind(client) as Ask;
    const locks = new Set<string>();
    const session: Session = {
      pid: client.processID,
      ask,
      locks,
      shares: new Set(),
      failed: false,
    };
    this.#pids.push(client.processID);
    Object.assign(client, {
      query: (given: Sent, values?: unknown[]): Promise<unknown> => {
        const text = typeof given === "string" ? given : given.text;
        if (text.includes(ownSettings)) return ask(`${text}; ${settings}`);
        if (!this.#shut || text === "discard plans") return ask(given, values);
        return new Promise((resolve, reject) => {
          const send = (): Promise<void> => {
            note(session, text);
            return ask(given, values).then(resolve, (error: unknown) => {
              session.failed = true;
              reject(error);
            });
          };
          this.#waiting.push({ session, text, send });
          this.#changed();
        });
      },
    });
  }

  shut(): void {
    this.#shut = true;
  }

  open(): void {
    this.#shut = false;
  }

  get pids(): readonly number[] {
    return this.#pids;
  }

  get next(): Waiting | undefined {
    return this.#waiting[0];
  }

  take(): Waiting {
    const taken = this.#waiting.shift();
    if (taken === undefined) throw new Error("nothing stands before the gate");
    return taken;
  }

  /** Resolves when a query has come. */
  come(): Promise<void> {
    return new Promise((resolve) => {
      this.#changed = resolve;
    });
  }
}

/** Of the first statement of a committing connection. */
const ownSettings = "set lock_timeout =";
/** By W2; and what is lost with the server's power is no matter here. */
const settings = "set lock_timeout = '30s'; set synchronous_commit = off";

/** A transaction's locks are known by its end. What fails may have taken some. */
function note({ locks, shares }: Session, text: string): void {
  for (const table of footprintOf(text).locks) locks.add(table);
  for (const table of footprintOf(text).shares) shares.add(table);
}

function footprint({ session, text }: Waiting): Footprint {
  const { locks, shares, failed } = session;
  const ends = endOf(text);
  if (ends !== undefined)
    return { ...nothing, locks: new Set(locks), shares: new Set(shares), ends };
  return failed ? nothing : footprintOf(text);
}

function endOf(text: string): Footprint["ends"] {
  return text === "commit" || text === "rollback" ? text : undefined;
}

/** Which sessions one waits for. */
export type BlockersOf = (pid: number) => Promise<readonly number[]>;

/** One of the two, as far as it has come. */
class Process {
  readonly gate: Gate;
  readonly #answer: Promise<unknown>;
  /** The operation is through. */
  over = false;
  /** Its statement waits for a lock of the other. */
  waits = false;
  #sent:
    { readonly pid: number; readonly answered: Promise<void>; isAnswered: boolean } | undefined;

  constructor(gate: Gate, act: () => Promise<unknown>) {
    this.gate = gate;
    gate.shut();
    this.#answer = act().finally(() => {
      this.over = true;
    });
    this.#answer.catch(() => undefined); // it is looked at in the end
  }

  get answer(): Promise<unknown> {
    return this.#answer;
  }

  get answered(): Promise<void> | undefined {
    return this.#sent?.answered;
  }

  /** Resolves when it has a statement to send, waits for the other, or is over. */
  async rest(other: Gate, blockersOf: BlockersOf): Promise<void> {
    this.waits = false;
    while (this.#sent?.isAnswered === false) {
      const sent = this.#sent;
      if (await isSoon(sent.answered)) break;
      const blockers = await blockersOf(sent.pid);
      this.waits = !sent.isAnswered && blockers.some((pid) => other.pids.includes(pid));
      if (this.waits) return;
    }
    this.#sent = undefined;
    while (this.gate.next === undefined && !this.over)
      await Promise.race([this.gate.come(), this.#answer.catch(() => undefined)]);
  }

  /** Lets the next statement through, and returns at once. */
  async go(impatient: boolean): Promise<void> {
    const { session, text, send } = this.gate.take();
    if (impatient) await session.ask("set local lock_timeout = '1ms'");
    const sent = { pid: session.pid, answered: send(), isAnswered: false };
    this.#sent = sent;
    void sent.answered.then(() => {
      sent.isAnswered = true;
    });
    // Locks are free once an end is answered, and soon enough without patience.
    if (impatient || endOf(text) !== undefined) await sent.answered;
    if (endOf(text) === undefined) return;
    session.locks.clear();
    session.shares.clear();
    session.failed = false;
  }
}

/** Most answers take less than this; the server is asked about the others only. */
const soonMs = 2;

function isSoon(answered: Promise<void>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), soonMs);
    void answered.then(() => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}

/** What two operations have come to. */
export interface Interleaved {
  readonly answers: readonly [PromiseSettledResult<unknown>, PromiseSettledResult<unknown>];
  readonly schedule: string;
  /** Who has waited for a lock of the other. */
  readonly waited: ReadonlySet<Name>;
  /** How often each was waiting for the other. */
  readonly deadlocks: number;
}

/** Many times as much as any two operations need. */
const mostSteps = 500;

/** Runs two operations through their gates as `choose` says. */
export async function interleave(
  gates: Readonly<Record<Name, Gate>>,
  acts: Readonly<Record<Name, () => Promise<unknown>>>,
  choose: Choose,
  blockersOf: BlockersOf,
): Promise<Interleaved> {
  const a = new Process(gates.A, acts.A);
  const b = new Process(gates.B, acts.B);
  const schedule: Choice[] = [];
  const waited = new Set<Name>();
  let deadlocks = 0;
  while (!(a.over && b.over)) {
    if (schedule.length > mostSteps) throw new Error(`it goes on and on: ${schedule.join("")}`);
    await a.rest(b.gate, blockersOf);
    await b.rest(a.gate, blockersOf);
    if (a.waits && b.waits) {
      deadlocks += 1;
      await Promise.race([a.answered, b.answered]);
      continue;
    }
    const next = new Map<Name, Footprint>();
    for (const [name, one] of [
      ["A", a],
      ["B", b],
    ] as const)
      if (!one.waits && one.gate.next !== undefined) next.set(name, footprint(one.gate.next));
    if (next.size === 0) {
      if (a.over && b.over) break;
      throw new Error(`one waits for the other, which is through: ${schedule.join("")}`);
    }
    const waiting = new Set<Name>([
      ...(a.waits ? (["A"] as const) : []),
      ...(b.waits ? (["B"] as const) : []),
    ]);
    for (const name of waiting) waited.add(name);
    const choice = choose({ next, waiting });
    schedule.push(choice);
    await (processOf(choice) === "A" ? a : b).go(isImpatient(choice));
  }
  gates.A.open();
  gates.B.open();
  const answers = await Promise.allSettled([a.answer, b.answer]);
  return { answers, schedule: schedule.join(""), waited, deadlocks };
}
