import type { ExecutionRow, Lane, SessionRow, TaskRow } from "../store/store.ts";
import type { Connection } from "./connection.ts";
import type { WaitReason } from "./execution-state.ts";
import { findExecution } from "./find-execution.ts";
import { hasCode, isLive, takesFrom } from "./lane-takers.ts";
import { openWorkOf, type OpenWork } from "./open-work.ts";
import { unweighed, waitingFor, weights, type Weighed } from "./waiting-for.ts";

/** Share of its lease after which a heartbeat is late. A worker renews at a third of it. */
const lateShare = 2 / 3;

/** Why an execution is not moving, most decisive cause first, each with what would move it; empty when it has ended. @throws ExecutionNotFoundError */
export async function why(connection: Connection, id: string): Promise<readonly WaitReason[]> {
  const { store } = connection;
  const row = await findExecution(store, id);
  if (row.endedAt !== undefined) return [];
  const now = await store.now();
  const open = await openWorkOf(store, row);
  const sessions = await store.sessions();
  const reasons = [
    ...(await waitingFor(connection, row, open, now)),
    ...lanesWithoutWorker(row, open, sessions, now),
    ...lateHolders(row, open, sessions, now),
  ];
  return reasons.toSorted((a, b) => a.weight - b.weight).map((reason) => unweighed(reason));
}

type Wanted = Omit<Lane, "key"> & { readonly since: number };

/** What is due now and that no live worker could take. */
function lanesWithoutWorker(
  row: ExecutionRow,
  open: OpenWork,
  sessions: readonly SessionRow[],
  now: number,
): Weighed[] {
  const live = sessions.filter((session) => isLive(session, now));
  const dueTasks = tasksOf(open).filter((task) => task.worker === undefined && task.dueAt <= now);
  const byLane = new Map(dueTasks.map((task) => [task.lane, task]));
  const wanted: Wanted[] = [
    ...(row.worker === undefined && row.dueAt !== undefined && row.dueAt <= now
      ? [{ ...row, since: row.dueAt }]
      : []),
    ...[...byLane.values()].map((task): Wanted => ({
      ...task,
      kind: "activity",
      version: undefined,
      since: task.dueAt,
    })),
  ];
  return wanted.flatMap((lane) => lacking(lane, live));
}

function lacking(lane: Wanted, live: readonly SessionRow[]): Weighed[] {
  const reason = { kind: "worker" as const, name: lane.name, since: new Date(lane.since) };
  const placed = live.filter((session) => takesFrom(session, lane));
  const code =
    lane.version === undefined ? `"${lane.name}"` : `"${lane.name}" version "${lane.version}"`;
  if (placed.length === 0) {
    const detail = `no live worker takes ${placeText(lane)}; ${live.length} live in all. Start one that does: serve(${placeOptions(lane)})`;
    return [{ ...reason, weight: weights.noWorker, detail }];
  }
  if (placed.some((session) => hasCode(session, lane))) return [];
  const detail = `${placed.length} live workers take ${placeText(lane)}, but none of them has ${lane.kind} ${code}. Start one whose modules define it`;
  return [{ ...reason, weight: weights.lacksCode, detail }];
}

function placeText({ queue, tags }: Wanted): string {
  const tagged = tags.length === 0 ? "" : `, tags ${tags.join(", ")}`;
  return `${queue === undefined ? "unqueued work" : `queue "${queue}"`}${tagged}`;
}

function placeOptions({ queue, tags }: Wanted): string {
  const options = {
    ...(queue === undefined ? {} : { queues: [queue] }),
    ...(tags.length === 0 ? {} : { tags }),
  };
  return Object.keys(options).length === 0 ? "" : JSON.stringify(options);
}

/** Holders whose heartbeat is late: what they hold goes on elsewhere once their lease is over. */
function lateHolders(
  row: ExecutionRow,
  open: OpenWork,
  sessions: readonly SessionRow[],
  now: number,
): Weighed[] {
  const holders = new Set([row.worker, ...tasksOf(open).map((task) => task.worker)]);
  return sessions
    .filter(
      (session) => holders.has(session.key) && now - session.seenAt > session.leaseMs * lateShare,
    )
    .map((session) => ({
      weight: weights.lateHolder,
      kind: "worker",
      name: session.name,
      since: new Date(session.seenAt),
      until: new Date(session.seenAt + session.leaseMs),
      detail:
        `held by this worker (${session.host}, process ${session.pid}), whose last heartbeat is ${Math.round((now - session.seenAt) / 1_000)} s ago; ` +
        "once another live worker has watched its lease run out, it goes on there",
    }));
}

function tasksOf(open: OpenWork): TaskRow[] {
  return [...open.tasks.values()].flat();
}
