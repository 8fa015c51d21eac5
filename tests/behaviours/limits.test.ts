/** maxConcurrent and rateLimit: of activities and workflows, called, mapped and dispatched. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import {
  activity,
  all,
  call,
  context,
  DeadlockError,
  map,
  race,
  run,
  signal,
  sleep,
  workflow,
  type Flow,
} from "stentjs";
import {
  aborted,
  databaseFile,
  Gate,
  rejection,
  serving,
  stentOn,
  until,
} from "../support/serving.ts";

const limit = { timeout: "30s" };

/** How many run at a time, by name. */
class Meter {
  running = 0;
  most = 0;
  started = 0;
  begin(): void {
    this.running += 1;
    this.started += 1;
    this.most = Math.max(this.most, this.running);
  }
  end(): void {
    this.running -= 1;
  }
  async run<T>(act: () => Promise<T>): Promise<T> {
    this.begin();
    try {
      return await act();
    } finally {
      this.end();
    }
  }
}
const meters = new Map<string, Meter>();
function meter(name: string): Meter {
  const known = meters.get(name) ?? new Meter();
  meters.set(name, known);
  return known;
}

const two = activity("limits.two", { maxConcurrent: 2 }, async (of: string, ms = 2) => {
  await meter(of).run(() => pause(ms));
  return of;
});
const keyed = activity(
  "limits.keyed",
  { maxConcurrent: { limit: 1, key: (key: string) => key } },
  async (key: string) => meter(key).run(() => pause(3)),
);
const free = activity("limits.free", async (value: unknown) => value);
const calls = workflow("limits.calls", function* (of: string): Flow<unknown> {
  return yield* all([call(two, of), call(two, of), call(free, 1)]);
});
const maps = workflow("limits.maps", function* (of: string, items: number): Flow<unknown> {
  const list = Array.from({ length: items }, (): string => of);
  return (yield* map(two, list)).length;
});
const held = activity("limits.held", { maxConcurrent: 1 }, async (key: string) => {
  started.push(key);
  return gate(key).passed;
});
const started: string[] = [];
const gates = new Map<string, Gate<unknown>>();
function gate(key: string): Gate<unknown> {
  const known = gates.get(key) ?? new Gate<unknown>();
  gates.set(key, known);
  return known;
}

test("maxConcurrent of an activity holds over calls, jobs and items of maps", async (t) => {
  const stent = await serving(t, { serve: { maxConcurrency: 20 } });
  const handles = [
    ...(await stent.dispatchMany(
      calls,
      Array.from({ length: 10 }, (): [string] => ["a"]),
    )),
    ...(await stent.dispatchMany(
      two,
      Array.from({ length: 10 }, (): [string] => ["a"]),
    )),
    await stent.dispatch(maps, ["a", 20]),
  ];
  await Promise.all(handles.map((handle) => handle.result(limit)));
  assert.deepEqual([meter("a").most, meter("a").started], [2, 50]);
});

test("and over several workers, with keys of their own", async (t) => {
  const stent = await serving(t, { serve: { maxConcurrency: 5 } });
  for (let more = 0; more < 3; more += 1) void stent.serve({ maxConcurrency: 5 });
  const keys = ["x", "y", "z"];
  const handles = await stent.dispatchMany(
    keyed,
    Array.from({ length: 60 }, (_, n): [string] => [keys[n % 3] ?? ""]),
  );
  await Promise.all(handles.map((handle) => handle.result(limit)));
  assert.deepEqual(
    keys.map((key) => [meter(key).most, meter(key).started]),
    keys.map(() => [1, 20]),
  );
});

test("what is held back starves nothing behind it", async (t) => {
  const stent = await serving(t, { serve: { maxConcurrency: 2 } });
  await stent.dispatch(held, ["first"]);
  await until("it runs", () => started.includes("first"));
  await stent.dispatchMany(
    held,
    Array.from({ length: 50 }, (_, n): [string] => [`blocked ${n}`]),
  );
  assert.equal(await stent.run(free, ["gone by"]), "gone by");
  assert.deepEqual(started, ["first"]);
});

const flow = workflow("limits.flow", { maxConcurrent: 2 }, function* (of: string): Flow<void> {
  yield* run("begins", () => meter(of).begin());
  yield* call(free, 1);
  yield* sleep(5);
  yield* call(two, `${of} steps`);
  yield* run("ends", () => meter(of).end());
});
const parent = workflow("limits.parent", function* (of: string): Flow<void> {
  yield* all([call(flow, of), call(flow, of), call(flow, of)]);
  yield* map(flow, [of, of, of]);
});

test("a limited workflow keeps its place while it sleeps and waits, as a child and as an item too", async (t) => {
  const stent = await serving(t);
  const handles = [
    ...(await stent.dispatchMany(
      flow,
      Array.from({ length: 6 }, (): [string] => ["flow"]),
    )),
    await stent.dispatch(parent, ["flow"]),
  ];
  await Promise.all(handles.map((handle) => handle.result(limit)));
  assert.equal(meter("flow").most, 2);
});

