import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Redis } from "ioredis";
import { redis } from "stentjs";
import {
  freshChannel,
  listening,
  opened,
  plainClient,
  runScript,
  scoped,
  warnings,
} from "../support/hints.ts";
import { MemoryLogger } from "../support/memory-logger.ts";
import { needsRedis, sharedRedis } from "../support/redis.ts";
import { until } from "../support/serving.ts";

describe("hints through Redis", needsRedis, () => {
  let url = "";
  let end: (this: void) => Promise<void>;
  before(async () => ({ url, end } = await sharedRedis()));
  after(() => end());

  test("reach the listeners of another connection", async (t) => {
    const channel = freshChannel();
    const here = opened(t, redis(url, { channel }));
    const there = await listening(t, redis(url, { channel }));

    await here.publish(["queue", "execution:1"]);

    await until("told", () => there.told.length > 0);
    assert.deepEqual(there.told, [["queue", "execution:1"]]);
  });

  test("reach another process", async (t) => {
    const channel = freshChannel();
    const { told } = await listening(t, redis(url, { channel }));
    const script = `
      import { redis } from ${JSON.stringify(import.meta.resolve("../../src/index.ts"))};
      const backend = redis(process.argv[1], { channel: process.argv[2] });
      const waiting = setTimeout(() => {}, 60_000); // hints keep no process alive
      await new Promise((resolve) => void backend.subscribe(resolve));
      clearTimeout(waiting);
      await backend.publish(["from:another"]);
      await backend.close();`;

    const status = await runScript(script, url, channel);

    assert.equal(status, 0);
    await until("told", () => told.length > 0);
    assert.deepEqual(told, [["from:another"]]);
  });

  test("of one turn of the event loop are one message, each topic once", async (t) => {
    const channel = freshChannel();
    const here = opened(t, redis(url, { channel }));
    const { told } = await listening(t, redis(url, { channel }));
    for (let count = 0; count < 10_000; count += 1) {
      void here.publish([`execution:${count % 100}`]);
    }
    await until("told", () => told.length > 0);
    await here.publish(["last"]);
    await until("told of the last", () => told.at(-1)?.includes("last"));
    assert.equal(told.length, 2);
    assert.equal(told[0]?.length, 100);
  });

  test("that are too many for one message become one a kind", async (t) => {
    const channel = freshChannel();
    const here = opened(t, redis(url, { channel }));
    const { told } = await listening(t, redis(url, { channel }));
    for (let count = 0; count < 10_000; count += 1) {
      void here.publish([`execution:00000000-0000-0000-0000-${count}`]);
    }
    await until("told", () => told.length > 0);
    assert.deepEqual(told, [["execution:*"]]);
  });

  test("of its own are not told to a backend's own listeners", async (t) => {
    const channel = freshChannel();
    const here = opened(t, redis(url, { channel }));
    const own = await listening(t, here);
    const there = await listening(t, redis(url, { channel }));

    await here.publish(["mine"]);
    await until("told", () => there.told.length > 0);
    await there.backend.publish(["theirs"]);

    await until("told back", () => own.told.length > 0);
    assert.deepEqual(own.told, [["theirs"]]);
  });

  test("stay within their channel, and within their namespace", async (t) => {
    const channel = freshChannel();
    const inA = await listening(t, scoped(redis(url, { channel }), "a"));
    const inB = await listening(t, scoped(redis(`${url}?channel=${channel}`), "b"));
    const elsewhere = await listening(t, redis(url, { channel: freshChannel() }));

    await opened(t, scoped(redis(url, { channel }), "b")).publish(["for b"]);
    await until("told", () => inB.told.length > 0);
    await opened(t, scoped(redis(url, { channel }), "a")).publish(["for a"]);
    await until("told", () => inA.told.length > 0);

    assert.deepEqual(inA.told, [["for a"]]);
    assert.deepEqual(inB.told, [["for b"]]);
    assert.deepEqual(elsewhere.told, []);
  });

  test('begin with "*", which says that earlier ones may have been missed; for who joins later, too', async (t) => {
    const backend = opened(t, redis(url, { channel: freshChannel() }));
    for (const listener of [[], []] as (readonly string[])[][]) {
      await backend.subscribe((topics) => listener.push(topics));
      await until("subscribed", () => listener.length > 0);
      assert.deepEqual(listener, [["*"]]);
    }
  });

  test("reach the others when a listener throws; that is reported once", async (t) => {
    const channel = freshChannel();
    const log = new MemoryLogger();
    const backend = opened(t, scoped(redis(url, { channel }), "n", log));
    await backend.subscribe(() => {
      throw new Error("boom");
    });
    await backend.subscribe(() => Promise.reject(new Error("boom")) as never);
    const { told } = await listening(t, backend);
    const there = opened(t, scoped(redis(url, { channel }), "n"));

    await there.publish(["a"]);
    await until("told", () => told.length === 1);
    await there.publish(["b"]);

    await until("told again", () => told.length === 2);
    assert.deepEqual(warnings(log), [
      "a listener of hints failed: Error: boom; this is not reported again",
    ]);
  });

  test("no longer reach who has left", async (t) => {
    const channel = freshChannel();
    const { told, leave, backend } = await listening(t, redis(url, { channel }));
    const stays = await listening(t, backend);
    await leave();
    await opened(t, redis(url, { channel })).publish(["a"]);
    await until("told", () => stays.told.length > 0);
    assert.deepEqual(told, []);
  });

  test("come from what cannot be read as well: something has changed", async (t) => {
    const channel = freshChannel();
    const { told } = await listening(t, redis(url, { channel }));
    await using client = plainClient(url);
    for (const text of ["no json", "[]", '{"topics":[1]}', `"${"x".repeat(100_000)}"`]) {
      await client.redis.publish(channel, text);
    }
    await until("told", () => told.length === 4);
    assert.deepEqual(
      told,
      Array.from({ length: 4 }, () => ["*"]),
    );
  });

  test("use the database that the URL names", async (t) => {
    const at = new URL(url);
    at.pathname = "/3";
    at.searchParams.set("connectionName", freshChannel());
    await listening(t, redis(at.href));
    await using client = plainClient(url);
    const clients = String(await client.redis.client("LIST"));
    const name = at.searchParams.get("connectionName") ?? "";
    assert.match(clients.split("\n").find((line) => line.includes(name)) ?? "", / db=3 /);
  });

  test("leave no connection at the server once they are closed", async (t) => {
    const channel = freshChannel();
    const at = new URL(url);
    at.search = new URLSearchParams({
      channel,
      connectionName: channel,
      lazyConnect: "",
    }).toString();
    const { backend } = await listening(t, redis(at.href));
    const there = await listening(t, redis(url, { channel }));
    await backend.publish(["a"]);
    await until("told", () => there.told.length > 0);
    await using client = plainClient(url);
    const connections = async (): Promise<number> =>
      String(await client.redis.client("LIST")).split(` name=${channel} `).length - 1;
    assert.equal(await connections(), 2);
    await backend.close();
    await until("gone", async () => (await connections()) === 0);
  });

  test("travel over RESP2 as well", async (t) => {
    const channel = freshChannel();
    const { told } = await listening(t, redis(`${url}?protocol=2`, { channel }));
    await opened(t, redis(`${url}?protocol=2`, { channel })).publish(["a"]);
    await until("told", () => told.length > 0);
    assert.deepEqual(told, [["a"]]);
  });

  test("keep no process alive, and need no close", async () => {
    const script = `
      import { redis } from ${JSON.stringify(import.meta.resolve("../../src/index.ts"))};
      const [url, channel] = process.argv.slice(1);
      const backend = redis(url, { channel });
      await new Promise((resolve) => {
        const keep = setTimeout(() => {}, 60_000);
        void backend.subscribe(() => { clearTimeout(keep); resolve(); });
      });
      await backend.publish(["a"]);`;
    assert.equal(await runScript(script, url, freshChannel()), 0);
  });

  describe("over a client that is handed in", () => {
    test("leave that one alone", async (t) => {
      const channel = freshChannel();
      await using client = plainClient(url);
      client.redis.options.keyPrefix = "prefix:";
      const backend = redis(client.redis, { channel });
      const { told } = await listening(t, backend);
      const there = await listening(t, redis(url, { channel }));

      await backend.publish(["a"]);
      await there.backend.publish(["b"]);
      await until("told", () => told.length > 0 && there.told.length > 0);
      await backend.close();

      assert.deepEqual([told, there.told], [[["b"]], [["a"]]]);
      assert.equal(await client.redis.ping(), "PONG");
      assert.equal(client.redis.listenerCount("error"), 1);
    });

    test("that has not connected do not connect it", async (t) => {
      const client = new Redis(url, { lazyConnect: true });
      await listening(t, redis(client, { channel: freshChannel() }));
      assert.equal(client.status, "wait");
    });
  });
});
