import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, test } from "node:test";
import pg from "pg";
import {
  activity,
  DatabaseError,
  postgres,
  sqlite,
  Stent,
  type NotificationBackend,
  type StentOptions,
} from "stentjs";
import { InProcessNotifier } from "../../src/notify/notifier.ts";
import { isStoreBackend, type StoreBackend } from "../../src/store/backend.ts";
import { deaf } from "../support/deaf.ts";
import { plainClient, warnings } from "../support/hints.ts";
import { MemoryLogger } from "../support/memory-logger.ts";
import { asAdmin, freshDatabase, freshSchema } from "../support/postgres.ts";
import { needsRedis, sharedRedis } from "../support/redis.ts";
import { databaseFile, rejection, until, type Ending } from "../support/serving.ts";

const limit = { timeout: "20s" } as const;
const double = activity("notifications.double", async (n: number) => 2 * n);

describe("the option notifications", () => {
  test("takes a backend of the user's own, which Stent does not close", async (t) => {
    const backend = deaf(sqlite(databaseFile(t)));
    const own = new InProcessNotifier();
    const worker = await opened(t, { backend, notifications: own });
    void worker.serve({ pollInterval: "1h" });
    await worker.waitUntilReady();
    const client = await opened(t, { backend, notifications: own });
    assert.equal(await client.run(double, [21]), 42);
    await Promise.all([worker.close(), client.close()]);
    const told: string[] = [];
    await own.subscribe((topics) => told.push(...topics));
    await own.publish(["still open"]);
    await until("told", () => told.length > 0);
  });

  const hostile: Record<string, () => Promise<never>> = {
    "hangs for ever": () => new Promise(() => undefined),
    rejects: () => Promise.reject(new Error("away")),
    throws: () => {
      throw new Error("away");
    },
  };
  for (const [what, act] of Object.entries(hostile)) {
    test(`harms nobody where the backend ${what}`, async (t) => {
      const log = new MemoryLogger();
      const notifications = { publish: act, subscribe: act, close: act };
      const stent = await opened(t, { backend: databaseFile(t), notifications, logger: log });
      const serving = stent.serve();
      await stent.waitUntilReady();
      for (let n = 0; n < 20; n += 1) assert.equal(await stent.run(double, [n]), 2 * n);
      await stent.close();
      await serving;
      assert.ok(warnings(log).length <= 1, warnings(log).join("\n"));
    });
  }

  test("refuses to connect where its driver is missing, and lets go of the database", async (t) => {
    const backend = sqlite(databaseFile(t));
    assert.ok(isStoreBackend(backend));
    let closed = false;
    const watched: StoreBackend = {
      ...backend,
      async open(options) {
        const store = await backend.open(options);
        const close = store.close.bind(store);
        return Object.assign(store, {
          close: () => {
            closed = true;
            return close();
          },
        });
      },
    };
    const missing = { open: () => ({ ...idle, subscribe: refused }), ...idle };
    const error = await rejection(
      Stent.open({ backend: watched, notifications: missing, logger: new MemoryLogger() }),
    );
    assert.ok(error instanceof DatabaseError);
    assert.equal(error.code, "DRIVER_MISSING");
    assert.equal(closed, true);
  });

  test(
    "keeps those apart that share a Redis, and tells keys and ids only",
    needsRedis,
    async (t) => {
      const { url, end } = await sharedRedis();
      t.after(end);
      await using beside = plainClient(url);
      const channel = `test-${process.pid}`;
      const messages = new Map<string, string[]>();
      beside.redis.on("pmessage", (_: string, from: string, text: string) =>
        messages.set(from, [...(messages.get(from) ?? []), text]),
      );
      await beside.redis.psubscribe(`${channel}:*`);
      const files = [databaseFile(t), databaseFile(t)];
      for (const backend of [...files, ...files]) {
        const notifications = `${url}?channel=${channel}`;
        const stent = await opened(t, { backend, notifications });
        await stent.dispatch(double, [31_415]);
        await stent.close();
      }
      await until("all are there", () => [...messages.values()].flat().length === 4);
      assert.deepEqual(
        [...messages.values()].map((each) => each.length),
        [2, 2],
      );
      assert.doesNotMatch([...messages.keys(), ...messages.values()].join(), /31415|stent-behav/);
    },
  );
});

