import assert from "node:assert/strict";
import { test } from "node:test";
import Database from "better-sqlite3";
import {
  activity,
  call,
  ExecutionNotFoundError,
  map,
  NonDeterminismError,
  race,
  signal,
  sleep,
  workflow,
  type WaitReason,
} from "stentjs";
import type { ServedFunction } from "../../src/store/store.ts";
import { clientOn } from "../support/client.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { databaseFile, rejection, serving, stentOn, until } from "../support/serving.ts";

const waits = workflow("waits", { version: "2", tags: ["big"] }, function* () {
  yield* signal("go");
});
const job = activity("job", { queue: "jobs" }, async () => 1);
const flaky = activity(
  "flaky",
  { retry: { initialDelay: "1h", jitter: 0 } },
  async (_n?: number) => {
    throw new RangeError("out of range");
  },
);
const far = activity("far", { queue: "nobody" }, async (_n?: number) => 1);

test("an unknown execution is not found", async (t) => {
  const stent = await clientOn(t);
  assert.ok((await rejection(stent.why("nobody"))) instanceof ExecutionNotFoundError);
});

test("what has ended waits for nothing", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.dispatch(waits, []);
  await handle.cancel();
  assert.deepEqual(await stent.why(handle.id), []);
  assert.deepEqual((await handle.state()).waitingFor, []);
});

test("without a worker it says so, and which one would do", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.dispatch(waits, [], { queue: "slow" });
  const reasons = await stent.why(handle.id);
  assert.deepEqual(kinds(reasons), ["worker waits", "workflow waits"]);
  assert.match(
    reasons[0]?.detail ?? "",
    /no live worker takes queue "slow", tags big; 0 live.*serve\(\{"queues":\["slow"\],"tags":\["big"\]\}\)/,
  );
});

test("a delayed one is not due, whoever is there", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.schedule("1h", job, []);
  const reasons = await stent.why(handle.id);
  assert.deepEqual(kinds(reasons), ["sleep sleep"]);
  assert.ok((reasons[0]?.until?.getTime() ?? 0) > Date.now());
});

test("workers of other queues, tags, functions and versions are told apart", async (t) => {
  const path = databaseFile(t);
  const clock = new ManualClock();
  const stent = await clientOn(t, path, { clock });
  const { id } = await stent.dispatch(waits, []);
  const says = async (session: Partial<SessionColumns>): Promise<string> => {
    register(path, { seen: clock.now(), ...session });
    return (await stent.why(id))[0]?.detail ?? "";
  };
  const ours = ["waits@2"];
  assert.match(
    await says({ functions: ours, queues: ["slow"] }),
    /no live worker takes unqueued work/,
  );
  assert.match(
    await says({ functions: ours, tags: ["small"] }),
    /no live worker takes unqueued work, tags big/,
  );
  assert.match(await says({ functions: ours, state: "dead" }), /no live worker/);
  assert.match(await says({ functions: ours, seen: clock.now() - 60_001 }), /no live worker/);
  assert.match(
    await says({ functions: ["waits", "waits@1", "other"] }),
    /1 live workers take .*"waits" version "2"/,
  );
  assert.match(
    await says({ functions: ours, tags: ["big"], queues: ["default"] }),
    /waits for a worker to take it/,
  );
});

test("a job runs wherever its function is, whatever the version", async (t) => {
  const path = databaseFile(t);
  const stent = await clientOn(t, path);
  const { id } = await stent.dispatch(job, []);
  register(path, { functions: ["jo", "job@9"], queues: ["jobs"], seen: Date.now() });
  assert.deepEqual(kinds(await stent.why(id)), ["activity job"]);
});

test("a holder whose heartbeat is late is named", async (t) => {
  const path = databaseFile(t);
  const clock = new ManualClock();
  const stent = await clientOn(t, path, { clock });
  const { id } = await stent.dispatch(waits, []);
  register(path, { name: "frozen", functions: ["waits@2"], seen: clock.now() });
  const database = new Database(path);
  database.exec(
    "update stent_executions set worker = 1, claim = 1, state = 'running', started_at = 0",
  );
  database.close();
  assert.deepEqual(await stent.why(id), []);
  clock.advance(45_000);
  const [reason] = await stent.why(id);
  assert.deepEqual([reason?.kind, reason?.name], ["worker", "frozen"]);
  assert.match(reason?.detail ?? "", /last heartbeat is 45 s ago/);
  assert.equal(reason?.until?.getTime(), clock.now() + 15_000);
});

