/** Operations as transitions, the same for both databases but for the keys that these have given out. */
import type { NewExecution, Transition } from "../../src/store/store.ts";
import { withoutDoubtfulEnds, withoutDoubtfulItems } from "./doubtful-items.ts";
import { turnRequests } from "./holder.ts";
import type {
  ClaimOperation,
  DispatchOperation,
  Operation,
  TaskOperation,
  TurnOperation,
} from "./operations.ts";
import type { Side } from "./paired-rows.ts";
import { newExecution } from "./scene.ts";
import type { Keys, PairedTransition, TaskHolding, World } from "./world.ts";

/** A child of "a" may have the fifth, which makes that one a stranger. */
const ids = ["a", "b", "job", "c", "a/1/1", "job-2"];

/** What a commit asks for, claims last: PostgreSQL lets them see what the rest of their commit has written, wherever they stand in it. */
export function transitionsOf(
  world: World,
  operations: readonly Operation[],
): readonly PairedTransition[] {
  const claims = operations.filter(({ kind }) => kind === "claim");
  const others = operations.filter(({ kind }) => kind !== "claim" && kind !== "trim");
  const alone = operations.length === 1;
  const turns = new Set<number>();
  const all = [...others, ...claims].flatMap((operation) => {
    const pair = transitionOf(world, operation, { alone, turns });
    return pair === undefined ? [] : [pair];
  });
  return withoutDoubtfulEnds(world, withoutDoubtfulItems(world, all));
}

function transitionOf(
  world: World,
  operation: Operation,
  { alone, turns }: { readonly alone: boolean; readonly turns: Set<number> },
): PairedTransition | undefined {
  switch (operation.kind) {
    case "turn":
      return turnOf(world, operation, turns);
    case "dispatch":
      return dispatchOf(world, operation);
    case "claim":
      return claimOf(world, operation, alone);
    case "task":
      return taskOf(world, operation);
    case "signal": {
      const { name, dedupe } = operation;
      const payload = `message ${world.fresh()}`;
      const executionId = idOf(world, operation.to);
      return same({ kind: "signal", request: { executionId, name, payload, dedupe } });
    }
    case "cancel": {
      const { of, force } = operation;
      const reason = force ? "by force" : undefined;
      return same({ kind: "cancel", request: { executionId: idOf(world, of), reason, force } });
    }
    case "retry": {
      const { of, from, force } = operation;
      return same({ kind: "retry", request: { executionId: stoppedIdOf(world, of), from, force } });
    }
    case "register":
      return registration(world, operation.session);
    case "heartbeat":
      return bySide((side) => {
        const session = sessionOf(world, operation.session)[side];
        return { kind: "heartbeat", request: { session } };
      });
    case "reap":
      return bySide((side) => {
        const session = sessionOf(world, operation.session)[side];
        return { kind: "reap", request: { session, died: operation.died } };
      });
    case "expire":
      return same({ kind: "expire", request: { limit: 100 } });
    case "remove":
      return removal(world, operation);
    case "discard dead letter": {
      const letters = world.rows.stent_dead_letters.map(([{ task }]) => task);
      const task = letters[operation.which % Math.max(1, letters.length)] ?? "none";
      return same({ kind: "discardDeadLetter", request: { task } });
    }
    case "trim":
      return undefined;
    default:
      return operation satisfies never;
  }
}

function bySide(make: (side: Side) => Transition): PairedTransition {
  return [make(0), make(1)];
}

function same(transition: Transition): PairedTransition {
  return [transition, transition];
}

function sessionOf({ sessions }: World, place: number): Keys {
  return sessions[place] ?? [-1, -1];
}

/** The former session of its place has died, if it has. */
export function registration({ rows, sessions, fresh }: World, place: number): PairedTransition {
  const id = `session-${fresh()}-at-${place}`;
  const former = sessions[place];
  const died = rows.stent_workers.some(([row]) => row.key === former?.[0] && row.state === "dead");
  return bySide((side) => ({
    kind: "register",
    request: {
      id,
      name: "w",
      host: "h",
      pid: 1,
      process: "{}",
      leaseMs: 30_000,
      queues: undefined,
      tags: undefined,
      functions: [{ kind: "workflow", name: "flow", version: undefined }],
      former: died ? former?.[side] : undefined,
    },
  }));
}

/** Of an execution that is there, the newest first; or of none. */
function idOf({ rows }: World, number: number): string {
  const there = rows.stent_executions.toSorted(([a], [b]) => b.key - a.key).map(([{ id }]) => id);
  return [...there, "nobody"][number % (there.length + 1)] ?? "nobody";
}

/** The same, those first that may be retried. */
function stoppedIdOf(world: World, number: number): string {
  const stopped = world.rows.stent_executions
    .map(([row]) => row)
    .filter(({ state, blocked }) => blocked !== null || state === "failed" || state === "timed_out")
    .toSorted((a, b) => b.key - a.key);
  return stopped[number]?.id ?? idOf(world, number - stopped.length);
}

/** Of one that is to be there: mostly one of a few. */
function newIdOf(world: World, number: number): string {
  return ids[number] ?? idOf(world, number);
}

function executionOf(world: World, number: number): NewExecution {
  const id = newIdOf(world, number);
  return id.startsWith("job")
    ? newExecution({ id, kind: "activity", name: "job" })
    : newExecution({ id });
}

