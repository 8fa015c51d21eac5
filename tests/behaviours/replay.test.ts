import assert from "node:assert/strict";
import Database from "better-sqlite3";
import { test } from "node:test";
import {
  activity,
  all,
  call,
  CancelledError,
  counters,
  map,
  now,
  race,
  random,
  run,
  signal,
  sleep,
  state,
  uuid,
  workflow,
  type Flow,
  type Stent,
} from "stentjs";
import {
  databaseFile,
  rejection,
  serving,
  stentOn,
  until,
  sqliteOnly,
} from "../support/serving.ts";
import { MemoryLogger } from "../support/memory-logger.ts";

const limit = { timeout: "10s" };

const calls: string[] = [];
const one = activity("replay.one", async (text: string) => {
  calls.push(text);
  return text;
});
const other = activity("replay.other", async (text: string) => text);

// ── the whole of a workflow under forced replay ──

const everything = workflow("replay.everything", function* (): Flow<unknown> {
  const facts = [
    yield* now(),
    yield* random(),
    yield* uuid(),
    yield* run("here", () => calls.push("closure")),
  ];
  yield* counters.add("n", 2);
  yield* state.set("s", { a: 1 });
  const first = yield* call(one, "first");
  const both = yield* all([call(one, "left"), branchOf("right")]);
  const { winner } = yield* race({ a: sleep("1h"), b: call(one, "racer") });
  const mapped = yield* map(one, ["m1", "m2"]);
  yield* counters.add("n", 3);
  const message = yield* signal("go");
  let caught = "";
  try {
    yield* call(childFails);
  } catch (error) {
    caught = (error as Error).message;
  }
  return {
    facts: facts.map(String),
    first,
    both,
    winner,
    mapped,
    message,
    caught,
    n: yield* counters.get("n"),
    s: yield* state.get("s"),
  };
});
function* branchOf(text: string): Flow<string> {
  yield* sleep(5);
  return yield* call(one, text);
}
const childFails = workflow("replay.childFails", function* (): Flow<void> {
  yield* sleep(1);
  throw new Error("child");
});

test("a workflow that is replayed at every turn does every step once and sees the same", async (t) => {
  const stent = await serving(t, { serve: { maxCachedWorkflows: 0 } });
  calls.length = 0;
  const handle = await stent.dispatch(everything, []);
  await until("it waits", async () =>
    (await handle.state()).waitingFor.some(({ kind }) => kind === "signal"),
  );
  await handle.signal("go", "went");
  const result = (await handle.result(limit)) as Record<string, unknown>;
  assert.deepEqual(calls.toSorted(), ["closure", "first", "left", "m1", "m2", "racer", "right"]);
  assert.deepEqual(
    { ...result, facts: 0 },
    {
      facts: 0,
      first: "first",
      both: ["left", "right"],
      winner: "b",
      mapped: ["m1", "m2"],
      message: "went",
      caught: "child",
      n: 5,
      s: { a: 1 },
    },
  );
});

test("the same over a restart in the middle", async (t) => {
  const file = databaseFile(t);
  const first = await stentOn(t, file);
  calls.length = 0;
  const handle = await first.dispatch(everything, []);
  await until("it waits", async () =>
    (await handle.state()).waitingFor.some(({ kind }) => kind === "signal"),
  );
  const before = await historyOf(first, handle.id);
  await first.close();
  const second = await stentOn(t, file);
  await second.sendSignal(handle.id, "go", "went");
  await second.waitFor(handle.id, limit);
  assert.equal(calls.length, 7);
  const after = await historyOf(second, handle.id);
  assert.deepEqual(after.slice(0, before.length - 1), before.slice(0, -1));
  assert.deepEqual(
    after.map((entry) => entry.path),
    [...new Set(after.map((entry) => entry.path))],
  );
  const deliveries = after.flatMap((entry) => entry.delivery ?? []);
  assert.equal(new Set(deliveries).size, deliveries.length);
});

async function historyOf(
  stent: Stent,
  id: string,
): Promise<{ path: string; kind: string; delivery: number | undefined }[]> {
  const entries = [];
  for await (const { path, effect, delivery } of stent.history(id))
    entries.push({ path, kind: effect.kind, delivery });
  return entries;
}

