import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  activity,
  all,
  call,
  context,
  postgres,
  signal,
  sqlite,
  Stent,
  workflow,
  type Backend,
  type ServeOptions,
} from "stentjs";
import { deaf } from "../support/deaf.ts";
import { warnings } from "../support/hints.ts";
import { MemoryLogger } from "../support/memory-logger.ts";
import { asAdmin, freshDatabase } from "../support/postgres.ts";
import { needsRedisServer, RedisServer } from "../support/redis.ts";
import { aborted, databaseFile, Gate, until, type Ending } from "../support/serving.ts";

/** Nobody polls within a test. */
const never = "1h";
const limit = { timeout: "20s" } as const;

/** Where an activity has begun, told what tells it to stop. */
const begun = new Map<string, Gate<AbortSignal>>();
const double = activity("hints.double", async (n: number) => 2 * n);
const stay = async (name: string): Promise<void> => {
  begun.get(name)?.open(context().signal);
  await aborted(context().signal);
};
const stays = activity("hints.stays", stay);
const staysElsewhere = activity("hints.staysElsewhere", { queue: "elsewhere" }, stay);
const listens = workflow("hints.listens", function* (name: string) {
  const [, word] = yield* all([call(stays, name), listensFor()]);
  return word;
});
const distant = workflow("hints.distant", function* (name: string) {
  yield* call(staysElsewhere, name);
});
const heard = new Map<string, Gate<string>>();
function* listensFor() {
  const word = yield* signal<[string, string]>("word");
  heard.get(word[0])?.open(word[1]);
  return word;
}

const means: Record<string, (t: Ending) => Promise<Means>> = {
  "through LISTEN and NOTIFY of PostgreSQL": throughPostgres,
  "through Redis, beside SQLite": throughRedis,
};

for (const [how, make] of Object.entries(means)) {
  const needed = make === throughRedis ? needsRedisServer : {};
  describe(`without a poll, ${how},`, needed, () => {
    test("a worker takes what another process dispatches, and who waits there is told of its end", async (t) => {
      const shared = await make(t);
      await serving(t, shared);
      const { stent: client } = await joining(t, shared);
      const handles = await client.dispatchMany(double, [[1], [2], [3]]);
      const results = await Promise.all(handles.map((handle) => handle.result(limit)));
      assert.deepEqual(results, [2, 4, 6]);
      assert.equal(await client.run(double, [21]), 42);
    });

    test("a wait in a third process is told of the end", async (t) => {
      const shared = await make(t);
      const { stent: third } = await joining(t, shared);
      const { stent: client } = await joining(t, shared);
      const { id } = await client.dispatch(double, [21]);
      const waiting = third.waitFor(id, limit);
      await serving(t, shared);
      assert.equal((await waiting).unwrap(), 42);
    });

    test("a signal reaches what another process holds", async (t) => {
      const shared = await make(t);
      await serving(t, shared);
      const { stent: client } = await joining(t, shared);
      const [name, at] = named(begun);
      const word = new Gate<string>();
      heard.set(name, word);
      const handle = await client.dispatch(listens, [name]);
      await at.passed;
      await handle.signal("word", [name, "now"]);
      assert.equal(await word.passed, "now");
      await handle.cancel();
      await handle.wait(limit);
    });

    test("a cancel reaches an activity in another process", async (t) => {
      const shared = await make(t);
      await serving(t, shared);
      const { stent: client } = await joining(t, shared);
      const [name, at] = named(begun);
      const handle = await client.dispatch(stays, [name]);
      await handleCancelled(handle, at);
    });

    test("a cancel reaches a task that a third process runs for the one that holds its workflow", async (t) => {
      const shared = await make(t);
      await serving(t, shared, { queues: ["default"] });
      await serving(t, shared, { queues: ["elsewhere"] });
      const { stent: client } = await joining(t, shared);
      const [name, at] = named(begun);
      const handle = await client.dispatch(distant, [name]);
      await handleCancelled(handle, at);
    });

    test("what was dispatched while hints were cut off is found as soon as they are back", async (t) => {
      const shared = await make(t);
      const { log: atWorker } = await serving(t, shared);
      const { stent: client, log: atClient } = await joining(t, shared);
      assert.equal(await client.run(double, [1]), 2);
      await shared.cut();
      await until("both have noticed", () =>
        [atWorker, atClient].every((log) => warnings(log).length === 1),
      );
      const handle = await client.dispatch(double, [2]);
      await shared.mend();
      assert.equal(await handle.result(limit), 4);
      assert.equal(await client.run(double, [3]), 6);
      assert.deepEqual([warnings(atWorker).length, warnings(atClient).length], [1, 1]);
    });
  });

  test(
    `who waits is told of what ended while hints were cut off, once they are back, ${how}`,
    needed,
    async (t) => {
      const shared = await make(t);
      const { stent: client, log } = await joining(t, shared);
      await serving(t, shared, { pollInterval: "20ms", pollIntervalMax: "20ms" });
      assert.equal(await client.run(double, [1]), 2);
      await shared.cut();
      await until("it has been noticed", () => warnings(log).length === 1);
      const handle = await client.dispatch(double, [2]);
      const waiting = handle.result(limit);
      await until("it has ended", async () => (await handle.state()).state === "completed");
      await shared.mend();
      assert.equal(await waiting, 4);
    },
  );

  test(`with polls, work goes on while hints are cut off, ${how}`, needed, async (t) => {
    const shared = await make(t);
    const { stent: client, log } = await joining(t, shared, { polling: "20ms" });
    await serving(t, shared, { pollInterval: "20ms", pollIntervalMax: "20ms" });
    for (let n = 0; n < 5; n += 1) {
      await shared.cut();
      assert.equal(await client.run(double, [n]), 2 * n);
    }
    await shared.mend();
    await until("it is said that hints are back", () =>
      log.lines.some(({ level, message }) => level === "info" && /again/.test(message)),
    );
  });
}

