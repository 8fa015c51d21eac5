/** The durable functions that random programs are made of. */
import {
  activity,
  all,
  call,
  compensate,
  context,
  continueAsNew,
  counters,
  dispatch,
  fork,
  join,
  map,
  patched,
  race,
  run,
  signal,
  sleep,
  starmap,
  transaction,
  within,
  workflow,
  type ActivityOptions,
  type Effect,
  type Flow,
} from "../../src/index.ts";
import { FunctionRegistry, registry } from "../../src/core/registry.ts";
import { narrowPlaces } from "./effects-log.ts";
import type { Ending, Node } from "./nodes.ts";
import { currentScene } from "./scene.ts";
import { SimulatedProcess } from "./simulated-process.ts";

/** An activity that tells the world of each start and end; its first argument names the step. */
function told<A extends readonly [string, ...unknown[]]>(
  name: string,
  options: ActivityOptions<A>,
  body: (...args: A) => string | Promise<string>,
): ReturnType<typeof activity<(...args: A) => Promise<string>>> {
  return activity(name, options as never, async (...args: A): Promise<string> => {
    const { effects } = currentScene();
    const attempt = effects.begin(name, args[0]);
    try {
      const value = await body(...args);
      effects.end(attempt, "succeeded");
      return value;
    } catch (error) {
      effects.end(attempt, context().signal.aborted ? "stopped" : "failed");
      throw error;
    }
  });
}

/** Takes so long, in the time of the world; ends early where it is told to. */
function takes(ms: number): Promise<void> {
  const { signal: aborted } = context();
  const { world } = currentScene();
  return new Promise((resolve, reject) => {
    if (ms === 0) return resolve();
    const takeBack = world.timer(ms, resolve);
    aborted.addEventListener("abort", () => {
      takeBack();
      reject(aborted.reason as Error);
    });
  });
}

const soon = { initialDelay: 20, jitter: 0 } as const;

const step = told(
  "step",
  { retry: { maxAttempts: 4, ...soon } },
  async (token: string, ms: number, fails: number) => {
    await takes(ms);
    if (context().attempt <= fails) throw new Error("not yet");
    return token;
  },
);
const broken = told("broken", { retry: { maxAttempts: 2, ...soon } }, async (_token: string) => {
  throw new Error("it is broken");
});
const once = told("once", { retry: { maxAttempts: 1 } }, async (token: string, ms: number) => {
  await takes(ms);
  return token;
});
const item = told(
  "item",
  { retry: { maxAttempts: 3, ...soon } },
  async (token: string, fails: boolean) => {
    await takes(1);
    if (fails) throw new Error("this item fails");
    return token;
  },
);
const narrow = told(
  "narrow",
  { maxConcurrent: narrowPlaces },
  async (token: string, ms: number) => {
    await takes(ms);
    return token;
  },
);
const settled = told(
  "settled",
  { idempotent: true, idempotencyKey: (_token: string, group: number) => `group ${group}` },
  async (_token: string, group: number) => {
    await takes(30);
    currentScene().settledRuns += 1;
    return `group ${group} run ${currentScene().settledRuns}`;
  },
);
const counting = told("counting", { retry: { maxAttempts: 4, ...soon } }, async (token: string) => {
  context().counters.add("counted", 1);
  await takes(5);
  if (context().attempt === 1) throw new Error("not yet");
  return token;
});
const endless = told("endless", {}, async (token: string) => {
  await takes(3_600_000);
  return token;
});
const mendable = told("mendable", { retry: { maxAttempts: 2, ...soon } }, async (id: string) => {
  if (!currentScene().isMended(id)) throw new Error("it waits to be mended");
  return id;
});
const failsInFirstRun = told(
  "failsInFirstRun",
  { retry: { maxAttempts: 1 } },
  async (_token: string) => {
    const { executionId, idempotencyKey } = context();
    if (idempotencyKey.startsWith(`${executionId}/1/`)) throw new Error("the first run fails");
    return "second run";
  },
);

const program = workflow(
  "program",
  function* (nodes: readonly Node[], ending: Ending): Flow<unknown> {
    switch (ending.how) {
      case "throws":
        for (const token of ending.undo) yield* compensate(call(step, token, 2, 0));
        yield* walk(nodes);
        throw new Error("the program throws");
      case "cancelled":
        try {
          yield* walk(nodes);
          return yield* signal("never");
        } finally {
          yield* call(step, ending.release, 2, 0);
        }
      case "times out":
        yield* walk(nodes);
        return yield* signal("never");
      default:
        return [yield* walk(nodes), yield* counters.get("counted")];
    }
  },
);

const leaf = workflow("leaf", function* (token: string): Flow<string[]> {
  return [yield* call(step, token, 1, 0)];
});

const failingChild = workflow("failingChild", function* (nodes: readonly Node[]): Flow<void> {
  yield* walk(nodes);
  throw new Error("the child throws");
});

const rounds = workflow("rounds", function* (token: string, last: number, round: number): Flow<
  number[]
> {
  yield* counters.add("rounds");
  yield* call(step, `${token}/${round}`, 1, 0);
  if (round < last) yield* continueAsNew(token, last, round + 1);
  return [round, yield* counters.get("rounds")];
});

const secondRun = workflow(
  "secondRun",
  { retry: { maxAttempts: 50, backoffFactor: 1, ...soon } }, // its call is started once a run, and may be lost each time
  function* (token: string): Flow<string> {
    return yield* call(failsInFirstRun, token);
  },
);

const mended = workflow("mended", function* (id: string): Flow<string> {
  yield* call(step, `${id} first`, 1, 0);
  return yield* call(mendable, id);
});

