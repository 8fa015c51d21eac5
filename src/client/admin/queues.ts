import { unqueued } from "../../core/step-options.ts";
import type { LaneDepth } from "../../store/survey.ts";
import type { Lane } from "../../store/store.ts";
import type { Connection } from "../connection.ts";
import { isLive } from "../lane-takers.ts";

/** One queue, and how much is in it. */
export interface QueueDepth {
  /** "default" names the unqueued. */
  readonly name: string;
  /** Due, and not taken yet. */
  readonly ready: number;
  /** To begin, or to be tried again, later. Workflows that sleep have begun, and wait for no worker. */
  readonly delayed: number;
  /** Held by workers. */
  readonly running: number;
  /** Held back by a limit. */
  readonly held: number;
  /** Since when the oldest of what is ready waits. */
  readonly oldestReady: Date | undefined;
  /** Live workers that take from it. */
  readonly workers: number;
}

interface Depth {
  ready: number;
  delayed: number;
  held: number;
  running: number;
  oldest: number | undefined;
}

/** Every queue that anything was ever put into, or that a live worker names; by name. */
export async function queues({ store }: Connection): Promise<readonly QueueDepth[]> {
  const now = await store.now();
  const [lanes, sessions, depths, held] = await Promise.all([
    store.lanes(),
    store.sessions(),
    store.survey.depths(now),
    store.survey.held(),
  ]);
  const live = sessions.filter((session) => isLive(session, now));
  const laneOf = new Map(lanes.map((lane) => [lane.key, lane]));
  const byName = new Map<string, Depth>();
  const depthOf = (name: string): Depth => {
    const depth = byName.get(name) ?? {
      ready: 0,
      delayed: 0,
      held: 0,
      running: 0,
      oldest: undefined,
    };
    byName.set(name, depth);
    return depth;
  };
  for (const name of [
    ...lanes.map((lane) => queueOf(lane)),
    ...live.flatMap((session) => session.queues ?? []),
  ])
    depthOf(name);
  for (const depth of depths) add(depthOf(queueOf(laneOf.get(depth.lane))), depth, laneOf, now);
  for (const { lane, count } of held) depthOf(queueOf(laneOf.get(lane))).running += count;
  return [...byName]
    .map(([name, { ready, delayed, held: aside, running, oldest }]) => ({
      name,
      ready,
      delayed,
      running,
      held: aside,
      oldestReady: oldest === undefined ? undefined : new Date(oldest),
      workers: live.filter(({ queues: own }) => own === undefined || own.includes(name)).length,
    }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function add(
  to: Depth,
  { lane, of, ready, delayed, aside, firstDueAt }: LaneDepth,
  laneOf: ReadonlyMap<number, Lane>,
  now: number,
): void {
  to.ready += ready;
  to.held += aside;
  if (of !== "begun" || laneOf.get(lane)?.kind === "activity") to.delayed += delayed;
  if (firstDueAt <= now) to.oldest = Math.min(to.oldest ?? firstDueAt, firstDueAt);
}

function queueOf(lane: Lane | undefined): string {
  return lane?.queue ?? unqueued;
}