test("retries, sleeps, signals, tasks and children are told, most decisive first", async (t) => {
  const child = workflow("why-child", function* () {
    yield* signal("never");
  });
  const everything = workflow("everything", function* () {
    yield* race({
      child: call(child),
      go: signal("go", { timeout: "2h" }),
      late: sleep("3h"),
      far: call(far),
      items: map(far, [1, 2]),
      flaky: call(flaky),
    });
  });
  const stent = await serving(t, { serve: { queues: ["default"] } });
  await stent.dispatch(everything, [], { id: "e" });
  const reasons = await until("it waits", async () => {
    const told = await stent.why("e");
    return told.some(({ detail }) => detail?.includes("out of range")) &&
      told.some(({ detail }) => detail?.endsWith("is running"))
      ? told
      : undefined;
  });
  assert.deepEqual(kinds(reasons), [
    "worker far",
    "activity flaky",
    "sleep sleep",
    "signal go",
    "workflow why-child",
    "activity far",
    "activity far",
  ]);
  assert.match(
    reasons[1]?.detail ?? "",
    /attempt 2 begins then; the last ended with RangeError: out of range/,
  );
  const hoursLeft = reasons
    .slice(2, 4)
    .map(({ until: at }) => Math.round(((at?.getTime() ?? 0) - Date.now()) / 3_600_000));
  assert.deepEqual(hoursLeft, [3, 2]);
  assert.ok((reasons[1]?.until?.getTime() ?? 0) > Date.now());
  assert.match(reasons[4]?.detail ?? "", /execution e\/1\/.* is running/);
  assert.match(reasons[5]?.detail ?? "", /waits in queue "nobody" for attempt 1/);
  assert.match(reasons[6]?.detail ?? "", /2 items wait in queue "nobody", 0 run/);
  const { waitingFor } = await stent.stateOf("e");
  assert.deepEqual(kinds(waitingFor).toSorted(), kinds(reasons.slice(1)).toSorted());
});

test("what a retry asks for anew is begun in the next turn, and what has come is taken then", async (t) => {
  const stuck = activity("stuck", { retry: { maxAttempts: 1 } }, async () => {
    throw new RangeError("declined");
  });
  const calls = workflow("calls", function* () {
    yield* call(stuck);
  });
  const path = databaseFile(t);
  const worker = await stentOn(t, path);
  await (await worker.dispatch(calls, [], { id: "c" })).wait({ timeout: "10s" });
  await worker.close();
  const client = await clientOn(t, path);
  await client.retry("c");
  const details = async (): Promise<unknown[]> =>
    (await client.why("c")).flatMap(({ name, detail }) => (name === "stuck" ? [detail] : []));
  assert.deepEqual(await details(), ["it is begun anew in the next turn"]);
  const database = new Database(path);
  database.exec(
    "insert into stent_arrivals (execution, run, seq, kind, status, attempt, failures, ended_at) select execution, run, seq, 'outcome', 1, 1, 0, 0 from stent_journal where name = 'stuck'",
  );
  database.close();
  assert.deepEqual(await details(), ["its outcome has come, and is taken in the next turn"]);
});

test("a blocked execution names both effects, in why and in what it waits for", async (t) => {
  const path = databaseFile(t);
  let yields: "sleep" | "signal" = "signal";
  const changing = workflow("changing", function* () {
    yield* yields === "signal" ? signal("go") : sleep("1h");
    yield* signal("again");
  });
  const first = await stentOn(t, path);
  const { id } = await first.dispatch(changing, []);
  await until("it waits", async () =>
    (await first.stateOf(id)).waitingFor.some(({ name }) => name === "go"),
  );
  await first.close();
  yields = "sleep";
  const second = await stentOn(t, path);
  await second.sendSignal(id, "go", 1);
  const [reason] = await until("it is blocked", async () => {
    const told = await second.why(id);
    return told[0]?.kind === "blocked" ? told : undefined;
  });
  assert.equal(reason?.name, "changing");
  assert.match(reason?.detail ?? "", /signal "go".*sleep/);
  assert.equal((await second.stateOf(id)).waitingFor[0]?.kind, "blocked");
  assert.equal(
    new NonDeterminismError({ path: "1", recorded: {}, yielded: {} }).code,
    "NON_DETERMINISM",
  );
  await second.cancel(id, { force: true });
});