/** The code of each process is that which was deployed with it. */
const patching = workflow("patching", function* (id: string): Flow<string> {
  yield* call(step, `${id} first`, 10, 0);
  yield* sleep(400);
  const isNew = deployedHere() === 2 && (yield* patched("second step"));
  if (isNew) yield* call(step, `${id} patched`, 1, 0);
  yield* call(step, `${id} last`, 1, 0);
  return isNew ? "as patched" : "as before";
});

const versioned1 = workflow("versioned", { version: "1" }, function* (id: string): Flow<string> {
  yield* call(step, `${id} first`, 10, 0);
  yield* sleep(500);
  yield* call(step, `${id} last`, 1, 0);
  return "version 1";
});
const versioned2 = workflow("versioned", { version: "2" }, function* (id: string): Flow<string> {
  yield* sleep(300);
  yield* call(step, `${id} only`, 1, 0);
  return "version 2";
});

function deployedHere(): number {
  const process = currentScene().world.current;
  return process instanceof SimulatedProcess ? process.plan.deployed : 2;
}

/** All that there is, for clients and what is deployed last; and what was there before. */
export const registries = { 2: registry, 1: withoutVersion2() } as const;

function withoutVersion2(): FunctionRegistry {
  const older = new FunctionRegistry();
  for (const fn of registry.all()) if (fn !== (versioned2 as unknown)) older.register(fn);
  return older;
}

/** What programs are dispatched as. */
export const functions = {
  program,
  rounds,
  secondRun,
  step,
  mendable,
  mended,
  patching,
  versioned1,
  versioned2,
};

function* walk(nodes: readonly Node[]): Flow<unknown[]> {
  const values: unknown[] = [];
  for (const node of nodes) values.push(yield* one(node));
  return values;
}

function* one(node: Node): Flow<unknown> {
  switch (node.do) {
    case "step":
      return yield* call(step, node.token, node.ms, node.fails);
    case "broken":
      return yield* nameOfError(call(broken, node.token));
    case "once":
      return yield* outcomeOfOnce(node);
    case "sleep":
      yield* sleep(node.ms);
      return null;
    case "receive":
      return yield* signal(node.name, { timeout: "10h" });
    case "expire":
      return yield* nameOfError(signal("never", { timeout: node.ms }));
    case "all":
      return yield* all(node.branches.map((branch) => walk(branch)));
    case "race": {
      const { winner, value } = yield* race({ fast: walk(node.fast), slow: slowOne(node.slow) });
      return [winner, value];
    }
    case "fork": {
      const task = yield* fork(walk(node.branch));
      yield* sleep(5);
      return yield* join(task);
    }
    case "within":
      return node.branch === "expires"
        ? yield* nameOfError(within(40, call(endless, "endless")))
        : yield* within("10h", walk(node.branch));
    case "map":
      return yield* mapped(node);
    case "children":
      return yield* map(leaf, tokensOf(node), { concurrency: 2 });
    case "child":
      return node.fails
        ? yield* nameOfError(call(failingChild, node.nodes))
        : yield* call(program, node.nodes, { how: "returns" });
    case "narrow":
      return yield* beside(node);
    case "settled":
      return yield* call(settled, "settled", node.group);
    case "count":
      yield* counters.add("counted", node.by);
      return null;
    case "counting":
      return yield* call(counting, node.token);
    case "closure":
      return yield* run("closure", () => node.token);
    case "ledger":
      return yield* transaction("ledger", (tx: Ledger) => written(tx, node.token));
    case "dispatch":
      yield* dispatch(step, [node.token, 1, 0], { id: `of ${node.token}`, ifExists: "join" });
      return node.token;
    default:
      return node satisfies never;
  }
}

/** Three at once, for two places. */
function* beside({ token, ms }: Extract<Node, { do: "narrow" }>): Flow<string> {
  const names = [token, `${token} too`, `${token} as well`];
  const [first = ""] = yield* all(names.map((name) => call(narrow, name, ms)));
  return first;
}

function* outcomeOfOnce({ token, ms }: Extract<Node, { do: "once" }>): Flow<unknown> {
  const outcome = yield* nameOfError(call(once, token, ms));
  if (outcome !== token) currentScene().world.rare.happened("an attempt was lost with its worker");
  return outcome;
}

interface Ledger {
  insertInto(table: "ledger"): { values(row: { token: string }): { execute(): Promise<unknown> } };
}

async function written(tx: Ledger, token: string): Promise<string> {
  currentScene().world.rare.happened("a transaction's closure ran");
  await tx.insertInto("ledger").values({ token }).execute();
  return token;
}

function slowOne(slow: "sleep" | "signal" | "endless"): Effect<unknown> {
  if (slow === "sleep") return sleep("9h");
  return slow === "signal" ? signal("never") : call(endless, "endless");
}

function* mapped({
  token,
  items,
  failing,
  concurrency,
}: Extract<Node, { do: "map" }>): Flow<unknown[]> {
  const tuples = tokensOf({ token, items }).map((name, index): [string, boolean] => [
    name,
    index < failing,
  ]);
  const outcomes = yield* starmap(item, tuples, { concurrency, onError: "settle" });
  return outcomes.map((each) => (each.status === "fulfilled" ? each.value : each.status));
}

function tokensOf({ token, items }: { readonly token: string; readonly items: number }): string[] {
  return Array.from({ length: items }, (_, index) => `${token}/${index}`);
}

/** What it comes to, or the name of what it throws. */
function* nameOfError(effect: Effect<unknown>): Flow<unknown> {
  try {
    return yield* effect;
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}