/** Cancels once its activity has begun, and waits until that is told and the execution has ended. */
async function handleCancelled(
  handle: Awaited<ReturnType<Stent["dispatch"]>>,
  at: Gate<AbortSignal>,
): Promise<void> {
  const told = await at.passed;
  await handle.cancel("enough");
  await aborted(told);
  assert.equal((await handle.wait(limit)).ok, false);
  assert.equal((await handle.state()).state, "cancelled");
}

/** A name that nothing else uses, and the gate that is opened under it. */
function named<T>(gates: Map<string, Gate<T>>): readonly [string, Gate<T>] {
  const name = `n${gates.size}`;
  const gate = new Gate<T>();
  gates.set(name, gate);
  return [name, gate];
}

/** A database, and what carries hints between those who share it. */
interface Means {
  readonly backend: Backend;
  readonly notifications?: string;
  /** Takes away what carries hints, until `mend`, or for a moment. */
  cut(): Promise<void>;
  mend(): Promise<void>;
}

async function throughPostgres(t: Ending): Promise<Means> {
  const url = await freshDatabase(t);
  const sessions = `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'stent hints'`;
  return {
    backend: postgres(url, { schema: 'Ünits "of" mine' }),
    cut: async () => void (await asAdmin(sessions, url)),
    mend: async () => undefined, // who was cut off comes back by itself
  };
}

async function throughRedis(t: Ending): Promise<Means> {
  const server = await RedisServer.create();
  t.after(() => server[Symbol.asyncDispose]());
  return {
    backend: sqlite(databaseFile(t)),
    notifications: server.url,
    cut: () => server.kill(),
    mend: () => server.start(),
  };
}

async function joining(
  t: Ending,
  { backend, notifications }: Means,
  { polling = never }: { readonly polling?: string } = {},
): Promise<{ stent: Stent; log: MemoryLogger }> {
  const log = new MemoryLogger();
  const stent = await Stent.open({
    backend: deaf(backend),
    logger: log,
    pollMinInterval: polling,
    pollMaxInterval: polling,
    ...(notifications !== undefined && { notifications }),
  });
  t.after(() => stent.close());
  return { stent, log };
}

async function serving(
  t: Ending,
  shared: Means,
  serve: ServeOptions = {},
): Promise<{ stent: Stent; log: MemoryLogger }> {
  const joined = await joining(t, shared);
  const served = joined.stent.serve({ pollInterval: never, drainTimeout: "1s", ...serve });
  served.catch(() => undefined);
  await joined.stent.waitUntilReady();
  return joined;
}
