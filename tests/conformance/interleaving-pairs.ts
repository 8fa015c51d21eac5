/** Pairs of operations, each in the states of the tables and of the two processes in which it takes another way. */
import assert from "node:assert/strict";
import type { ClaimedTask, Transition } from "../../src/store/store.ts";
import {
  completed,
  dispatchOf,
  ended,
  entry,
  heldBy,
  newChild,
  newExecution,
  newTask,
  park,
  taskOutcome,
  turnOf,
  type Held,
  type Scene,
} from "./scene.ts";
import type { Name } from "./schedules.ts";

export interface Pair {
  readonly A: (schedule: number) => Transition;
  readonly B: (schedule: number) => Transition;
  /** What each process commits beforehand, so that it tells how its operation begins instead of looking. */
  readonly told?: Partial<Record<Name, Transition>>;
  /** Who waits for no lock, whatever the other does. */
  readonly waitsForNone?: readonly Name[];
}

/** Makes the rows that a pair begins with. */
export type Prepare = (one: Scene) => Promise<Pair>;

/** By what they are called. */
export type Pairs = Readonly<Record<string, Prepare>>;

export const claimAndClaim: Pairs = {
  ...each("of executions", [["A", "B"]], async (one) => {
    const [a, b] = [await one.register(), await one.register()];
    await one.dispatch({ id: "x" });
    await one.dispatch({ id: "y" });
    return { ...claims(a, b), tells: { A: look, B: look } };
  }),
  "of a task and of a turn": async (one) => {
    const [a, b] = [await one.register(), await one.register()];
    await one.calling(a);
    await one.parked(await one.start(a, { id: "y" }), { entries: [entry(1, { kind: "signal" })] });
    await one.signal("y", "message");
    return claims(a, b);
  },
};

function claims(a: number, b: number): Pair {
  return { A: () => claim(a), B: () => claim(b), waitsForNone: ["A", "B"] };
}

export const claimAndReapOfAnother: Pairs = {
  "what the dead one held": async (one) => {
    const [a, b] = [await one.register(), await one.register()];
    await one.start(b);
    await one.calling(b);
    await one.claimTask(b);
    return { A: () => claim(a), B: () => reap(b), waitsForNone: ["A"] };
  },
};

export const claimAndWithdrawal: Pairs = {
  "of a task that waits": async (one) => {
    const [a, b] = [await one.register(), await one.register()];
    const held = await one.start(b);
    await one.stored(held, { entries: [entry(1)], tasks: [newTask(1)] });
    const withdrawn = [{ seq: 1, kind: "call" }];
    return { A: () => claim(a), B: () => turn(held, { withdrawn }), waitsForNone: ["A"] };
  },
};

/** One place, which is taken by the first of two. */
const onePlace = JSON.stringify({ limit: { name: '["limit","work"]', places: 1 } });
const oneRun = JSON.stringify({ result: { name: '["once","work","k"]' } });

async function twoBehindAGate(
  one: Scene,
  gates: string,
): Promise<{ readonly a: number; readonly b: number; readonly task: ClaimedTask }> {
  const [a, b] = [await one.register(), await one.register()];
  for (const id of ["x", "y"]) {
    const held = await one.start(b, { id });
    await one.parked(held, { entries: [entry(1)], tasks: [newTask(1, { gates })] });
  }
  const { tasks } = await one.claim(b, { limit: 1 });
  const [task] = tasks;
  assert.ok(task !== undefined);
  return { a, b, task };
}

export const claimAndFreeing: Pairs = {
  "a place": async (one) => {
    const { a, b, task } = await twoBehindAGate(one, onePlace);
    return { A: () => claim(a), B: () => outcome(b, task), waitsForNone: ["A"] };
  },
  "a place by a dead session": async (one) => {
    const { a, b } = await twoBehindAGate(one, onePlace);
    return { A: () => claim(a), B: () => reap(b), waitsForNone: ["A"] };
  },
  "a result": async (one) => {
    const { a, b, task } = await twoBehindAGate(one, oneRun);
    const stored = { ...completed, stored: "kept" };
    const request = { ...taskOutcome(b, task, stored), gated: true };
    return { A: () => claim(a), B: () => ({ kind: "task", request }), waitsForNone: ["A"] };
  },
  "two claims of one place": async (one) => {
    const { a, b, task } = await twoBehindAGate(one, onePlace);
    await one.one("task", taskOutcome(b, task, completed));
    const held = await one.start(b, { id: "z" });
    await one.parked(held, { entries: [entry(1)], tasks: [newTask(1, { gates: onePlace })] });
    return claims(a, b);
  },
};

