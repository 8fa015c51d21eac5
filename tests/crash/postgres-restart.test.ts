/** The server goes away and comes back while processes work on it: they go on by themselves, and nothing is lost or done twice. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { PostgresProxy } from "../support/postgres-proxy.ts";
import { PostgresServer } from "../support/postgres-server.ts";
import { Chance } from "./chance.ts";
import { postgresDatabase } from "./database.ts";
import type { Line } from "./external-log.ts";
import { checkMoment, checkNothingTwice, checkResults, checkWorld } from "./invariants.ts";
import { planOf } from "./plan.ts";
import { endedWell, Scene } from "./processes.ts";
import { read, snapshotOf } from "./snapshot.ts";
import { builtPlace, usualBackend } from "./stage.ts";

const chance = Chance.fromEnvironment();
const place = builtPlace();
const [size, cuts] = usualBackend === "postgres" ? [40, 30] : [8, 6];
/** No lease is lost by an outage of the server. */
const serve = { leaseDuration: "20s", pollInterval: "50ms", pollIntervalMax: "200ms" } as const;

test(`the server is restarted in the middle of commits, in every way (${chance.told})`, (t) =>
  disturbed(t, "restarted", async (server, scene) => {
    for (const mode of ["fast", "immediate", "kill"] as const) {
      await progress(scene, 10);
      await pause(chance.upTo(30));
      await server.restart(mode);
    }
  }));

test(`connections for commits are ended at random (${chance.told})`, (t) =>
  disturbed(t, "ended", async (_, scene) => {
    for (let n = 0; n < 30; n++) {
      await pause(chance.upTo(40));
      await scene.database.look((query) =>
        query(
          "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'stent commit'",
        ),
      );
    }
  }));

const fates = ["answer lost", "lost", "held"] as const;

test(`commits are cut off at random, on a slow network (${chance.told})`, (t) =>
  disturbed(t, "cut", async (_, scene, proxy) => {
    for (let n = 0; n < cuts; n++) {
      const fate = fates[chance.upTo(fates.length) - 1] ?? "lost";
      const met = proxy.nextCommit(fate);
      await Promise.race([met, scene.until("nothing is left", isOver)]);
      if (fate === "held") setTimeout(() => void proxy.release(), chance.upTo(300));
    }
  }));

async function isOver(lines: readonly Line[]): Promise<boolean> {
  return lines.some((line) => line.what === "note" && line.text === "done");
}

async function disturbed(
  t: TestContext,
  name: string,
  disturb: (server: PostgresServer, scene: Scene, proxy: PostgresProxy) => Promise<void>,
): Promise<void> {
  const server = await PostgresServer.create();
  const proxy = await PostgresProxy.to(server.url);
  proxy.delayMs = 1;
  t.after(async () => {
    await proxy[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });
  const database = await postgresDatabase(server.url);
  const scene = new Scene(t, { ...place, name, database });
  const way = { database: { url: proxy.url } };
  const worker = scene.start({ ...way, serve });
  const client = scene.start({ ...way, serve, load: size });
  await scene.until("both serve", (lines) => {
    const ready = lines.filter((line) => line.what === "note" && line.text === "ready");
    return ready.length === 2;
  });
  await disturb(server, scene, proxy);
  await endedWell(client, 60_000, scene);
  checkMoment(await read(database));
  worker.kill("SIGTERM");
  assert.deepEqual(await worker.ended, { code: 0, signal: null, stderr: "" });
  const lines = scene.lines();
  const end = await snapshotOf(database);
  const reopened = new Set(planOf(size).filter((id) => id.startsWith("mended")));
  checkMoment(end);
  checkWorld(lines, end, reopened);
  checkNothingTwice(lines, new Set());
  checkResults(lines, planOf(size), end);
}

/** Waits until so many more activities have run. */
async function progress(scene: Scene, more: number): Promise<void> {
  const ended = (): number => scene.lines().filter((line) => line.what === "end").length;
  const known = ended();
  await scene.until("there is progress", () => ended() >= known + more);
}
