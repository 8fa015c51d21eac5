import assert from "node:assert/strict";
import { test } from "node:test";
import type {
  ArrivalRow,
  ClaimAnswer,
  ClaimedExecution,
  ClaimedTask,
  ClaimRequest,
  Dispatched,
  DispatchRequest,
  EntryChange,
  ExecutionRow,
  Holder,
  Hints,
  NewChild,
  NewEntry,
  NewExecution,
  NewTask,
  Next,
  Settled,
  SignalRequest,
  Store,
  StoredExecution,
  TaskOutcome,
  Transition,
  Transitions,
  TurnAnswer,
  TurnRequest,
} from "../../src/store/store.ts";
import { ManualClock } from "../support/manual-clock.ts";
import type { ConformanceBackend, OpenDatabase } from "./backend.ts";

/** An execution as its holder has it. */
export interface Held extends Holder {
  readonly execution: number;
  readonly id: string;
  readonly run: number;
  readonly wakeSeq: number;
}

type Parts = Partial<Omit<TurnRequest, "next">>;

/** One open database with a clock that stands still, and short words for what a client and workers do to it. */
export class Scene {
  readonly clock: ManualClock;
  readonly store: Store;
  readonly #database: OpenDatabase;
  #ids = 0;
  /** Of the last commit. */
  hints: Hints = { woken: [], ended: [], ready: false, stopped: [] };

  constructor(database: OpenDatabase, clock: ManualClock) {
    this.#database = database;
    this.store = database.store;
    this.clock = clock;
  }

  get now(): number {
    return this.clock.now();
  }

  query<T = Record<string, unknown>>(sql: string): Promise<readonly T[]> {
    return this.#database.query<T>(sql);
  }

  async count(table: string, where = "1 = 1"): Promise<number> {
    const rows = await this.query<{ count: number }>(
      `select count(*) as count from stent_${table} where ${where}`,
    );
    return Number(rows[0]?.count);
  }

  violations(): Promise<readonly string[]> {
    return this.#database.violations(this.now);
  }

  /** Everything in one transaction. */
  async commit(...transitions: readonly Transition[]): Promise<readonly Settled[]> {
    const { settled, hints } = await this.store.commit(transitions);
    this.hints = hints;
    assert.equal(settled.length, transitions.length);
    return settled;
  }

  async one<K extends keyof Transitions>(
    kind: K,
    request: Transitions[K]["request"],
  ): Promise<Transitions[K]["answer"]> {
    const [settled] = await this.commit({ kind, request } as unknown as Transition);
    const known =
      settled !== undefined && "later" in settled ? (await settled.later).settled : settled;
    if (known === undefined || "error" in known) throw known?.error;
    return known.answer;
  }

  // ── sessions ──

  register(parts: { readonly former?: number; readonly name?: string } = {}): Promise<number> {
    const { name = "w", former } = parts;
    return this.one("register", {
      id: `session-${++this.#ids}`,
      name,
      host: "h",
      pid: 1,
      process: "{}",
      leaseMs: 30_000,
      queues: undefined,
      tags: undefined,
      functions: [{ kind: "workflow", name: "flow", version: undefined }],
      former,
    });
  }

  /** A session dies, and another takes its place. */
  async dies(session: number): Promise<number> {
    await this.one("reap", { session, died: true });
    return this.register();
  }

  // ── executions ──

  async dispatch(
    parts: Partial<NewExecution> = {},
    options: Partial<Pick<DispatchRequest, "ifExists">> & { readonly adopt?: number } = {},
  ): Promise<Dispatched> {
    const [answer] = await this.one("dispatch", dispatchOf([newExecution(parts)], options));
    assert.ok(answer !== undefined);
    return answer;
  }

  /** A new execution, held by that session. */
  async start(session: number, parts: Partial<NewExecution> = {}): Promise<Held> {
    const id = parts.id ?? `x-${++this.#ids}`;
    const answer = await this.dispatch({ ...parts, id }, { adopt: session });
    assert.ok(answer.kind === "created" && answer.claim === 1, "it was not adopted");
    return { session, claim: 1, execution: answer.key, id, run: 1, wakeSeq: 0 };
  }

