import type { Connection } from "../connection.ts";

/** One worker session: one start of one worker process. */
export interface WorkerRecord {
  readonly id: string;
  readonly state: "live" | "dead";
  readonly host: string;
  readonly pid: number;
  readonly startedAt: Date;
  /** Its last heartbeat. */
  readonly seenAt: Date;
  /** None: it takes from all. */
  readonly queues: readonly string[];
  /** None: whatever the tags. */
  readonly tags: readonly string[];
  /** As "name", or "name@version". */
  readonly functions: readonly string[];
  /** How many executions and tasks it holds. */
  readonly running: number;
}

/** Every session that has not been removed yet, in the order in which they started. */
export async function workers({ store }: Connection): Promise<readonly WorkerRecord[]> {
  const [sessions, held] = await Promise.all([store.sessions(), store.survey.held()]);
  const running = new Map<number, number>();
  for (const { session, count } of held) running.set(session, (running.get(session) ?? 0) + count);
  return sessions.map(({ key, name, state, host, pid, startedAt, seenAt, ...serves }) => ({
    id: name,
    state,
    host,
    pid,
    startedAt: new Date(startedAt),
    seenAt: new Date(seenAt),
    queues: serves.queues ?? [],
    tags: serves.tags ?? [],
    functions: serves.functions.map(({ name: fn, version }) =>
      version === undefined ? fn : `${fn}@${version}`,
    ),
    running: running.get(key) ?? 0,
  }));
}