export const claimAndSweep: Pairs = {
  "of a result that has expired": async (one) => {
    const [a, b] = [await one.register(), await one.register()];
    const gates = JSON.stringify({ result: { name: '["once","work","k"]', ttlMs: 1 } });
    const held: Held[] = [];
    for (const id of ["x", "y"]) held.push(await one.start(b, { id }));
    const [x, y] = held as [Held, Held];
    const work = { entries: [entry(1)], tasks: [newTask(1, { gates })] };
    await one.parked(x, work);
    const stored = { ...completed, stored: "old" };
    await one.one("task", taskOutcome(b, await one.claimTask(b), stored));
    one.clock.advance(10);
    await one.parked(y, work);
    return { A: () => claim(a), B: () => sweep, waitsForNone: ["A"] };
  },
  "of a gate that nobody uses": async (one) => {
    const { a, b, task } = await twoBehindAGate(one, onePlace);
    const { tasks } = await one.claim(b);
    assert.deepEqual(tasks, []);
    await one.one("task", taskOutcome(b, task, completed));
    return { A: () => claim(a), B: () => sweep, waitsForNone: ["A"] };
  },
};

const sweep: Transition = { kind: "sweep", request: { gatesAfter: 0, limit: 100 } };

export const claimAndReap: Pairs = each("of the claiming session", [["A"]], async (one) => {
  const b = await one.register();
  await one.dispatch();
  return { A: () => claim(b), B: () => reap(b), tells: { A: look } };
});

export const completeAndReap: Pairs = {
  "a task": async (one) => {
    const b = await one.register();
    await one.calling(b);
    const task = await one.claimTask(b);
    return { A: () => outcome(b, task), B: () => reap(b) };
  },
  "an item": async (one) => {
    const b = await one.register();
    await one.mapping(b, 2);
    const task = await one.claimTask(b);
    return { A: () => outcome(b, task, 0), B: () => reap(b) };
  },
  ...each("an execution", [["A"]], async (one) => {
    const b = await one.register();
    const held = await one.start(b);
    return { A: () => turn(held, {}, ended()), B: () => reap(b), tells: { A: turn(held, {}) } };
  }),
};

export const completeAndCancel: Pairs = {
  "a task": (one) => taskAndCancel(one, false),
  "a task, by force": (one) => taskAndCancel(one, true),
  ...each("an execution", [["A"]], async (one) => {
    const held = await one.start(await one.register());
    return {
      A: () => turn(held, {}, ended()),
      B: () => cancel(held.id, false),
      tells: { A: turn(held, {}) },
    };
  }),
};

async function taskAndCancel(one: Scene, force: boolean): Promise<Pair> {
  const b = await one.register();
  const { id } = await one.calling(b);
  const task = await one.claimTask(b);
  return { A: () => outcome(b, task), B: () => cancel(id, force) };
}

export const signalAndPark: Pairs = each("a wait", [["A"]], async (one) => {
  const held = await one.start(await one.register());
  const { id: executionId } = held;
  return {
    A: () => turn(held, { entries: [entry(1, { kind: "signal", name: "go" })] }, park()),
    B: () => ({
      kind: "signal",
      request: { executionId, name: "go", payload: "message", dedupe: "once" },
    }),
    tells: { A: turn(held, {}) },
  };
});

export const childEndAndPark: Pairs = each("a child", [["A"], ["B"], ["A", "B"]], async (one) => {
  const [a, b] = [await one.register(), await one.register()];
  const parent = await one.start(b);
  await one.stored(parent, {
    entries: [entry(1, { kind: "child", name: "flow" })],
    children: [newChild(1, "child")],
  });
  const child = await one.claimOne(a);
  return {
    A: () => turn(child, {}, ended()),
    B: () => turn(parent, {}, park()),
    tells: { A: turn(child, {}), B: turn(parent, {}) },
  };
});

export const childEndAndChildEnd: Pairs = {
  ...each("of two calls", [["A", "B"]], async (one) => {
    const a = await one.register();
    await one.parked(await one.start(a), {
      entries: [1, 2].map((seq) => entry(seq, { kind: "child", name: "flow" })),
      children: [newChild(1, "first"), newChild(2, "second")],
    });
    return ends(await twoOf(one, a));
  }),
  ...each("of a map that goes on", [["A", "B"]], async (one) => {
    const a = await one.register();
    await one.fanning(a, 3, { tolerated: 0, concurrency: 2 });
    return ends(await twoOf(one, a));
  }),
  "of a map that one of them fails": async (one) => {
    const a = await one.register();
    await one.fanning(a, 3, { tolerated: 0, concurrency: 2 });
    return ends(await twoOf(one, a), "failed");
  },
};

