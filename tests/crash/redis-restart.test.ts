/** Redis goes away and comes back while processes are told by it what others did: they find everything by polling meanwhile. */
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { PostgresProxy } from "../support/postgres-proxy.ts";
import { plainClient } from "../support/hints.ts";
import { needsRedisServer, RedisServer } from "../support/redis.ts";
import type { Line } from "./external-log.ts";
import { checkMoment, checkNothingTwice, checkResults, checkWorld } from "./invariants.ts";
import { planOf } from "./plan.ts";
import { endedWell, type Child, type Scene, type SceneTask } from "./processes.ts";
import { read, snapshotOf } from "./snapshot.ts";
import { stage, usualBackend } from "./stage.ts";

const sceneOf = stage("postgres");
const [size, outages] = usualBackend === "postgres" ? [25, 6] : [6, 2];
const workers = 3;
/** How many executions nobody but Redis tells of. */
const told = 5;

describe("Redis beside PostgreSQL", needsRedisServer, () => {
  test("is killed and started again while three workers and a client work, and everything ends", async (t) => {
    await using redis = await RedisServer.create();
    const scene = await sceneOf(t, "redis");
    // No lease is lost by it.
    const serve = { leaseDuration: "20s", pollInterval: "50ms", pollIntervalMax: "200ms" } as const;
    const way = { notifications: redis.url };
    const fleet = await started(scene, { ...way, serve });
    const client = scene.start({ ...way, serve: false, load: size });
    for (let outage = 1; outage <= outages; outage++) {
      await redis.kill();
      await scene.until("they have noticed", (lines) => saidByAll(fleet, lines, away, outage));
      await redis.start();
      await scene.until("they reach it", (lines) => saidByAll(fleet, lines, back, outage));
    }
    await endedWell(client, 60_000, scene);
    await stoppedWell(fleet);
    const lines = scene.lines();
    const end = await snapshotOf(scene.database);
    checkMoment(end);
    checkWorld(lines, end, new Set(planOf(size).filter((id) => id.startsWith("mended"))));
    checkNothingTwice(lines, new Set());
    checkResults(lines, planOf(size), end);
    assert.deepEqual(
      lines.filter((line) => line.what === "log" && line.level === "error"),
      [],
    );
  });

  test("wakes workers again once it is back, which nothing else does", async (t) => {
    await using redis = await RedisServer.create();
    const scene = await sceneOf(t, "redis-alone");
    const way = { notifications: redis.url, database: { url: await withoutListen(t, scene) } };
    const serve = { pollInterval: "1h", pollIntervalMax: "1h" } as const;
    const fleet = await started(scene, { ...way, serve });
    await redis.kill();
    await scene.until("they have noticed", (lines) => saidByAll(fleet, lines, away, 1));
    await redis.start();
    await scene.until("they listen", async () => (await listenersOf(redis)) === workers);
    for (let n = 1; n <= told; n++) {
      const client = scene.start({
        ...way,
        serve: false,
        dispatch: [{ shape: "sequence", id: `told-${n}`, args: [n] }],
      });
      assert.deepEqual(await client.ended, { code: 0, signal: null, stderr: "" });
      await scene.until("somebody was woken, and it ends", async () => {
        const { executions } = await read(scene.database);
        return executions.filter((row) => row.ended_at !== null).length === n;
      });
    }
    await stoppedWell(fleet);
  });
});

const away = /^Redis .* cannot be reached/;
const back = /^Redis .* can be reached again/;

/** Worker processes that serve. */
async function started(scene: Scene, task: SceneTask): Promise<Child[]> {
  const fleet = Array.from({ length: workers }, () => scene.start(task));
  await scene.until("all serve", (lines) => {
    const ready = lines.filter((line) => line.what === "note" && line.text === "ready");
    return ready.length === workers;
  });
  return fleet;
}

async function stoppedWell(fleet: readonly Child[]): Promise<void> {
  for (const child of fleet) child.kill("SIGTERM");
  assert.deepEqual(
    await Promise.all(fleet.map(({ ended }) => ended)),
    fleet.map(() => ({ code: 0, signal: null, stderr: "" })),
  );
}

/** Whether each of them has said so that often: it does once an outage. */
function saidByAll(
  fleet: readonly Child[],
  lines: readonly Line[],
  what: RegExp,
  times: number,
): boolean {
  return fleet.every(({ pid }) => {
    const said = lines.filter(
      (line) => line.what === "log" && line.pid === pid && what.test(line.message),
    );
    return said.length >= times;
  });
}

/** How many connections are subscribed to what Stent publishes. */
async function listenersOf(server: RedisServer): Promise<number> {
  await using client = plainClient(server.url);
  const channels = (await client.redis.pubsub("CHANNELS", "stent*")) as string[];
  const counts = (await client.redis.pubsub("NUMSUB", ...channels)) as (string | number)[];
  return counts.reduce<number>((sum, count) => sum + (typeof count === "number" ? count : 0), 0);
}

/** A way to the scene's database that lets nobody hear by NOTIFY. */
async function withoutListen(t: TestContext, { database }: Scene): Promise<string> {
  if (!("url" in database.place)) throw new Error("it is no server's");
  const proxy = await PostgresProxy.to(database.place.url);
  proxy.refused = 'listen "';
  t.after(() => proxy[Symbol.asyncDispose]());
  return proxy.url;
}