test("history tells path, effect, outcome and delivery of every entry", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(told, []);
  await handle.result(limit);
  const entries = [];
  for await (const entry of stent.history(handle.id)) entries.push(entry);
  assert.deepEqual(
    entries.map(({ path, effect, outcome }) => [path, effect.kind, effect.name, outcome?.ok]),
    [
      ["1", "call", "replay.one", true],
      ["2.0", "call", "replay.one", true],
      ["2.1", "sleep", undefined, true],
      ["3", "call", "replay.childFails", false],
    ],
  );
  assert.deepEqual(entries[0]?.effect.args, ["a"]);
  assert.ok(
    entries.every(
      (entry) =>
        entry.run === 1 && entry.scheduledAt instanceof Date && entry.deliveredAt instanceof Date,
    ),
  );
  assert.deepEqual(
    entries.map((entry) => entry.delivery),
    entries.map((entry) => entry.delivery).toSorted((a, b) => (a ?? 0) - (b ?? 0)),
  );
});
const told = workflow("replay.told", function* (): Flow<void> {
  yield* call(one, "a");
  yield* all([call(one, "b"), sleep(30)]);
  try {
    yield* call(childFails);
  } catch {
    // it is in the history
  }
});

// ── non-determinism: the body is changed between two openings of one file ──

let today: () => Flow<unknown> = function* () {
  return 0;
};
const changing = workflow("replay.changing", function* (): Flow<unknown> {
  return yield* today();
});

function* asRecorded(): Flow<unknown> {
  const a = yield* call(one, "a");
  const b = yield* signal("go");
  return [a, b];
}
function* asChanged(): Flow<unknown> {
  const a = yield* call(other, "a");
  const b = yield* signal("go");
  return [a, b];
}
function* asShortened(): Flow<unknown> {
  return "at once";
}

for (const [how, body, recorded, yielded] of [
  ["another function", asChanged, /replay\.one/, /replay\.other/],
  ["an end that comes too early", asShortened, /go|replay\.one/, /nothing|end|return/],
] as const) {
  test(`changed code (${how}) blocks the execution, which names both effects and goes on when the code is put right`, async (t) => {
    const file = databaseFile(t);
    today = asRecorded;
    const first = await stentOn(t, file);
    const handle = await first.dispatch(changing, []);
    await until("it waits", async () =>
      (await handle.state()).waitingFor.some(({ kind }) => kind === "signal"),
    );
    await first.close();

    today = body;
    const logger = new MemoryLogger();
    const second = await stentOn(t, file, { stent: { logger } });
    await second.sendSignal(handle.id, "go", 5);
    const [reason] = await until("it is blocked", async () => {
      const found = (await second.stateOf(handle.id)).waitingFor.filter(
        ({ kind }) => kind === "blocked",
      );
      return found.length > 0 ? found : undefined;
    });
    assert.match(reason?.detail ?? "", recorded);
    assert.match(reason?.detail ?? "", yielded);
    assert.equal((await second.stateOf(handle.id)).state, "running");
    assert.equal((await second.why(handle.id))[0]?.kind, "blocked");
    assert.ok(
      logger.lines.some(
        (line) => line.level === "error" && line.message.includes("replay.changing"),
      ),
    );
    // Others go on.
    assert.equal(await second.run(one, ["others"]), "others");
    await second.close();

    today = asRecorded;
    const third = await stentOn(t, file);
    assert.deepEqual((await third.waitFor(handle.id, limit)).unwrap(), ["a", 5]);
  });
}

test("a blocked execution can be retried, and stays cancelling when it is cancelled; force ends it", async (t) => {
  const file = databaseFile(t);
  today = asRecorded;
  const first = await stentOn(t, file);
  const handles = [await first.dispatch(changing, []), await first.dispatch(changing, [])] as const;
  for (const handle of handles)
    await until("it waits", async () =>
      (await handle.state()).waitingFor.some(({ kind }) => kind === "signal"),
    );
  await first.close();
  today = asChanged;
  const second = await stentOn(t, file);
  const [retried, cancelled] = handles.map((handle) => second.execution(handle.id)) as [
    (typeof handles)[0],
    (typeof handles)[0],
  ];
  for (const handle of [retried, cancelled]) {
    await handle.signal("go", 1);
    await until("it is blocked", async () =>
      (await handle.state()).waitingFor.some(({ kind }) => kind === "blocked"),
    );
  }
  await cancelled.cancel("stuck");
  await second.run(one, ["meanwhile"]);
  assert.equal((await cancelled.state()).state, "cancelling");
  await second.cancel(cancelled.id, { force: true });
  assert.equal((await cancelled.state()).state, "cancelled");
  assert.ok((await rejection(cancelled.result(limit))) instanceof CancelledError);
  today = asRecorded;
  await second.retry(retried.id);
  assert.deepEqual(await retried.result(limit), ["a", 1]);
});

