/**
 * What the transitions of a batch touch beside themselves, as far as it can be told before they begin: that is locked first and in one
 * order, and transitions that touch the same run one after the other.
 *
 *   R1  Locks are taken in this order: sessions of the batch (shared, by key), sessions that it reaps, executions by key, then what the
 *       procedures come upon: executions, and after its execution each task. An execution's key is higher than that of its parent.
 *   R2  Whoever decides by an execution's row, or by anything that belongs to it, holds that row's lock. A claim waits for no lock: what
 *       others hold it passes over.
 */
import type { TurnRequest } from "../store.ts";
import type { Transition } from "../store.ts";

/** What is locked before the procedures begin. */
export interface Locks {
  /** Live sessions in whose name something is written. */
  readonly sessions: Set<number>;
  readonly reaped: Set<number>;
  readonly executions: Set<number>;
  /** Executions that end: their parents are locked as well. */
  readonly ending: Set<number>;
  readonly tasks: Set<number>;
  readonly ids: Set<string>;
  /** Entries whose children are locked: execution, run, seq. */
  readonly entries: (readonly [execution: number, run: number, seq: number])[];
}

/** What the transitions of a batch lock first. */
export function locksOf(transitions: readonly Transition[]): Locks {
  const locks: Locks = {
    sessions: new Set(),
    reaped: new Set(),
    executions: new Set(),
    ending: new Set(),
    tasks: new Set(),
    ids: new Set(),
    entries: [],
  };
  for (const transition of transitions) addLocks(locks, transition);
  return locks;
}

function addLocks(locks: Locks, { kind, request }: Transition): void {
  switch (kind) {
    case "turn":
      addTurn(locks, request);
      return;
    case "task":
      locks.sessions.add(request.session);
      locks.tasks.add(request.task);
      return;
    case "claim":
    case "leave":
      locks.sessions.add(request.session);
      return;
    case "dispatch":
      for (const session of request.adopt) if (session !== undefined) locks.sessions.add(session);
      for (const { id, ownId } of request.executions) if (ownId !== true) locks.ids.add(id);
      return;
    case "signal":
    case "cancel":
    case "retry":
      locks.ids.add(request.executionId);
      return;
    case "reap":
      locks.reaped.add(request.session);
      return;
    case "register":
    case "heartbeat":
    case "expire":
    case "remove":
    case "sweep":
    case "trim":
    case "discardDeadLetter":
    case "replay":
      return;
    default:
      kind satisfies never;
  }
}

function addTurn(locks: Locks, request: TurnRequest): void {
  const { session, execution, run } = request;
  locks.sessions.add(session);
  locks.executions.add(execution);
  if (request.next.kind === "end") locks.ending.add(execution);
  for (const { executionId } of request.sends) locks.ids.add(executionId);
  for (const { execution: other } of request.dispatches) locks.ids.add(other.id);
  for (const { seq, kind } of [...request.withdrawn, ...request.told])
    if (kind === "child" || kind === "map") locks.entries.push([execution, run, seq]);
}

/** What was found when the locks were taken. */
export interface Found {
  /** Executions that are locked, with their parents and ids. */
  readonly executions: readonly {
    readonly key: number;
    readonly id: string;
    readonly parent: number | null;
  }[];
  /** The execution of each task. */
  readonly tasks: ReadonlyMap<number, number>;
}

/**
 * The transitions, by their places, in groups of those that may run side by side. Each group comes after the one before; transitions that
 * touch the same keep their order.
 */
export function waves(transitions: readonly Transition[], found: Found): number[][] {
  const parents = new Map(found.executions.map(({ key, parent }) => [key, parent]));
  const keys = new Map(found.executions.map(({ id, key }) => [id, key]));
  const result: number[][] = [];
  /** By what is touched: the last wave that writes it, and the last that adds to it. */
  const written = new Map<number | string, number>();
  const added = new Map<number | string, number>();
  let floor = 0;
  const claims: number[] = [];
  for (const [place, transition] of transitions.entries()) {
    if (transition.kind === "claim") {
      claims.push(place);
      continue;
    }
    const touch = touched(transition, found, parents, keys);
    if (touch === undefined) {
      result.push(...claims.splice(0).map((claim) => [claim]));
      floor = result.length + 1;
      result.push([place]);
      continue;
    }
    let wave = floor;
    for (const one of touch.writes)
      wave = Math.max(wave, (written.get(one) ?? -1) + 1, (added.get(one) ?? -1) + 1);
    for (const one of touch.adds) wave = Math.max(wave, (written.get(one) ?? -1) + 1);
    for (const one of touch.writes) written.set(one, wave);
    for (const one of touch.adds) added.set(one, Math.max(wave, added.get(one) ?? -1));
    (result[wave] ??= []).push(place);
  }
  // What a claim finds is the newest; nothing that is written with it depends on what it takes.
  for (const place of claims) result.push([place]);
  return result;
}

/** What is written by it alone, and what others may add to at the same time: outcomes, messages, wakes. */
interface Touched {
  readonly writes: readonly (number | string)[];
  readonly adds: readonly (number | string)[];
}

/** Undefined for what may touch anything. */
function touched(
  { kind, request }: Transition,
  found: Found,
  parents: ReadonlyMap<number, number | null>,
  keys: ReadonlyMap<string, number>,
): Touched | undefined {
  const byId = (id: string): number | string => keys.get(id) ?? id;
  switch (kind) {
    case "dispatch":
      return {
        writes: request.executions.flatMap(({ id, ownId }) => (ownId === true ? [] : byId(id))),
        adds: [],
      };
    case "turn": {
      // Its children may be anything that is below it.
      if (request.withdrawn.length + request.told.length > 0 && hasChildren(request))
        return undefined;
      const parent = parents.get(request.execution) ?? undefined;
      return {
        writes: [
          request.execution,
          ...request.dispatches.map(({ execution }) => byId(execution.id)),
          ...request.children.map(({ id }) => byId(id)),
        ],
        adds: [
          ...(parent === undefined ? [] : [parent]),
          ...request.sends.map(({ executionId }) => byId(executionId)),
        ],
      };
    }
    case "task": {
      const execution = found.tasks.get(request.task);
      return {
        // A call ends once, also where it is told twice; negated, so that it is the key of no execution. Items are told apart by their rows.
        writes: request.item === undefined ? [-request.task] : [],
        adds: execution === undefined ? [] : [execution],
      };
    }
    case "signal":
      return { writes: [], adds: [byId(request.executionId)] };
    case "heartbeat":
      return { writes: [`session ${request.session}`], adds: [] };
    case "claim":
    case "cancel":
    case "retry":
    case "replay":
    case "register":
    case "reap":
    case "expire":
    case "remove":
    case "sweep":
    case "trim":
    case "discardDeadLetter":
    case "leave":
      return undefined;
    default:
      return kind satisfies never;
  }
}

function hasChildren({ withdrawn, told }: TurnRequest): boolean {
  return [...withdrawn, ...told].some(({ kind }) => kind === "child" || kind === "map");
}