function turnOf(
  world: World,
  operation: TurnOperation,
  turns: Set<number>,
): PairedTransition | undefined {
  const held = world.held[operation.which % Math.max(1, world.held.length)];
  if (held === undefined) return undefined;
  const second = turns.has(held[0].key);
  turns.add(held[0].key);
  const { rows, now } = world;
  const sight = { rows, now, execution: (of: number) => executionOf(world, of) };
  const requests = turnRequests(sight, held, operation, second);
  return bySide((side) => ({ kind: "turn", request: requests[side] }));
}

function dispatchOf(world: World, operation: DispatchOperation): PairedTransition {
  const { ifExists, delayMs, maxDurationMs, totalTimeoutMs, priority } = operation;
  const executions = operation.of.map((of): NewExecution => {
    const one = executionOf(world, of);
    return {
      ...one,
      ...(operation.ownId ? { id: `own-${world.fresh()}`, ownId: true } : {}),
      ...(operation.otherName ? { name: "other" } : {}),
      ...(one.kind === "activity" ? { totalTimeoutMs } : {}),
      delayMs,
      maxDurationMs,
      priority,
      queue: operation.queued ? "q" : undefined,
      tags: operation.tagged ? ["t"] : [],
    };
  });
  const adopter = operation.adopt === undefined ? undefined : world.sessions[operation.adopt];
  return bySide((side) => ({
    kind: "dispatch",
    request: { executions, ifExists, adopt: executions.map(() => adopter?.[side]) },
  }));
}

/** With a bound only where it is clear what comes first: what is due at the same time comes in the order of keys, and beside other transitions these are given out in any order. */
function claimOf(
  world: World,
  { session, limit, turns, of, suspects }: ClaimOperation,
  alone: boolean,
): PairedTransition {
  const keys = sessionOf(world, session);
  const inOrder = alone && !anyTie(world);
  const kind = of === "everything" ? undefined : of === "workflows" ? "workflow" : "activity";
  const bounds = inOrder ? { limit, turns, suspects } : { limit: 100, turns: 100, suspects: false };
  return bySide((side) => ({
    kind: "claim",
    request: {
      session: keys[side],
      ...bounds,
      accepts: (lane) => kind === undefined || lane.kind === kind,
    },
  }));
}

function anyTie({ rows }: World): boolean {
  const waiting = [
    ...rows.stent_executions.flatMap(([row]) =>
      row.worker === null && row.due_at !== null ? [`${row.rank} ${row.due_at}`] : [],
    ),
    ...rows.stent_tasks.flatMap(([row]) =>
      row.worker === null ? [`${row.rank} ${row.due_at}`] : [],
    ),
  ];
  return new Set(waiting).size < waiting.length;
}

function taskOf(world: World, operation: TaskOperation): PairedTransition | undefined {
  const task = world.tasks[operation.which % Math.max(1, world.tasks.length)];
  if (task === undefined) return undefined;
  const [{ attempt, failures }] = task;
  const items = itemsOf(world, task);
  // A worker tells the outcome of an item once.
  const item = items?.[operation.item % Math.max(1, items.length)];
  if (items !== undefined && item === undefined) return undefined;
  const { delayMs, records } = operation;
  return bySide((side) => ({
    kind: "task",
    request: {
      session: task[side].worker ?? -1,
      claim: task[side].claim,
      task: task[side].key,
      item,
      outcome:
        operation.outcome === "completed"
          ? { kind: "completed", value: "done", records: records ? "records" : undefined }
          : operation.outcome === "failed"
            ? { kind: "failed", value: "error" }
            : { kind: "again", delayMs, error: "error", heartbeat: "beat" },
      attempt,
      failures: failures + (operation.outcome === "completed" ? 0 : 1),
      startedAt: 1,
    },
  }));
}

/** Those that have no outcome yet; undefined for a call. */
function itemsOf({ rows }: World, [task]: TaskHolding): readonly number[] | undefined {
  const { item_from: from, item_to: to, execution, run, seq } = task;
  if (from === null || to === null) return undefined;
  const of = (row: { execution: number; run: number; seq: number }): boolean =>
    row.execution === execution && row.run === run && row.seq === seq;
  const path = rows.stent_journal.find(([entry]) => of(entry))?.[0].path;
  const alone = path === task.path ? 0 : 1;
  return rows.stent_items
    .map(([row]) => row)
    .filter((row) => of(row) && row.status === 0 && row.alone === alone)
    .flatMap(({ item }) => (item >= from && item < to ? item : []));
}

/** As maintenance asks for it: what has ended and is no child of a current run. */
function removal(
  { rows, now }: World,
  { most, letters, sessions }: Extract<Operation, { kind: "remove" }>,
): PairedTransition {
  const finished = rows.stent_executions.filter(([{ ended_at, parent, parent_run }]) => {
    const of = rows.stent_executions.find(([row]) => row.key === parent)?.[0];
    return ended_at !== null && (of === undefined || of.run > (parent_run ?? 0));
  });
  return bySide((side) => ({
    kind: "remove",
    request: {
      keys: finished.slice(0, most).map((pair) => pair[side].key),
      limit: 100,
      ...(letters ? { deadLettersBefore: now } : {}),
      ...(sessions ? { deadSessionsBefore: now } : {}),
    },
  }));
}