const failing = activity(
  "limits.failing",
  { maxConcurrent: 1, retry: { maxAttempts: 3, initialDelay: 50 } },
  async (of: string) => {
    await meter(of).run(() => pause(1));
    throw new Error("no");
  },
);

test("a place is free between the attempts, and after a failure", async (t) => {
  const stent = await serving(t);
  const handles = await stent.dispatchMany(
    failing,
    Array.from({ length: 3 }, (): [string] => ["failing"]),
  );
  const results = await Promise.all(handles.map((handle) => handle.wait(limit)));
  assert.ok(results.every(({ ok }) => !ok));
  assert.deepEqual([meter("failing").most, meter("failing").started], [1, 9]);
});

const listens = activity("limits.listens", { maxConcurrent: 1 }, async (key: string) => {
  started.push(key);
  return aborted(context().signal).then((reason) => {
    throw reason;
  });
});
const loses = workflow("limits.loses", function* (key: string): Flow<unknown> {
  return yield* race({
    runs: call(listens, key),
    waits: call(listens, `${key} behind`),
    out: signal("out"),
  });
});

test("what is cancelled gives back its place, and what waits for one leaves the line", async (t) => {
  const stent = await serving(t);
  const job = await stent.dispatch(listens, ["job"]);
  await until("it runs", () => started.includes("job"));
  const behind = await stent.dispatchMany(listens, [["never"], ["never"]]);
  const flowing = await stent.dispatch(loses, ["flow"]);
  for (const one of behind) await one.cancel();
  for (const one of behind) assert.equal((await one.wait(limit)).ok, false);
  await job.cancel();
  await until("the next runs", () => started.includes("flow") || started.includes("flow behind"));
  await flowing.signal("out", 1);
  await flowing.result(limit);
  const last = await stent.dispatch(listens, ["last"]);
  await until("the last runs", () => started.includes("last"));
  await stent.cancel(last.id, { force: true });
  const one = await stent.dispatch(listens, ["one more"]);
  await until("a place is free again", () => started.includes("one more"));
  await one.cancel();
  assert.ok(!started.includes("never"));
});

const inner = workflow(
  "limits.inner",
  { maxConcurrent: 1 },
  function* (depth: number): Flow<string> {
    if (depth === 0) return "through";
    try {
      return yield* call(inner as typeof self, depth - 1);
    } catch (error) {
      return `${(error as Error).name}: ${error instanceof DeadlockError}`;
    }
  },
);
declare const self: ReturnType<typeof workflow<[number], string>>;

test("a call that waits only for what its own ancestors hold fails with DeadlockError", async (t) => {
  const stent = await serving(t);
  assert.equal(await stent.run(inner, [0]), "through");
  assert.equal(await stent.run(inner, [1]), "DeadlockError: true");
});

const rated = activity(
  "limits.rated",
  { rateLimit: { limit: 5, per: "500ms" } },
  async (of: string) => {
    starts.push([of, performance.now()]);
  },
);
const starts: [string, number][] = [];

const asksHeld = workflow("limits.asksHeld", function* (key: string): Flow<unknown> {
  return yield* call(held, key);
});
const once = activity("limits.once", { idempotent: true }, async (key: string) => {
  started.push(key);
  return gate(key).passed;
});

test("why and the tasks tell what holds work back, and by whom", async (t) => {
  const stent = await serving(t);
  const first = await stent.dispatch(held, ["why"], { id: "why-first" });
  await until("it runs", () => started.includes("why"));
  const job = await stent.dispatch(held, ["why job"]);
  const flowing = await stent.dispatch(asksHeld, ["why flow"]);
  await stent.dispatch(once, ["why once"], { id: "why-once" });
  await until("it runs", () => started.includes("why once"));
  const again = await stent.dispatch(once, ["why once"]);
  const told = async (id: string): Promise<string | undefined> =>
    (await stent.why(id)).find(({ kind }) => kind === "limit")?.detail;
  for (const { id } of [job, flowing])
    assert.match(
      await until("it is held back", () => told(id)),
      /^all 1 places of maxConcurrent of "limits\.held" are taken, by why-first; /,
    );
  assert.match(
    await until("it is held back", () => told(again.id)),
    /^why-once runs it under the same key/,
  );
  const [task] = (await stent.listTasks({ execution: flowing.id })).items;
  assert.deepEqual([task?.state, task?.scheduledFor], ["pending", undefined]);
  assert.equal((await flowing.state()).waitingFor[0]?.kind, "limit");
  const [queue] = await stent.admin.queues();
  assert.deepEqual([queue?.running, queue?.held, queue?.ready], [2, 3, 0]);
  for (const key of ["why", "why job", "why flow", "why once"]) gate(key).open(key);
  assert.deepEqual(
    await Promise.all([first, job, flowing, again].map((handle) => handle.result(limit))),
    ["why", "why job", "why flow", "why once"],
  );
});

const slowly = activity(
  "limits.slowly",
  { rateLimit: { limit: 1, per: "10s" } },
  async (key: string) => key,
);

