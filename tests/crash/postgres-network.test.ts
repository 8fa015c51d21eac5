/** The network between processes and their database stalls and breaks, each its own: they go on by themselves, and nothing is lost. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { PostgresProxy } from "../support/postgres-proxy.ts";
import { Chance } from "./chance.ts";
import { checkMoment, checkResults, checkWorld } from "./invariants.ts";
import { planOf } from "./plan.ts";
import { endedWell, type Child, type Scene } from "./processes.ts";
import { read, snapshotOf } from "./snapshot.ts";
import { stage, usualBackend } from "./stage.ts";

const sceneOf = stage("postgres");
const chance = Chance.fromEnvironment();
/** All of it takes long: `npm test` does a part. */
const [size, disturbances] = usualBackend === "postgres" ? [25, 40] : [4, 12];
const workers = 3;
const leaseMs = 2_000;
const serve = {
  leaseDuration: `${leaseMs}ms`,
  pollInterval: "50ms",
  pollIntervalMax: "200ms",
  maxConcurrency: 5,
  /** Whoever runs is an innocent here. */
  maxClaims: 1_000,
} as const;

/** A process, and its way to the database. */
interface Place {
  readonly child: Child;
  readonly proxy: PostgresProxy;
}

test(`three worker processes behind networks that stall and break go on (${chance.told})`, async (t) => {
  const scene = await sceneOf(t, "network");
  const fleet = await Promise.all(
    Array.from({ length: workers }, () => behindProxy(t, scene, { serve })),
  );
  await scene.until("all serve", (lines) => {
    const ready = lines.filter((line) => line.what === "note" && line.text === "ready");
    return ready.length === workers;
  });
  const client = await behindProxy(t, scene, { serve: false, load: size });
  await scene.until("they are at work", (lines) => lines.some((line) => line.what === "start"));
  const healing: Promise<void>[] = [];
  for (let n = 0; n < disturbances; n++) {
    await pause(chance.upTo(300));
    const kind = kinds[chance.upTo(kinds.length) - 1] ?? "cut";
    // A client is not stopped: it holds no lease.
    const all = kind === "stopped" ? fleet : [...fleet, client];
    const place = all[chance.upTo(all.length) - 1] ?? client;
    healing.push(disturb[kind](place, scene));
    checkMoment(await read(scene.database));
  }
  await Promise.all(healing);
  await endedWell(client.child, 90_000, scene);
  for (const { child } of fleet) child.kill("SIGTERM");
  assert.deepEqual(
    await Promise.all(fleet.map(({ child }) => child.ended)),
    fleet.map(() => ({ code: 0, signal: null, stderr: "" })),
  );
  const lines = scene.lines();
  const end = await snapshotOf(scene.database);
  checkMoment(end);
  checkWorld(lines, end, new Set(planOf(size).filter((id) => id.startsWith("mended"))));
  checkResults(lines, planOf(size), end);
});

/** What happens to one process and its way; resolves once it is over. */
const disturb = {
  "stalled for a moment": ({ proxy }) => stalled(proxy, chance.upTo(leaseMs / 2)),
  "stalled past the lease": ({ proxy }) => stalled(proxy, pastTheLease()),
  cut: async ({ proxy }) => proxy.cut(() => chance.upTo(2) === 1),
  "answer lost": async ({ proxy }) => void proxy.nextCommit("answer lost"),
  async stopped({ child }) {
    child.kill("SIGSTOP");
    await pause(pastTheLease());
    child.kill("SIGCONT");
  },
  terminated: (_, scene) =>
    scene.database.look(async (query) => {
      const sessions = await query<{ pid: number }>(
        "select pid from pg_stat_activity where datname = current_database() and application_name <> 'stent crash test' and application_name like 'stent %' order by pid",
      );
      const one = sessions[chance.upTo(sessions.length) - 1];
      if (one !== undefined) await query(`select pg_terminate_backend(${one.pid})`);
    }),
} satisfies Record<string, (place: Place, scene: Scene) => Promise<void>>;
const kinds = Object.keys(disturb) as (keyof typeof disturb)[];

async function stalled(proxy: PostgresProxy, ms: number): Promise<void> {
  proxy.stall();
  await pause(ms);
  proxy.resume();
}

function pastTheLease(): number {
  return leaseMs + chance.upTo(1_500);
}

async function behindProxy(
  t: TestContext,
  scene: Scene,
  task: Parameters<Scene["start"]>[0],
): Promise<Place> {
  if (!("url" in scene.database.place)) throw new Error("it is no server's");
  const proxy = await PostgresProxy.to(scene.database.place.url);
  t.after(() => proxy[Symbol.asyncDispose]());
  return { proxy, child: scene.start({ ...task, database: { url: proxy.url } }) };
}
