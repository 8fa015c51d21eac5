import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Cluster, Redis } from "ioredis";
import { redis } from "stentjs";
import { listening, opened, outputOf, plainClient, scoped, warnings } from "../support/hints.ts";
import { MemoryLogger } from "../support/memory-logger.ts";
import { needsRedisServer, RedisServer } from "../support/redis.ts";
import { until } from "../support/serving.ts";

describe("hints through a Redis of the test's own", needsRedisServer, () => {
  describe("when it is away", () => {
    for (const how of ["stop", "kill"] as const) {
      test(`are late, and after ${how} and start arrive again, with word that some were missed`, async (t) => {
        await using server = await RedisServer.create();
        const log = new MemoryLogger();
        const here = opened(t, scoped(redis(server.url), "n", log));
        const { told } = await listening(t, scoped(redis(server.url), "n", log));
        await here.publish(["before"]);
        await until("told before", () => told.length === 1);

        await server[how]();
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
      });
    }

    test("are warned of once an outage", async (t) => {
      await using server = await RedisServer.create();
      const log = new MemoryLogger();
      const { backend, told } = await listening(t, scoped(redis(server.url), "n", log));
      await backend.publish(["a"]);
      for (const outage of [1, 2]) {
        await server.kill();
        await until("noticed", () => warnings(log).length === outage);
        await backend.publish(["lost"]);
        told.length = 0;
        await server.start();
        await until("told", () => told.length > 0);
        await until(
          "back",
          () => log.lines.filter(({ level }) => level === "info").length === outage,
        );
      }
      assert.equal(warnings(log).length, 2);
      assert.match(warnings(log)[0] ?? "", /Redis at 127\.0\.0\.1:\d+ cannot be reached.*polling/);
    });

    test("can be subscribed to and published before Redis is there", async (t) => {
      await using server = await RedisServer.create();
      await server.stop();
      const told: (readonly string[])[] = [];
      const backend = opened(t, redis(server.url));
      await backend.subscribe((topics) => told.push(topics));
      await backend.publish(["a"]);
      await server.start();
      await until("told", () => told.length > 0);
      assert.deepEqual(told, [["*"]]);
    });

    test("let it be closed, and neither timers nor connections are left", async () => {
      await using server = await RedisServer.create();
      await server.stop();
      const script = `
      import { redis } from ${JSON.stringify(import.meta.resolve("../../src/index.ts"))};
      const backend = redis(process.argv[1]);
      await backend.subscribe(() => {});
      for (let count = 0; count < 20; count++) {
        await backend.publish(["a"]);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await Promise.all([backend.close(), backend.close()]);
      await backend.publish(["b"]);
      for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
      console.log(process.getActiveResourcesInfo().filter((name) => /Timeout|TCP/.test(name)));`;
      assert.equal(await outputOf(script, server.url), "[]\n");
    });

    test("let it be closed while Redis is frozen", async (t) => {
      await using server = await RedisServer.create();
      const { backend } = await listening(t, redis(server.url));
      server.freeze();
      await backend.publish(["a"]);
      await backend.close();
      server.thaw();
    });

    test("find out that Redis is frozen by a publish that is not answered", async (t) => {
      await using server = await RedisServer.create();
      const log = new MemoryLogger();
      const backend = opened(t, scoped(redis(server.url), "n", log));
      const { told } = await listening(t, scoped(redis(server.url), "n"));
      await backend.publish(["a"]);
      await until("told before", () => told.length > 0);
      server.freeze();
      await backend.publish(["b"]);
      await until("noticed", () => warnings(log).length > 0);
      server.thaw();
      await until("told", () => told.some((topics) => topics.includes("b")));
      assert.match(warnings(log)[0] ?? "", /publishing took longer than 1000 ms/);
    });
  });

  describe("a password of Redis", () => {
    test("is used, and stands in no line of the log where it is wrong", async (t) => {
      await using server = await RedisServer.create({ settings: { requirepass: "right/secret" } });
      const at = (password: string): string =>
        `redis://:${encodeURIComponent(password)}@127.0.0.1:${server.port}`;
      const { told } = await listening(t, redis(at("right/secret")));
      const log = new MemoryLogger();
      const wrong = opened(t, scoped(redis(at("wrong/secret")), undefined, log));
      await wrong.subscribe(() => undefined);
      for (let count = 0; count < 20; count += 1) {
        await wrong.publish(["a"]);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await opened(t, redis(at("right/secret"))).publish(["b"]);
      await until("told", () => told.length > 0);
      assert.deepEqual(told, [["b"]]);
      assert.equal(warnings(log).length, 1);
      assert.match(warnings(log)[0] ?? "", /WRONGPASS/);
      assert.doesNotMatch(JSON.stringify(log.lines), /wrong.?secret/);
    });
  });

  describe("a cluster", () => {
    test("passes hints on, whichever of its nodes they come by", async (t) => {
      const folder = mkdtempSync(join(tmpdir(), "stent-cluster-"));
      t.after(() => rmSync(folder, { recursive: true }));
      await using first = await clusterNode(folder, "first");
      await using second = await clusterNode(folder, "second");
      await using client = plainClient(first.url);
      await client.redis.cluster("ADDSLOTSRANGE", 0, 16_383);
      await client.redis.cluster("MEET", "127.0.0.1", second.port);
      for (const { url } of [first, second]) {
        await using node = plainClient(url);
        await until("the cluster is ready", async () => {
          const info = await node.redis.cluster("INFO");
          return info.includes("cluster_state:ok") && info.includes("known_nodes:2");
        });
      }
      const cluster = new Cluster([{ host: "127.0.0.1", port: first.port }], { lazyConnect: true });
      t.after(() => cluster.disconnect());
      const { told } = await listening(t, redis(cluster));
      const outside = await listening(t, redis(second.url));

      await opened(t, redis(cluster)).publish(["a"]);
      await until("told", () => told.length > 0 && outside.told.length > 0);

      assert.deepEqual([told, outside.told], [[["a"]], [["a"]]]);
      assert.equal(cluster.status, "ready");
    });
  });

  describe("Redis behind Sentinel", () => {
    test("is found, and found again", async (t) => {
      const folder = mkdtempSync(join(tmpdir(), "stent-sentinel-"));
      t.after(() => rmSync(folder, { recursive: true }));
      await using server = await RedisServer.create();
      const file = join(folder, "sentinel.conf");
      writeFileSync(file, `sentinel monitor main 127.0.0.1 ${server.port} 1\n`);
      await using sentinel = await RedisServer.create({ file, sentinel: true });
      const sentinels = [{ host: "127.0.0.1", port: sentinel.port }];
      const client = new Redis({ sentinels, name: "main", lazyConnect: true });
      const log = new MemoryLogger();
      const { told, backend } = await listening(t, scoped(redis(client), undefined, log));
      const other = await listening(t, redis(server.url));

      await server.kill();
      await until("noticed", () => warnings(log).length > 0);
      await server.start();
      await until("told that some were missed", () => told.length > 0);
      await until("told", async () => {
        await backend.publish(["a"]);
        return other.told.some((topics) => topics.includes("a"));
      });

      assert.match(warnings(log)[0] ?? "", /Redis "main" behind Sentinel/);
    });
  });
});

function clusterNode(folder: string, name: string): Promise<RedisServer> {
  return RedisServer.create({
    settings: {
      "cluster-enabled": "yes",
      "cluster-config-file": join(folder, name),
      "cluster-announce-ip": "127.0.0.1",
    },
  });
}