test("and when a rate lets it through", async (t) => {
  const stent = await serving(t);
  await stent.run(slowly, ["first"]);
  const next = await stent.dispatch(slowly, ["next"]);
  const reason = await until("it is held back", async () =>
    (await stent.why(next.id)).find(({ kind }) => kind === "limit"),
  );
  assert.match(
    reason.detail ?? "",
    /^rateLimit of "limits\.slowly" \(1 in 10000 ms\) has no token left/,
  );
  assert.ok(reason.until !== undefined && reason.until.getTime() > Date.now() + 5_000);
  await next.cancel();
});

test("a rate lets a burst through, and then one after the other", async (t) => {
  const stent = await serving(t, { serve: { maxConcurrency: 50 } });
  const handles = await stent.dispatchMany(
    rated,
    Array.from({ length: 12 }, (): [string] => ["burst"]),
  );
  assert.equal(await stent.run(free, ["beside"]), "beside");
  await Promise.all(handles.map((handle) => handle.result(limit)));
  const times = starts.map(([, at]) => at).toSorted((a, b) => a - b);
  assert.equal(times.length, 12);
  for (let from = 0; from + 5 < times.length; from += 1) {
    // In the time in which so many starts are refilled there are at most as many, and the burst.
    const within = times.filter((at) => at >= (times[from] ?? 0) && at < (times[from] ?? 0) + 90);
    assert.ok(within.length <= 6, `${within.length} starts within 90 ms`);
  }
  assert.ok((times.at(-1) ?? 0) - (times[0] ?? 0) >= 600, "7 tokens of 100 ms each");
});

test("a place that is free goes past what no worker takes any more", async (t) => {
  const file = `sqlite:${databaseFile(t)}`;
  const stent = await stentOn(t, file, { serve: { queues: ["served"] } });
  await stent.dispatch(held, ["lane first"], { queue: "served" });
  await until("it runs", () => started.includes("lane first"));
  const left = await stentOn(t, file, { serve: { queues: ["left"] } });
  const gone = await stent.dispatchMany(held, [["never"], ["never"]], { queue: "left" });
  const here = await stent.dispatch(held, ["lane second"], { queue: "served" });
  for (const { id } of [...gone, here])
    await until("it is held back", async () =>
      (await stent.why(id)).some(({ kind }) => kind === "limit"),
    );
  await left.close();
  gate("lane second").open(2);
  gate("lane first").open(1);
  assert.equal(await here.result(limit), 2);
});

const trickle = activity(
  "limits.trickle",
  { rateLimit: { limit: 1, per: "150ms" } },
  async (of: string) => void started.push(of),
);

test("the next token is for the most urgent, however many were there before", async (t) => {
  const stent = await serving(t);
  await stent.run(trickle, ["trickle first"]);
  const crowd = await stent.dispatchMany(
    trickle,
    Array.from({ length: 20 }, (): [string] => ["crowd"]),
  );
  await until("they wait", async () => (await crowd.at(-1)?.state())?.waitingFor.length === 1);
  const urgent = await stent.dispatch(trickle, ["urgent"], { priority: 5 });
  await urgent.result(limit);
  const before = started.slice(started.indexOf("trickle first") + 1);
  assert.ok(before.indexOf("urgent") <= 4, `${before.join(", ")}: at most a few tokens were given`);
  for (const one of crowd) await one.cancel();
});

test("what was cancelled takes none of the time of those behind it", async (t) => {
  const stent = await serving(t);
  await stent.run(trickle, ["cancelled first"]);
  const crowd = await stent.dispatchMany(
    trickle,
    Array.from({ length: 1_000 }, (): [string] => ["cancelled crowd"]),
  );
  await until("they wait", async () => (await crowd.at(-1)?.state())?.waitingFor.length === 1);
  await stent.bulk("cancel", { workflow: "limits.trickle" });
  const next = await stent.dispatch(trickle, ["behind the cancelled"]);
  await next.result(limit);
});

test("wrong limits are refused where they are written, and keys that are no text at the call", async (t) => {
  const wrong =
    (options: object): (() => unknown) =>
    () =>
      activity("limits.wrong", options, async () => 1);
  assert.throws(wrong({ maxConcurrent: 0 }), /maxConcurrent .* whole number from 1, got 0/);
  assert.throws(wrong({ maxConcurrent: { limit: 1 } }), /key .* must be a function/);
  assert.throws(wrong({ rateLimit: { limit: 1 } }), /per/);
  assert.throws(wrong({ rateLimit: { limit: 1.5, per: "1s" } }), /whole number from 1/);
  const stent = await serving(t);
  assert.ok((await rejection(stent.dispatch(numbered, [1]))) instanceof TypeError);
  assert.equal(await stent.run(callsNumbered, []), "TypeError");
});
const numbered = activity(
  "limits.numbered",
  { maxConcurrent: { limit: 1, key: ((n: number) => n) as never } },
  async (n: number) => n,
);
const callsNumbered = workflow("limits.callsNumbered", function* (): Flow<string> {
  try {
    yield* call(numbered, 1);
    return "called";
  } catch (error) {
    return (error as Error).name;
  }
});