  async row(id: string): Promise<ExecutionRow> {
    const row = await this.store.execution(id);
    assert.ok(row !== undefined, `no execution ${id}`);
    return row;
  }

  async key(id: string): Promise<number> {
    return (await this.row(id)).key;
  }

  async state(id: string): Promise<string> {
    return (await this.row(id)).state;
  }

  /** What its holder would find if it looked at the row now. */
  async refreshed(held: Held): Promise<Held> {
    return { ...held, wakeSeq: (await this.row(held.id)).wakeSeq };
  }

  // ── claims ──

  claim(session: number, parts: Partial<ClaimRequest> = {}): Promise<ClaimAnswer> {
    return this.one("claim", {
      session,
      limit: 100,
      turns: 100,
      accepts: () => true,
      suspects: true,
      ...parts,
    });
  }

  /** Takes what there is, which is one execution. */
  async claimOne(session: number): Promise<Held & { readonly row: ClaimedExecution }> {
    const { executions, tasks } = await this.claim(session);
    const [row] = executions;
    assert.ok(
      row !== undefined && executions.length === 1 && tasks.length === 0,
      "one execution was to be taken",
    );
    return { ...heldBy(session, row), row };
  }

  async claimTask(session: number, parts: Partial<ClaimRequest> = {}): Promise<ClaimedTask> {
    const { tasks } = await this.claim(session, parts);
    const [task] = tasks;
    assert.ok(
      task !== undefined && tasks.length === 1,
      `one task was to be taken, not ${tasks.length}`,
    );
    return task;
  }

  // ── turns ──

  turn(held: Held, parts: Parts, next: Next = hold): Promise<TurnAnswer> {
    return this.one("turn", turnOf(held, parts, next));
  }

  async stored(
    held: Held,
    parts: Parts,
    next: Next = hold,
  ): Promise<Extract<TurnAnswer, { kind: "stored" }>> {
    const answer = await this.turn(held, parts, next);
    assert.ok(answer.kind === "stored", `the turn was refused: ${JSON.stringify(answer)}`);
    return answer;
  }

  async parked(held: Held, parts: Parts = {}, dueAt?: number): Promise<void> {
    const { released } = await this.stored(held, parts, park(dueAt));
    assert.equal(released, true, "it was to be let go");
  }

  async end(
    held: Held,
    parts: Parts = {},
    state: "completed" | "failed" | "cancelled" | "timed_out" = "completed",
    failedBy?: number,
  ): Promise<void> {
    await this.stored(held, parts, ended(state, { failedBy }));
  }

  /** An execution that has called an activity, waits in vain, and is let go; its task is in the queue. */
  async calling(session: number, parts: Partial<NewExecution> = {}): Promise<Held> {
    const held = await this.start(session, parts);
    await this.parked(held, { entries: [entry(1)], tasks: [newTask(1)] });
    return held;
  }

  /** An execution that has a map under way. */
  async mapping(
    session: number,
    items: number,
    parts: {
      readonly tolerated?: number | undefined;
      readonly released?: number;
      readonly totalTimeout?: number;
    } = {
      tolerated: 0,
    },
  ): Promise<Held> {
    const held = await this.start(session);
    const { released = items, totalTimeout } = parts;
    await this.parked(held, {
      entries: [
        entry(1, {
          kind: "map",
          name: "work",
          options: JSON.stringify({
            ...(parts.tolerated === 0 ? {} : { tolerated: parts.tolerated ?? null }),
            totalTimeout,
            ...(released < items ? { concurrency: released } : {}),
          }),
        }),
      ],
      fanouts: [
        {
          seq: 1,
          inputs: Array.from({ length: items }, (_, item) => `in-${item}`),
          tolerated: parts.tolerated,
          released,
        },
      ],
      tasks: [newTask(1, { itemFrom: 0, itemTo: released, totalTimeoutMs: totalTimeout })],
    });
    return held;
  }