async function twoOf(one: Scene, session: number): Promise<readonly [Held, Held]> {
  const [x, y] = (await one.claim(session)).executions;
  assert.ok(x !== undefined && y !== undefined);
  return [heldBy(session, x), heldBy(session, y)];
}

function ends([x, y]: readonly [Held, Held], state: "completed" | "failed" = "completed"): Telling {
  return {
    A: () => turn(x, {}, ended(state)),
    B: () => turn(y, {}, ended()),
    tells: { A: turn(x, {}), B: turn(y, {}) },
  };
}

export const dispatchAndDispatch: Pairs = {
  "which joins": async (one) => dispatches(await one.register(), "join"),
  "which is refused": async (one) => dispatches(await one.register(), "reject"),
  "which begins it anew": async (one) => {
    const a = await one.register();
    await one.end(await one.start(a, { id: "x" }), {}, "failed");
    return dispatches(a, "restart-if-failed");
  },
  "in a lane that nobody has used": async () => ({
    A: (schedule) => dispatch({ id: "x", name: `new-${schedule}-` }, "join"),
    B: (schedule) => dispatch({ id: "x", name: `new-${schedule}-` }, "join"),
  }),
};

function dispatches(session: number, ifExists: "join" | "reject" | "restart-if-failed"): Pair {
  return {
    A: () => dispatch({ id: "x" }, ifExists, session),
    B: () => dispatch({ id: "x" }, ifExists, session),
  };
}

export const cancelAndChildDispatch: Pairs = {
  "asked to end": (one) => cancelAndChild(one, false),
  "ended by force": (one) => cancelAndChild(one, true),
};

async function cancelAndChild(one: Scene, force: boolean): Promise<Pair> {
  const held = await one.start(await one.register());
  const children = [newChild(1, "child")];
  return {
    A: () => turn(held, { entries: [entry(1, { kind: "child", name: "flow" })], children }, park()),
    B: () => cancel(held.id, force),
  };
}

/** A pair one or both of which can begin by telling. */
interface Telling extends Omit<Pair, "told"> {
  readonly tells: Partial<Record<Name, Transition>>;
}

/** The same pair where nobody can tell how its operation begins, and where these can. */
function each(
  title: string,
  tellers: readonly (readonly Name[])[],
  prepare: (one: Scene) => Promise<Telling>,
): Pairs {
  const pair = (names: readonly Name[]): Prepare => {
    return async (one) => {
      const { tells, ...pair } = await prepare(one);
      const told = names.flatMap((name) => {
        const first = tells[name];
        return first === undefined ? [] : [[name, first] as const];
      });
      return { ...pair, told: Object.fromEntries(told) };
    };
  };
  return Object.fromEntries([
    [`${title}, looked at`, pair([])],
    ...tellers.map((names) => [`${title}, told by ${names.join(" and ")}`, pair(names)]),
  ]) as Pairs;
}

function turn(...parts: Parameters<typeof turnOf>): Transition {
  return { kind: "turn", request: turnOf(...parts) };
}

function claim(session: number): Transition {
  const request = { session, limit: 100, turns: 100, accepts: () => true, suspects: true };
  return { kind: "claim", request };
}

function reap(session: number): Transition {
  return { kind: "reap", request: { session, died: true } };
}

function outcome(
  session: number,
  task: Parameters<typeof taskOutcome>[1],
  item?: number,
): Transition {
  return { kind: "task", request: taskOutcome(session, task, completed, item) };
}

function cancel(executionId: string, force: boolean): Transition {
  return { kind: "cancel", request: { executionId, reason: "not wanted", force } };
}

function dispatch(
  parts: Parameters<typeof newExecution>[0],
  ifExists: "join" | "reject" | "restart-if-failed",
  adopt?: number,
): Transition {
  const options = adopt === undefined ? { ifExists } : { ifExists, adopt };
  return { kind: "dispatch", request: dispatchOf([newExecution(parts)], options) };
}

/** Changes nothing, and looks at the database's clock. */
const look: Transition = { kind: "expire", request: { limit: 1 } };
