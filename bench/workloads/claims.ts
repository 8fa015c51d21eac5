/** claims: how long a claim takes beside what has finished, and beside what waits. */
import { systemClock } from "../../src/runtime/clock.ts";
import { openPostgres } from "../../src/store/postgres/connection.ts";
import { postgresSettings } from "../../src/store/postgres/settings.ts";
import { PostgresStore } from "../../src/store/postgres/store.ts";
import type { ClaimAnswer, Failures, Store, Transition } from "../../src/store/store.ts";
import { percentile } from "../measure.ts";
import { preloadTasks } from "../postgres/preload-tasks.ts";
import { risingId } from "../raw-limit.ts";
import type { Scratch } from "../scratch.ts";
import type { Workload } from "../setting.ts";

const defaultN = 500;
const defaultPreload = 1_000_000;
/** Jobs that wait when a claim comes, and that it takes. */
const aClaim = 10;
/** Not counted: until the code is compiled. */
const warmUp = 50;

type Answer<K extends Transition["kind"]> = Extract<Transition, { kind: K }>["request"];

export const claims: Workload = {
  summary: `a claim of ${aClaim} jobs beside 1,000,000 finished executions, and 1,000,000 tasks`,
  only: "postgres",
  async *run({ scratch, n = defaultN, preload = defaultPreload }) {
    const many = preload.toLocaleString("en-US");
    const beside = {
      "an empty database": () => scratch.fresh(),
      [`${many} finished executions`]: async () => {
        await scratch.preload(preload);
        return scratch.preloaded();
      },
    };
    for (const [what, address] of Object.entries(beside))
      yield figures(n, `beside       ${what}`, await claimTimes(await address(), n, "jobs", 0));
    const tasks = `${many} pending tasks`;
    yield figures(n, `beside       ${tasks}`, await waiting(scratch, n, "jobs", preload));
    const few = (warmUp + n) * aClaim;
    yield figures(n, `of           ${few} pending tasks`, await waiting(scratch, n, "tasks", few));
    if (preload <= few) return;
    yield figures(n, `of           ${tasks}`, await waiting(scratch, n, "tasks", preload));
  },
};

function figures(n: number, remark: string, times: readonly number[]) {
  const [p50, p99] = [percentile(times, 0.5), percentile(times, 0.99)];
  return { n, unit: `claims of ${aClaim}`, concurrency: aClaim, p50, p99, remarks: [remark] };
}

async function waiting(
  scratch: Scratch,
  n: number,
  what: "jobs" | "tasks",
  tasks: number,
): Promise<number[]> {
  return claimTimes(await scratch.fresh(), n, what, tasks);
}

/** Each claim finds ten new jobs, or takes the next ten of the tasks. */
async function claimTimes(
  address: string,
  n: number,
  what: "jobs" | "tasks",
  tasks: number,
): Promise<number[]> {
  const connections = await openPostgres(postgresSettings(address), {
    migrate: true,
    warn: (message) => console.error(message),
  });
  const store = new PostgresStore(connections, { clock: systemClock, failures: none });
  try {
    const session = await commit<number>(store, { kind: "register", request: newSession });
    await dispatch(store, 0);
    if (tasks > 0) await preloadTasks(address, tasks, 1);
    const claim: Transition = {
      kind: "claim",
      request: { session, limit: aClaim, turns: aClaim, accepts, suspects: false },
    };
    const taken: number[] = [];
    for (let index = 1; index <= warmUp + n; index += 1) {
      if (what === "jobs") await dispatch(store, index);
      const startedAt = performance.now();
      const answer = await commit<ClaimAnswer>(store, claim);
      taken.push(performance.now() - startedAt);
      if (answer.executions.length + answer.tasks.length !== aClaim)
        throw new Error("a claim has not found what waits for it");
    }
    return taken.slice(warmUp);
  } finally {
    await store.close();
  }
}

async function commit<T>(store: Store, transition: Transition): Promise<T> {
  const [settled] = (await store.commit([transition])).settled;
  if (settled !== undefined && "answer" in settled) return settled.answer as T;
  throw new Error("the store has refused it", { cause: settled });
}

/** Before what waits already. */
async function dispatch(store: Store, round: number): Promise<void> {
  const executions = Array.from({ length: aClaim }, (_, index) => ({
    id: `${risingId(round)}-${index}`,
    ownId: true,
    kind: "activity" as const,
    name: "bench.claimed",
    version: undefined,
    input: "j[12345]",
    options: undefined,
    queue: undefined,
    priority: 1,
    tags: [],
    delayMs: 0,
    maxDurationMs: undefined,
  }));
  const request: Answer<"dispatch"> = {
    executions,
    ifExists: "reject",
    adopt: executions.map(() => undefined),
  };
  await commit(store, { kind: "dispatch", request });
}

const accepts = (): boolean => true;

const newSession: Answer<"register"> = {
  id: "bench",
  name: "bench",
  host: "bench",
  pid: process.pid,
  process: "{}",
  leaseMs: 60_000,
  queues: undefined,
  tags: undefined,
  functions: [],
  former: undefined,
};

function never(): never {
  throw new Error("nothing fails here");
}
const none: Failures = {
  cancelled: never,
  timedOut: never,
  taken: never,
  jobOutOfTime: never,
  itemOutOfTime: never,
};
