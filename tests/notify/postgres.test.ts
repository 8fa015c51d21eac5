import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTo, createServer, type AddressInfo, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import pg from "pg";
import type { NotificationBackend } from "stentjs";
import {
  postgresNotifications,
  type PostgresNotificationsOptions,
} from "../../src/notify/postgres.ts";
import { listening, opened, outputOf, warnings } from "../support/hints.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { MemoryLogger } from "../support/memory-logger.ts";
import { PostgresServer } from "../support/postgres-server.ts";
import { postgresUrl } from "../support/postgres.ts";
import { until } from "../support/serving.ts";

describe("hints through PostgreSQL", () => {
  let url = "";
  before(async () => {
    url = await postgresUrl();
  });

  test("reach the listeners of other connections, and not the publisher's own", async (t) => {
    const channel = freshChannel();
    const here = await listening(t, through(url, channel));
    const there = await listening(t, through(url, channel));
    const elsewhere = await listening(t, through(url, freshChannel()));

    await here.backend.publish(["queue", "execution:1"]);
    await until("told", () => there.told.length > 0);
    await there.backend.publish(["workers"]);
    await until("told back", () => here.told.length > 0);

    assert.deepEqual(there.told, [["queue", "execution:1"]]);
    assert.deepEqual(here.told, [["workers"]]);
    assert.deepEqual(elsewhere.told, []);
  });

  test("can be published by who listens to nothing", async (t) => {
    const channel = freshChannel();
    const { told } = await listening(t, through(url, channel));
    await opened(t, through(url, channel)).publish(["a"]);
    await until("told", () => told.length > 0);
    assert.deepEqual(told, [["a"]]);
  });

  test("of one turn of the event loop are one NOTIFY, and those of many turns are few", async (t) => {
    const channel = freshChannel();
    const { told } = await listening(t, through(url, channel));
    const here = await listening(t, through(url, channel));
    for (let count = 0; count < 10_000; count += 1) {
      void here.backend.publish([`execution:${count % 50}`]);
    }
    await until("told", () => told.length > 0);
    assert.equal(told.length, 1);
    assert.equal(told[0]?.length, 50);

    const startedAt = performance.now();
    for (let turn = 0; turn < 2_000; turn += 1) {
      await here.backend.publish([`turn:${turn % 50}`]);
      await new Promise(setImmediate);
    }
    await here.backend.publish(["last"]);
    await until("told of the last", () => told.at(-1)?.includes("last"));
    const elapsedMs = performance.now() - startedAt;
    assert.ok(told.length <= 3 + elapsedMs / 4, `${told.length} in ${elapsedMs} ms`);
  });

  test("leave gaps, so that what commits work seldom meets their lock", async (t) => {
    const channel = freshChannel();
    const here = await listening(t, through(url, channel));
    const there = opened(t, through(url, channel));
    const awake = setInterval(() => undefined, 1_000); // hints alone keep no process alive
    t.after(() => clearInterval(awake));
    let tell: () => void = () => undefined;
    await there.subscribe(() => tell());
    const startedAt = performance.now();
    for (let count = 0; count <= 20; count += 1) {
      const told = new Promise<void>((resolve) => (tell = resolve));
      await here.backend.publish(["a"]);
      await told;
    }
    assert.ok(performance.now() - startedAt > 19 * 4);
  });

  test("fill a payload as far as it goes, and what is too much becomes one topic a kind", async (t) => {
    const channel = freshChannel();
    const { told } = await listening(t, through(url, channel));
    const here = opened(t, through(url, channel));
    const topics = Array.from({ length: 620 }, (_, count) => `é\u0000":${count}`);
    for (const [size, expected] of [
      [310, 310],
      [620, 1],
    ] as const) {
      await here.publish(topics.slice(0, size));
      await until("told", () => told.length > 0);
      assert.equal(told.splice(0)[0]?.length, expected);
    }
  });

  test("keep no process alive, and need no close", async () => {
    const script = `
      import pg from "pg";
      import { postgresNotifications } from ${JSON.stringify(import.meta.resolve("../../src/notify/postgres.ts"))};
      const [connectionString] = process.argv.slice(1);
      const backend = postgresNotifications({ name: "PostgreSQL", channel: "alone", connect: async () => {
        const client = new pg.Client({ connectionString });
        await client.connect();
        return client;
      } });
      const waiting = setTimeout(() => {}, 60_000);
      await backend.subscribe((topics) => { console.log(topics.join()); clearTimeout(waiting); });`;
    assert.equal(await outputOf(script, url), "*\n");
  });

  test("come back after the connection was ended, with word that some were missed; it is warned of once", async (t) => {
    const channel = freshChannel();
    const log = new MemoryLogger();
    const application_name = freshChannel();
    const { told } = await listening(
      t,
      through(url, channel, {
        log,
        connect: () => client({ connectionString: url, application_name }),
      }),
    );
    const admin = await client({ connectionString: url });
    t.after(() => admin.end());
    await admin.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1",
      [application_name],
    );

    await until("told that some were missed", () => told.length > 0);
    await opened(t, through(url, channel)).publish(["a"]);
    await until("told", () => told.length > 1);

    assert.deepEqual(told, [["*"], ["a"]]);
    assert.equal(warnings(log).length, 1);
    assert.match(warnings(log)[0] ?? "", /^the database cannot be reached.*polling/);
  });

  test("come back when the network was gone without a word", async (t) => {
    await using proxy = await deadEnd(url);
    const channel = freshChannel();
    const clock = new ManualClock();
    const log = new MemoryLogger();
    const { told } = await listening(t, through(proxy.url, channel, { clock, log }));
    proxy.cut();
    await clock.advanceAsync(5_000);
    await clock.advanceAsync(2_000);
    proxy.mend();
    await until("told that some were missed", async () => {
      await clock.advanceAsync(100);
      return told.length > 0;
    });
    await opened(t, through(url, channel)).publish(["a"]);
    await until("told", () => told.some(([topic]) => topic === "a"));
    assert.match(warnings(log)[0] ?? "", /the answer to a probe took longer than 2000 ms/);
  });

  test("are given up by a connection that does not hear itself, as through some poolers", async (t) => {
    const log = new MemoryLogger();
    const connect = async (): Promise<pg.Client> => {
      const deaf = await client({ connectionString: url });
      const query = deaf.query.bind(deaf) as (text: string, values?: string[]) => Promise<unknown>;
      deaf.query = ((text: string, values?: string[]) =>
        query(text.startsWith("listen") ? "select 1" : text, values)) as never;
      return deaf;
    };
    const backend = opened(t, through(url, freshChannel(), { log, connect }));
    await backend.subscribe(() => assert.fail("hears something"));
    await until("warned", () => warnings(log).length > 0);
    assert.match(warnings(log)[0] ?? "", /not one of a pooler in transaction mode/);
  });

  test("want a channel that is a safe name", () => {
    for (const channel of ["", 'a"; drop table x', "a-b", "1a", "x".repeat(64)]) {
      assert.throws(() => through(url, channel), TypeError);
    }
  });

  describe("when nobody connects", () => {
    test("are no reason to wait, to fail, or to warn twice", async (t) => {
      const log = new MemoryLogger();
      const connect = (): Promise<never> => Promise.reject(new Error("no such host"));
      const backend = opened(t, through(url, freshChannel(), { log, connect }));
      await backend.subscribe(() => undefined);
      for (let count = 0; count < 1_000; count += 1) {
        await backend.publish([`t${count}`]);
        await new Promise(setImmediate);
      }
      await until("warned", () => warnings(log).length > 0);
      await backend.close();
      assert.equal(warnings(log).length, 1);
      assert.match(warnings(log)[0] ?? "", /\(no such host\)$/);
    });

    test("let it be closed, and end a client that comes too late", async () => {
      let come: (client: pg.Client) => void = () => undefined;
      const connect = (): Promise<pg.Client> =>
        new Promise((resolve) => {
          come = resolve;
        });
      const backend = through(url, freshChannel(), { connect });
      await backend.subscribe(() => undefined);
      await backend.publish(["a"]);
      await backend.close();
      const late = await client({ connectionString: url });
      let hasEnded = false;
      late.on("end", () => (hasEnded = true));
      come(late);
      await until("ended", () => hasEnded);
    });
  });
});