describe("on PostgreSQL, hints", () => {
  test("reach a worker in another process and come back from it, without an option", async (t) => {
    const { url, schema } = await freshSchema(t);
    const client = await opened(t, {
      backend: postgres(url, { schema }),
      pollMinInterval: "1h",
      pollMaxInterval: "1h",
    });
    const worker = spawn(
      process.execPath,
      ["--import", "tsx", "--input-type=module", "--eval", workerProcess, "--", url, schema],
      { cwd: import.meta.dirname, stdio: ["ignore", "pipe", "inherit"] },
    );
    t.after(() => worker.kill("SIGKILL"));
    await once(worker.stdout, "data");
    for (let n = 0; n < 5; n += 1) assert.equal(await client.run(double, [n], {}), 2 * n);
  });

  test("are told to those of the same schema alone", async (t) => {
    const url = await freshDatabase(t);
    await using listener = await listeningTo(url, ["stent_hints_one", "stent_hints_two"]);
    for (const schema of ["one", "two", "one"]) {
      const stent = await opened(t, { backend: postgres(url, { schema }) });
      await stent.dispatch(double, [1]);
      await stent.close();
    }
    const told = (): string[] =>
      listener.heard.filter(([, text]) => /ready/.test(text)).map(([channel]) => channel);
    await until("all are there", () => told().length === 3);
    assert.deepEqual(told(), ["stent_hints_one", "stent_hints_two", "stent_hints_one"]);
  });

  test("need a connection only for those who write or wait, and none once they are closed", async (t) => {
    const url = await freshDatabase(t);
    const backend = postgres(url);
    const sessions = async (): Promise<number> =>
      (
        await asAdmin(
          "select 1 from pg_stat_activity where datname = current_database() and application_name = 'stent hints'",
          url,
        )
      ).length;
    const stent = await opened(t, { backend });
    await stent.listExecutions();
    assert.equal(await sessions(), 0);
    const waiting = rejection(stent.waitFor((await stent.dispatch(double, [1])).id, limit));
    await until("it is there", async () => (await sessions()) === 1);
    await stent.close();
    await waiting;
    await until("it is gone", async () => (await sessions()) === 0);
  });

  test("are not all lost by a process that writes and ends at once", async (t) => {
    const url = await freshDatabase(t);
    await using listener = await listeningTo(url, ["stent_hints_stent"]);
    const stent = await opened(t, { backend: url });
    await stent.dispatch(double, [1]);
    await stent.close();
    await until("told", () => listener.heard.some(([, text]) => /ready/.test(text)));
  });
});

test("what the database warns of when it is opened goes to the log", async (t) => {
  const log = new MemoryLogger();
  const backend = sqlite(databaseFile(t));
  assert.ok(isStoreBackend(backend));
  const warning: StoreBackend = {
    ...backend,
    open: (options) => {
      options.warn("fsync is off");
      return backend.open(options);
    },
  };
  await opened(t, { backend: warning, logger: log });
  assert.deepEqual(warnings(log), ["fsync is off"]);
});

test("a database in memory belongs to its client alone, a file to all who open it by any name", async (t) => {
  const file = databaseFile(t);
  await (await Stent.open(file)).close();
  const identity = (path: string): string => {
    const backend = sqlite(path);
    assert.ok(isStoreBackend(backend));
    return backend.identity();
  };
  assert.notEqual(identity(":memory:"), identity(":memory:"));
  assert.equal(identity(file), identity(file.replace("/stent.db", "/./stent.db")));
});

const idle: NotificationBackend = {
  publish: async () => undefined,
  subscribe: async () => async () => undefined,
  close: async () => undefined,
};

function refused(): Promise<never> {
  return Promise.reject(new DatabaseError("DRIVER_MISSING", "npm install ioredis"));
}

const workerProcess = `
  import { activity, postgres, Stent } from "stentjs";
  activity("notifications.double", async (n) => 2 * n);
  const [url, schema] = process.argv.slice(1);
  const stent = await Stent.open({ backend: postgres(url, { schema }) });
  void stent.serve({ pollInterval: "1h" });
  await stent.waitUntilReady();
  process.stdout.write("ready");
`;

async function opened(t: Ending, options: StentOptions): Promise<Stent> {
  const stent = await Stent.open({ logger: new MemoryLogger(), ...options });
  t.after(() => stent.close());
  return stent;
}

async function listeningTo(
  url: string,
  channels: readonly string[],
): Promise<AsyncDisposable & { readonly heard: (readonly [string, string])[] }> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const heard: (readonly [string, string])[] = [];
  client.on("notification", ({ channel, payload = "" }) => heard.push([channel, payload]));
  for (const channel of channels) await client.query(`listen ${channel}`);
  return { heard, [Symbol.asyncDispose]: () => client.end() };
}
