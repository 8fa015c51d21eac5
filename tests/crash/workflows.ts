/** Durable functions of every shape, whose activities tell an external log what happens to them. */
import { existsSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import {
  activity,
  all,
  call,
  cancel,
  compensate,
  context,
  continueAsNew,
  counters,
  dispatch,
  fork,
  join,
  map,
  NonRetryableError,
  patched,
  race,
  run,
  sendSignal,
  shield,
  signal,
  sleep,
  transaction,
  within,
  workflow,
  type ActivityOptions,
  type Effect,
  type Flow,
} from "stentjs";
import type { Transaction } from "kysely";
import { ExternalLog } from "./external-log.ts";
import { groups, narrowPlaces } from "./shapes.ts";

const log = new ExternalLog(process.env["STENT_CRASH_LOG"] ?? "/dev/null");

/** An activity that tells the log of each start and end. */
function told<A extends readonly unknown[], R>(
  name: string,
  options: ActivityOptions<A>,
  body: (...args: A) => R | Promise<R>,
): ReturnType<typeof activity<(...args: A) => Promise<R>>> {
  return activity(name, options as never, async (...args: A): Promise<R> => {
    const { executionId: execution, idempotencyKey: key, attempt } = context();
    const facts = { fn: name, key, execution, attempt };
    log.write({ what: "start", ...facts });
    try {
      const value = await body(...args);
      log.write({ what: "end", ...facts, ok: true });
      return value;
    } catch (error) {
      log.write({ what: "end", ...facts, ok: false, error: String(error) });
      throw error;
    }
  });
}

const soon = { initialDelay: "20ms", jitter: 0 } as const;

const plus = told("plus", {}, async (a: number, b: number) => {
  await pause(3);
  return a + b;
});
/** Fails in its first two attempts, lost ones included. */
const flaky = told("flaky", { retry: { maxAttempts: 4, ...soon } }, async (n: number) => {
  await pause(2);
  if (context().attempt <= 2) throw new Error("not yet");
  return n;
});
/** Takes long enough to be running when its process is killed. */
const once = told("once", { retry: { maxAttempts: 1 } }, async (n: number) => {
  await pause(60);
  return n;
});
/** Ends early when it is told to. */
const slow = told("slow", {}, async (n: number) => {
  await pause(5_000, undefined, { signal: context().signal });
  return n;
});
const square = told("square", { retry: { maxAttempts: 4, ...soon } }, async (n: number) => {
  await pause(2);
  if (n % 5 === 3 && context().attempt === 1) throw new Error("not yet");
  if (n < 0) throw new NonRetryableError("negative");
  return n * n;
});
const counted = told("counted", {}, async () => {
  context().counters.add("activity", 1);
});
const acquire = told("acquire", {}, async (n: number) => n);
const release = told("release", {}, async (n: number) => n);
/** Fails for good, until somebody has put it right. */
const broken = told("broken", {}, async (id: string) => {
  if (!isMended(id)) throw new NonRetryableError("it is broken");
  return "mended";
});
const failsInFirstRun = told("failsInFirstRun", { retry: { maxAttempts: 1 } }, async () => {
  const { executionId, idempotencyKey } = context();
  if (idempotencyKey.startsWith(`${executionId}/1/`)) throw new Error("the first run fails");
  return "second run";
});

export function isMended(id: string): boolean {
  return existsSync(`${log.path}.${id}`);
}

export function mend(id: string): void {
  writeFileSync(`${log.path}.${id}`, "");
}

export const sequence = workflow("sequence", function* (n: number): Flow<number[]> {
  const first = yield* call(plus, n, 1);
  yield* counters.add("steps");
  const second = yield* call(flaky, first);
  const third = yield* run("double", () => second * 2);
  yield* call(counted);
  yield* counters.add("steps");
  const fourth = yield* call(plus, third, 1);
  const total = (yield* counters.get("steps")) * 10 + (yield* counters.get("activity"));
  return [first, second, third, fourth, total];
});

export const branches = workflow("branches", function* (n: number): Flow<unknown> {
  const [a, b, c] = yield* all([call(plus, n, 1), call(flaky, n), chain(n)]);
  const won = yield* race({ quick: call(plus, n, 2), slow: call(slow, n), asleep: sleep("1m") });
  return [a, b, c, won.winner, won.value];
});

/** Forks, a deadline, a shield, a separate execution, and a change of the code. */
export const composed = workflow("composed", function* (n: number): Flow<unknown> {
  const forked = yield* fork(call(plus, n, 1));
  const flakyOne = yield* fork(call(flaky, n));
  const slowOne = yield* fork(sleep("1m"));
  const id = yield* dispatch(plus, [n, 100], { ifExists: "join" });
  const values: unknown[] = [yield* join(forked), yield* join(flakyOne)];
  yield* cancel(slowOne);
  values.push(yield* nameOfError(join(slowOne)));
  values.push(yield* nameOfError(within(30, all([sleep("1m"), call(slow, n)]))));
  values.push(yield* shield(call(plus, n, 5)));
  values.push((yield* patched("new")) && id.length > 0);
  return values;
});

/** Four runs under one id, by continueAsNew. */
export const rounds = workflow("rounds", function* (n: number, round: number): Flow<number[]> {
  yield* counters.add("rounds");
  const next = yield* call(plus, n, 1);
  yield* call(counted);
  if (round < 4) yield* continueAsNew(next, round + 1);
  return [next, yield* counters.get("rounds"), yield* counters.get("activity")];
});

/** Fails after two steps, which are undone. */
export const undone = workflow("undone", function* (n: number): Flow<void> {
  yield* compensate(call(release, yield* call(acquire, n)));
  yield* all([undoneBranch(n), call(plus, n, 1)]);
  yield* call(broken, "for ever");
});

function* undoneBranch(n: number): Flow<void> {
  yield* call(acquire, n + 1000);
  yield* compensate(function* () {
    yield* sleep("5ms");
    yield* call(release, n + 1000);
  });
}

function* nameOfError(effect: Effect<unknown>): Flow<string> {
  try {
    yield* effect;
    return "none";
  } catch (error) {
    return (error as Error).name;
  }
}

function* chain(n: number): Flow<number> {
  let value = n;
  for (let i = 0; i < 3; i++) value = yield* call(plus, value, 1);
  return value;
}

export const mapped = workflow("mapped", function* (n: number): Flow<unknown> {
  const numbers = Array.from({ length: 12 }, (_, i) => n + i);
  const squares = yield* map(square, numbers, { concurrency: 5 });
  const settled = yield* map(square, [n, -1, n + 1], { onError: "settle" });
  return [squares, settled.map((one) => one.status)];
});

export const parent = workflow("parent", function* (n: number): Flow<number[]> {
  return yield* all([call(child, n), call(child, n + 1)]);
});
const child = workflow("child", function* (n: number): Flow<number> {
  const value = yield* call(plus, n, 100);
  return yield* call(grandchild, value);
});
const grandchild = workflow("grandchild", function* (n: number): Flow<number> {
  yield* sleep("10ms");
  return yield* call(plus, n, 1000);
});

/** How many messages a collector waits for. */
export const messages = 5;

export const collector = workflow("collector", function* (): Flow<number[]> {
  const got: number[] = [];
  while (got.length < messages) got.push(yield* signal<number>("item", { timeout: "1h" }));
  yield* call(plus, 0, 0);
  return got;
});

/** Sends to a collector, and is told by nobody that it arrived. */
export const sender = workflow("sender", function* (to: string): Flow<string> {
  for (let i = 0; i < messages; i++) {
    yield* sendSignal(to, "item", i);
    if (i % 2 === 0) yield* call(plus, i, i);
  }
  return "sent";
});

/** Writes to a table that is not Stent's: whatever happens, it says what the journal says. */
export const booked = workflow("booked", function* (n: number): Flow<unknown> {
  const post =
    (path: string, refused = false) =>
    async (tx: Tx): Promise<string> => {
      await tx
        .insertInto("ledger")
        .values({ execution: `booked-${n}`, path })
        .execute();
      if (refused) throw new Error("refused");
      return path;
    };
  const first = yield* transaction("post", post("1"));
  yield* call(plus, n, 1);
  const both = yield* all([transaction("post", post("3.0")), transaction("post", post("3.1"))]);
  const why = yield* refusal(transaction("post", post("4", true)));
  return [first, ...both, why];
});
type Tx = Transaction<{ ledger: { execution: string; path: string } }>;
function* refusal(effect: Effect<unknown>): Flow<string> {
  try {
    return String(yield* effect);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

export const sleeper = workflow("sleeper", function* (n: number): Flow<number> {
  yield* call(plus, n, 1);
  yield* sleep("60ms");
  yield* call(plus, n, 2);
  yield* sleep("40ms");
  return yield* call(plus, n, 3);
});

export const atMostOnce = workflow("atMostOnce", function* (n: number): Flow<string> {
  try {
    return `ran ${yield* call(once, n)}`;
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
});

export const cancellable = workflow("cancellable", function* (n: number): Flow<void> {
  yield* call(acquire, n);
  try {
    yield* signal("never");
  } finally {
    yield* call(release, n);
  }
});

export const failing = workflow("failing", function* (n: number): Flow<void> {
  yield* call(acquire, n);
  yield* call(plus, n, n);
  throw new Error("the workflow fails");
});

export const runsAgain = workflow(
  "runsAgain",
  { retry: { maxAttempts: 2, ...soon } },
  function* (n: number): Flow<string> {
    yield* call(plus, n, 5);
    return yield* call(failsInFirstRun);
  },
);

export const mended = workflow("mended", function* (id: string): Flow<string> {
  yield* call(plus, 1, 1);
  return yield* call(broken, id);
});

/** Runs until it is told to stop, and tells the log by what. */
const endless = told("endless", { retry: { maxAttempts: 2 } }, async (limitMs: number) => {
  if (context().attempt > 1) return "again";
  const { signal } = context();
  await pause(limitMs, undefined, { signal }).catch(() => undefined);
  const reason: unknown = signal.reason;
  log.write({
    what: "note",
    text: "aborted",
    value: reason instanceof Error ? reason.name : undefined,
  });
  return "once";
});
const interrupted = workflow("interrupted", function* (limitMs: number): Flow<string> {
  return yield* call(endless, limitMs);
});

/** Blocks the event loop. */
const busy = told("busy", { retry: { maxAttempts: 2 } }, (ms: number) => {
  if (context().attempt > 1) return "again";
  const endAt = performance.now() + ms;
  while (performance.now() < endAt);
  return "once";
});
const blocking = workflow("blocking", function* (ms: number): Flow<string> {
  return yield* call(busy, ms);
});

/** Does not listen, and ends only long after it was told to stop. */
const deaf = told("deaf", {}, async (ms: number) => {
  await pause(ms);
});
/** The first runs beside its workflow, the others come from the queue where there is one slot. */
const listless = workflow("listless", function* (ms: number): Flow<void> {
  yield* all([call(deaf, ms), call(deaf, ms)]);
});

/** Kill their process: a call, one of many items, a closure, a turn, a turn after a call. */
const deadly = told("deadly", {}, () => die());
const deadlyItem = told("deadlyItem", {}, async (n: number) => {
  await pause(5);
  return n === 7 ? die() : n;
});
function die(): never {
  process.kill(process.pid, "SIGKILL");
  throw new Error("still alive");
}
/** Work of a queue that only the process that dies of it has served. */
const abandoned = { queue: "abandoned", totalTimeout: "2s" } as const;
const abandonedJob = told("abandonedJob", abandoned, () => die());
const abandonedItem = told("abandonedItem", abandoned, async (n: number) => (n === 1 ? die() : n));
const abandonedMap = workflow("abandonedMap", function* (): Flow<unknown> {
  const settled = yield* map(abandonedItem, [0, 1, 2], { onError: "settle" });
  return settled.map((one) =>
    one.status === "fulfilled" ? one.value : (one.reason as { code?: string }).code,
  );
});

const deadlyCall = workflow("deadlyCall", function* (): Flow<string> {
  try {
    yield* call(deadly);
    return "survived";
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
});
const deadlyMap = workflow("deadlyMap", function* (): Flow<unknown> {
  const items = Array.from({ length: 10 }, (_, n) => n);
  const settled = yield* map(deadlyItem, items, { onError: "settle" });
  return settled.map((one) =>
    one.status === "fulfilled" ? one.value : (one.reason as Error).name,
  );
});
const deadlyClosure = workflow("deadlyClosure", function* (): Flow<string> {
  try {
    yield* run("die", die);
    return "survived";
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
});
const deadlyTransaction = workflow("deadlyTransaction", function* (): Flow<string> {
  return yield* refusal(transaction("die", die));
});
const deadlyTurn = workflow("deadlyTurn", function* (): Flow<void> {
  die();
});
const deadlyTurnAfterCall = workflow("deadlyTurnAfterCall", function* (): Flow<void> {
  yield* call(plus, 1, 1);
  die();
});

/** Children beside each other, each with children beside each other. */
const leaf = activity("leaf", async (n: number) => n);
const twig = workflow("twig", function* (n: number): Flow<number> {
  const [a, b] = yield* all([call(leaf, n), call(leaf, n)]);
  return a + b;
});
export const tree = workflow("tree", function* (n: number): Flow<number> {
  const [a, b, c] = yield* all([call(twig, n), call(leaf, n), call(twig, n)]);
  return a + b + c;
});

/** Children by a map, some of which fail. */
const ship = workflow("ship", function* (n: number): Flow<number> {
  const first = yield* call(plus, n, 1);
  yield* sleep("2ms");
  if (n % 10 === 7) throw new Error("it sinks");
  return yield* call(plus, first, 1);
});
const fleet = workflow("fleet", function* (size: number): Flow<(number | string)[]> {
  const numbers = Array.from({ length: size }, (_, n) => n);
  const settled = yield* map(ship, numbers, { concurrency: 6, onError: "settle" });
  return settled.map((one) =>
    one.status === "fulfilled" ? one.value : (one.reason as Error).message,
  );
});

/** At most three of these run at a time, in all processes. */
const narrow = told("narrow", { maxConcurrent: narrowPlaces }, async (n: number) => {
  await pause(3);
  return n;
});
/** Run once for every execution that asks for the same group, with a value that no other run gives. */
const settled = told(
  "settled",
  { idempotent: true, idempotencyKey: (group: number) => `group ${group}` },
  async (group: number) => {
    await pause(5);
    return `${group} by ${context().idempotencyKey} ${process.pid}`;
  },
);
/** Places, taken by executions over sleeps and by attempts. */
export const limited = workflow(
  "limited",
  { maxConcurrent: 4 },
  function* (n: number): Flow<unknown> {
    const first = yield* call(narrow, n);
    yield* sleep("2ms");
    return [first, yield* map(narrow, [n, n + 1, n + 2])];
  },
);
export const shared = workflow("shared", function* (n: number): Flow<string> {
  yield* call(plus, n, 1);
  return yield* call(settled, n % groups);
});

export const job = flaky;
export const onceJob = once;
/** What a process can be asked by name to dispatch. */
export const dispatchable = {
  sequence,
  fleet,
  interrupted,
  blocking,
  listless,
  deadlyCall,
  deadlyMap,
  deadlyClosure,
  deadlyTransaction,
  deadlyTurn,
  deadlyTurnAfterCall,
  deadlyJob: deadly,
  abandonedJob,
  abandonedMap,
};
export { log };