  /** An execution that has a map over a workflow under way: children that have not begun yet. */
  async fanning(
    session: number,
    items: number,
    parts: {
      readonly id?: string;
      readonly tolerated?: number | undefined;
      readonly concurrency?: number;
      readonly options?: object;
    } = { tolerated: 0 },
  ): Promise<Held> {
    const { id, concurrency, options } = parts;
    const tolerated = "tolerated" in parts ? parts.tolerated : 0;
    const held = await this.start(session, id === undefined ? {} : { id });
    await this.parked(held, {
      entries: [
        entry(1, {
          kind: "map",
          name: "flow",
          options: JSON.stringify({
            over: "workflow",
            ...(tolerated === 0 ? {} : { tolerated: tolerated ?? null }),
            ...(concurrency === undefined ? {} : { concurrency }),
            ...options,
          }),
        }),
      ],
      fanouts: [
        {
          seq: 1,
          inputs: Array.from({ length: items }, (_, item) => `in-${item}`),
          tolerated,
          released: Math.min(items, concurrency ?? items),
          children: true,
        },
      ],
    });
    return held;
  }

  /** A parent that waits for a child. */
  async family(
    session: number,
    child: Partial<NewChild> = {},
  ): Promise<{ readonly parent: Held; readonly child: string }> {
    const parent = await this.start(session);
    const one = newChild(1, `${parent.id}/1/1`, child);
    await this.parked(parent, {
      entries: [entry(1, { kind: "child", name: "flow" })],
      children: [one],
    });
    return { parent, child: one.id };
  }

  // ── tasks ──

  outcome(
    session: number,
    task: ClaimedTask,
    outcome: TaskOutcome["outcome"],
    item?: number,
  ): Promise<"stored" | "refused"> {
    return this.one("task", taskOutcome(session, task, outcome, item));
  }

  arrivals(id: string): Promise<readonly ArrivalRow[]> {
    return this.key(id).then((key) => this.store.arrivals(key));
  }

  // ── messages ──

  signal(
    executionId: string,
    payload: string,
    parts: Partial<SignalRequest> = {},
  ): Promise<string> {
    return this.one("signal", { executionId, name: "go", payload, dedupe: undefined, ...parts });
  }

  cancel(
    executionId: string,
    parts: { readonly force?: boolean; readonly reason?: string } = {},
  ): Promise<string> {
    return this.one("cancel", { executionId, reason: parts.reason, force: parts.force ?? false });
  }

  retry(
    executionId: string,
    from: "failure" | "start" = "failure",
    force = false,
  ): Promise<Transitions["retry"]["answer"]> {
    return this.one("retry", { executionId, from, force });
  }
}

/** A test over a new database of that backend; every invariant is checked at its end. */
export function scene(
  backend: ConformanceBackend,
  title: string,
  act: (scene: Scene) => Promise<void>,
): void {
  test(title, async () => {
    const clock = new ManualClock();
    const database = await backend.open({ clock, failures });
    try {
      const one = new Scene(database, clock);
      await act(one);
      assert.deepEqual(await one.violations(), []);
    } finally {
      await database.close();
    }
  });
}

/** What the store itself gives for failures. */
export const failures = {
  cancelled: (reason: string | undefined) => `cancelled: ${reason ?? "-"}`,
  timedOut: () => "timed out",
  taken: (id: string) => `taken: ${id}`,
  jobOutOfTime: ({ id, attempt }: StoredExecution) => ({
    failure: "out of time",
    deadLetter: {
      task: `${id}/1/1`,
      seq: -1,
      item: -1,
      reason: `attempt ${attempt}`,
      error: "out of time",
      record: "{}",
    },
  }),
  itemOutOfTime: ({ run, path, name }: { run: number; path: string; name: string }) =>
    `out of time: ${name} ${run}/${path}`,
};

export const hold: Next = { kind: "hold" };

export function park(dueAt?: number): Next {
  return { kind: "park", dueAt };
}

export function ended(
  state: "completed" | "failed" | "cancelled" | "timed_out" = "completed",
  parts: { readonly failedBy?: number | undefined; readonly deadLetter?: string } = {},
): Next {
  const { failedBy, deadLetter } = parts;
  const letter =
    deadLetter === undefined
      ? undefined
      : { task: deadLetter, seq: 1, item: -1, reason: "failed", error: "why", record: "{}" };
  return { kind: "end", end: { state, result: `result ${state}`, failedBy, deadLetter: letter } };
}