test("an execution whose turns kill their workers is told to be poison, with what to look for", async (t) => {
  const path = databaseFile(t);
  const stent = await clientOn(t, path);
  const { id } = await stent.dispatch(waits, [], { id: "deadly" });
  const database = new Database(path);
  for (const session of [101, 102])
    database.exec(
      `insert into stent_marks (execution, run, seq, item, session) select key, run, -1, -1, ${session} from stent_executions`,
    );
  database.close();
  const worker = await stentOn(t, path, { serve: { maxClaims: 2, tags: ["big"] } });
  const [reason] = await until("it is blocked", async () => {
    const told = await worker.why(id);
    return told[0]?.kind === "blocked" ? told : undefined;
  });
  assert.equal(reason?.name, "waits");
  assert.match(
    reason?.detail ?? "",
    /was running in 2 worker sessions when they died; look for an endless loop .*stent retry deadly/,
  );
  await worker.cancel(id, { force: true });
});

test("a journal that cannot be read is told with what stands in the way", async (t) => {
  const path = databaseFile(t);
  const reads = activity("why-reads", async () => 1);
  const reader = workflow("why-reader", function* () {
    yield* call(reads);
    yield* signal("go");
    yield* signal("more");
  });
  const first = await stentOn(t, path);
  const { id } = await first.dispatch(reader, []);
  await until("it waits", async () =>
    (await first.stateOf(id)).waitingFor.some(({ name }) => name === "go"),
  );
  await first.close();
  const database = new Database(path);
  database.exec("update stent_journal set value = '{not json' where name = 'why-reads'");
  database.close();
  const second = await stentOn(t, path);
  await second.sendSignal(id, "go", 1);
  const [reason] = await until("it is blocked", async () => {
    const told = await second.why(id);
    return told[0]?.kind === "blocked" ? told : undefined;
  });
  assert.match(
    reason?.detail ?? "",
    /the stored step 1\/1 of execution .* cannot be read: .*serializer/,
  );
  await second.cancel(id, { force: true });
});

const firstPass = activity("why-first-pass", async (n: number) => {
  if (n >= 3) await new Promise(() => undefined);
});
const some = workflow("why-some", function* () {
  yield* map(firstPass, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], { concurrency: 4 });
});

test("of items that a worker took together, those that have ended run no more", async (t) => {
  const stent = await serving(t, { serve: { maxConcurrency: 20, cancelGrace: 10 } });
  const { id } = await stent.dispatch(some, []);
  await until("three have ended", async () => {
    const [reason] = await stent.why(id);
    return reason?.detail === "3 of 10 items have ended; 0 items wait, 4 run";
  });
  await stent.cancel(id, { force: true });
});

interface SessionColumns {
  name: string;
  functions: string[];
  queues: string[];
  tags: string[];
  state: string;
  seen: number;
}

/** "name", or "name@version". */
function served(text: string): ServedFunction {
  const [name = "", version] = text.split("@");
  return { kind: name.startsWith("jo") ? "activity" : "workflow", name, version };
}

/** The only session there is from now on. */
function register(path: string, session: Partial<SessionColumns>): void {
  const { name = "w", functions = [], queues, tags, state = "live", seen = 0 } = session;
  const database = new Database(path);
  const json = (names: string[] | undefined): string | null =>
    names === undefined ? null : JSON.stringify(names);
  database.exec(
    "delete from stent_workers; delete from sqlite_sequence where name = 'stent_workers'",
  );
  database
    .prepare(
      "insert into stent_workers values (1, 's', ?, 'host', 1, '{}', ?, 0, 60000, 0, ?, ?, ?, ?)",
    )
    .run(name, state, seen, json(queues), json(tags), JSON.stringify(functions.map(served)));
  database.close();
}

function kinds(reasons: readonly WaitReason[]): string[] {
  return reasons.map(({ kind, name }) => `${kind} ${name}`);
}