// ── a journal that cannot be read ──

test(
  "an execution with a corrupt journal row is parked with the reason, and others go on",
  sqliteOnly,
  async (t) => {
    const file = databaseFile(t);
    today = asRecorded;
    const first = await stentOn(t, file);
    const handle = await first.dispatch(changing, []);
    await until("it waits", async () =>
      (await handle.state()).waitingFor.some(({ kind }) => kind === "signal"),
    );
    const fine = await first.dispatch(changing, []);
    await first.close();
    corrupt(file, handle.id);
    const second = await stentOn(t, file);
    await second.sendSignal(handle.id, "go", 1);
    await second.sendSignal(fine.id, "go", 2);
    assert.deepEqual((await second.waitFor(fine.id, limit)).unwrap(), ["a", 2]);
    const reason = await until("it is parked", async () =>
      (await second.why(handle.id)).find(({ kind }) => kind === "blocked"),
    );
    assert.match(reason.detail ?? "", /journal|read|corrupt|decode/i);
    assert.equal((await second.stateOf(handle.id)).state, "running");
  },
);

test(
  "an execution whose arguments cannot be read is parked too, a job and a workflow, and goes on when they are put right",
  sqliteOnly,
  async (t) => {
    const file = databaseFile(t);
    const first = await stentOn(t, file, { serve: false });
    const flow = await first.dispatch(changing, []);
    const job = await first.dispatch(one, ["x"]);
    await first.close();
    const kept = damage(file, job.id);
    damage(file, flow.id);
    const second = await stentOn(t, file);
    assert.equal(await second.run(one, ["others"]), "others");
    for (const { id } of [flow, job]) {
      await until("it is parked", async () =>
        (await second.why(id)).some(({ kind }) => kind === "blocked"),
      );
    }
    const database = new Database(file);
    database.prepare("update stent_executions set input = ? where id = ?").run(kept, job.id);
    database.close();
    await second.retry(job.id);
    assert.equal((await second.waitFor(job.id, limit)).unwrap(), "x");
  },
);

/** @returns the input as it was. */
function damage(file: string, id: string): unknown {
  const database = new Database(file);
  const kept = database.prepare("select input from stent_executions where id = ?").pluck().get(id);
  database.prepare("update stent_executions set input = '{nonsense' where id = ?").run(id);
  database.close();
  return kept;
}

function corrupt(file: string, id: string): void {
  const database = new Database(file);
  const { changes } = database
    .prepare(
      "update stent_journal set value = '{\"broken' where kind = 'call' and execution = (select key from stent_executions where id = ?)",
    )
    .run(id);
  database.close();
  assert.equal(changes, 1);
}

// ── what was running when its worker was lost ──

const attempts: ((value: string) => void)[] = [];
const lost = activity(
  "replay.lost",
  () =>
    new Promise<string>((resolve) => {
      attempts.push(resolve);
    }),
);
let codeOfTheDay = lost;
const recovering = workflow("replay.recovering", function* (): Flow<unknown> {
  return [yield* call(codeOfTheDay), yield* call(one, "after")];
});

test("a lost call is begun anew before its workflow is replayed; where that is blocked, the outcome waits for it", async (t) => {
  const file = databaseFile(t);
  const first = await stentOn(t, file, { serve: { drainTimeout: 1 } });
  const { id } = await first.dispatch(recovering, []);
  await until("it runs", () => attempts.length === 1);
  await first.close();
  t.after(() => {
    codeOfTheDay = lost;
  });
  codeOfTheDay = other as never;
  const second = await stentOn(t, file);
  await until("it runs again", () => attempts.length === 2);
  await until("the workflow is blocked", async () =>
    (await second.why(id)).some(({ kind }) => kind === "blocked"),
  );
  attempts[1]?.("charged");
  await until(
    "the outcome is stored",
    async () => (await second.listTasks({ execution: id, state: "running" })).items.length === 0,
  );
  await second.close();
  codeOfTheDay = lost;
  const third = await stentOn(t, file);
  assert.deepEqual((await third.waitFor(id, limit)).unwrap(), ["charged", "after"]);
  assert.equal(attempts.length, 2);
});