export function heldBy(session: number, row: ClaimedExecution): Held {
  return {
    session,
    claim: row.claim,
    execution: row.key,
    id: row.id,
    run: row.run,
    wakeSeq: row.wakeSeq,
  };
}

/** Seconds since nothing in particular: what stands in rows that no test looks at. */
const some = 1;

export function newExecution(parts: Partial<NewExecution> = {}): NewExecution {
  return {
    id: "x",
    kind: "workflow",
    name: "flow",
    version: undefined,
    input: "[]",
    options: undefined,
    queue: undefined,
    priority: 0,
    tags: [],
    delayMs: 0,
    maxDurationMs: undefined,
    ...parts,
  };
}

export function dispatchOf(
  executions: readonly NewExecution[],
  options: Partial<Pick<DispatchRequest, "ifExists">> & { readonly adopt?: number } = {},
): DispatchRequest {
  return {
    executions,
    ifExists: options.ifExists ?? "reject",
    adopt: executions.map(() => options.adopt),
  };
}

export function newChild(seq: number, id: string, parts: Partial<NewChild> = {}): NewChild {
  return { ...newExecution({ id, ...parts }), seq };
}

/** A call that waits; its path is its number. */
export function entry(seq: number, parts: Partial<NewEntry> = {}): NewEntry {
  return {
    seq,
    path: String(seq),
    kind: "call",
    name: "work",
    input: "[]",
    options: undefined,
    status: 0,
    value: undefined,
    reached: 0,
    delivery: undefined,
    dueAt: undefined,
    scheduledAt: 0,
    startedAt: undefined,
    endedAt: undefined,
    step: seq,
    attempt: 0,
    failures: 0,
    here: false,
    ...parts,
  };
}

/** An outcome that is delivered. */
export function change(
  seq: number,
  delivery: number,
  parts: Partial<EntryChange> = {},
): EntryChange {
  return {
    seq,
    status: 1,
    value: "value",
    delivery,
    startedAt: some,
    endedAt: some,
    attempt: 1,
    failures: 0,
    here: false,
    ...parts,
  };
}

export function newTask(seq: number, parts: Partial<NewTask> = {}): NewTask {
  return {
    seq,
    path: String(seq),
    name: "work",
    queue: undefined,
    priority: 0,
    tags: [],
    delayMs: 0,
    attempt: 0,
    failures: 0,
    error: undefined,
    itemFrom: undefined,
    itemTo: undefined,
    here: false,
    ...parts,
  };
}

export function turnOf(held: Held, parts: Parts, next: Next = hold): TurnRequest {
  return {
    session: held.session,
    claim: held.claim,
    execution: held.execution,
    run: held.run,
    wakeSeq: held.wakeSeq,
    knowsCancel: false,
    entries: [],
    changes: [],
    withdrawn: [],
    told: [],
    tasks: [],
    fanouts: [],
    children: [],
    sends: [],
    dispatches: [],
    arrived: [],
    consumed: [],
    counters: [],
    state: [],
    deadLetters: [],
    clearMarks: false,
    ...parts,
    next,
  };
}

export const completed: TaskOutcome["outcome"] = {
  kind: "completed",
  value: "done",
  records: undefined,
};
export const failed: TaskOutcome["outcome"] = { kind: "failed", value: "error" };

export function again(delayMs: number): TaskOutcome["outcome"] {
  return { kind: "again", delayMs, error: "error" };
}

/** How an attempt of that task ended; failures are counted as a worker does. */
export function taskOutcome(
  session: number,
  task: ClaimedTask,
  outcome: TaskOutcome["outcome"],
  item?: number,
): TaskOutcome {
  const failures = task.failures + (outcome.kind === "completed" ? 0 : 1);
  return {
    session,
    claim: task.claim,
    task: task.key,
    item,
    outcome,
    attempt: task.attempt,
    failures,
    startedAt: some,
  };
}