describe("when PostgreSQL is away, hints", () => {
  let server: PostgresServer;
  before(async () => {
    server = await PostgresServer.create();
  });
  after(() => server[Symbol.asyncDispose]());

  test("are late, and arrive again after kill and start, with word that some were missed", async (t) => {
    const log = new MemoryLogger();
    const here = opened(t, through(server.url, "stent", { log }));
    const { told } = await listening(t, through(server.url, "stent"));
    await here.publish(["before"]);
    await until("told before", () => told.length === 1);

    await server.stop("kill");
    await until("noticed", () => warnings(log).length > 0);
    for (let count = 0; count < 50; count += 1) {
      await here.publish([`during:${count % 3}`]);
      await new Promise(setImmediate);
    }
    await server.start();

    await until("told that some were missed", () => told.some(([topic]) => topic === "*"));
    await until("told again", async () => {
      await here.publish(["after"]);
      return told.some((topics) => topics.includes("after"));
    });
    assert.equal(warnings(log).length, 1);
  });

  test("let it be closed at once", async (t) => {
    const { backend } = await listening(t, through(server.url, "stent"));
    await server.stop("fast");
    await backend.publish(["a"]);
    await backend.close();
    await backend.close();
    await server.start();
  });
});

function through(
  url: string,
  channel: string,
  options: Partial<PostgresNotificationsOptions> = {},
): NotificationBackend {
  const connect = (): Promise<pg.Client> => client({ connectionString: url });
  return postgresNotifications({ name: "the database", channel, connect, ...options });
}

async function client(config: pg.ClientConfig): Promise<pg.Client> {
  const made = new pg.Client(config);
  made.on("error", () => undefined);
  await made.connect();
  return made;
}

function freshChannel(): string {
  return `test_${Math.random().toString(36).slice(2)}`;
}

/** A way to the server that can be cut so that neither side notices. */
async function deadEnd(url: string) {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  let isCut = false;
  const proxy = createServer((near) => {
    const far = connectTo(Number(target.port), target.hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("error", () => undefined);
      from.on("data", (data) => {
        if (!isCut) to.write(data);
      });
      from.on("close", () => {
        if (!isCut) to.destroy();
      });
    }
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const here = new URL(url);
  here.port = String((proxy.address() as AddressInfo).port);
  return {
    url: here.href,
    cut: () => {
      isCut = true;
    },
    mend: () => {
      isCut = false;
    },
    [Symbol.asyncDispose]: async () => {
      proxy.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
