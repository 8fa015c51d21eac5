/**
 * Worker processes and a client at work on one database for so long, with faults at random. All of them tell an external log what happens, which
 * is held against the database: while they work, now and then, and when everything has ended.
 */
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Chance } from "../crash/chance.ts";
import { postgresDatabase, sqliteDatabase } from "../crash/database.ts";
import {
  checkAfterKill,
  checkKept,
  checkMoment,
  checkResults,
  checkWorld,
} from "../crash/invariants.ts";
import { planOf } from "../crash/plan.ts";
import { built, Scene, temporaryDirectory, type Ending } from "../crash/processes.ts";
import { read, snapshotOf, type Snapshot } from "../crash/snapshot.ts";
import type { Backend } from "../crash/stage.ts";
import { PostgresServer } from "../support/postgres-server.ts";
import { Crew } from "./crew.ts";
import { blocking, faultsFor, type Ground } from "./faults.ts";
import { recoveryOf, type Recovery } from "./recovery.ts";

export interface SoakPlan {
  readonly backend: Backend;
  readonly seconds: number;
  readonly seed: number;
  /** Worker processes. */
  readonly workers: number;
}

export interface SoakReport {
  readonly executions: number;
  readonly attempts: number;
  readonly samples: number;
  /** How often each was done. */
  readonly faults: ReadonlyMap<string, number>;
  readonly recovery: Recovery;
}

const longestGapMs = 1_500;
const sampleEveryMs = 5_000;
/** How long it takes at most to end all work once nothing goes wrong any more. */
const patienceMs = 120_000;

/** @throws what is wrong, whether it was found in the log, in the database or with a process */
export async function soak(t: Ending, plan: SoakPlan): Promise<SoakReport> {
  const chance = new Chance(plan.seed);
  const directory = temporaryDirectory(t);
  const server = plan.backend === "postgres" ? await PostgresServer.create() : undefined;
  t.after(() => server?.[Symbol.asyncDispose]());
  const scene = new Scene(t, {
    directory,
    name: "soak",
    script: await built("worker-process.ts", directory),
    database:
      server === undefined
        ? sqliteDatabase(join(directory, "soak.db"))
        : await postgresDatabase(server.url),
  });
  const crew = new Crew(scene, chance);
  await crew.start(t, plan.workers);
  await scene.until("they are at work", (lines) => lines.some((line) => line.what === "start"));
  const faults = new Map<string, number>();
  const samples = await disturbed({ crew, scene, chance, server }, plan, faults);
  await crew.finish(patienceMs);
  const end = await snapshotOf(scene.database);
  const lines = scene.lines();
  const ids = planOf(crew.size);
  checkMoment(end);
  checkWorld(lines, end, reopened(crew.size));
  checkResults(lines, ids, end);
  return {
    executions: end.executions.length,
    attempts: lines.filter((line) => line.what === "start").length,
    samples,
    faults,
    recovery: recoveryOf(lines, crew.kills),
  };
}

/** One fault after the other, some of which last beside the next, until the time is over. @returns how many samples were checked */
async function disturbed(
  ground: Ground,
  { backend, seconds }: SoakPlan,
  counts: Map<string, number>,
): Promise<number> {
  const { crew, chance } = ground;
  const faults = faultsFor(backend);
  const lasting = new Set<Promise<void>>();
  const sampler = new Sampler(ground);
  const endsAt = performance.now() + seconds * 1_000;
  let nextSample = performance.now() + sampleEveryMs;
  while (performance.now() < endsAt) {
    await pause(chance.upTo(longestGapMs));
    const [name, fault] = faults[chance.upTo(faults.length) - 1] ?? [];
    if (name === undefined || fault === undefined) continue;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    const over = fault(ground).catch((error: unknown) => {
      crew.trouble ??= error instanceof Error ? error : new Error(String(error));
    });
    if (blocking.has(name)) await over;
    lasting.add(over);
    void over.then(() => lasting.delete(over));
    if (crew.trouble !== undefined) throw crew.trouble;
    if (performance.now() < nextSample) continue;
    await sampler.sample();
    nextSample = performance.now() + sampleEveryMs;
  }
  await Promise.all(lasting);
  if (crew.trouble !== undefined) throw crew.trouble;
  return sampler.count;
}

/** Looks at the database beside the processes that are at work, and holds each look against the one before. */
class Sampler {
  readonly #ground: Ground;
  #last: { readonly snapshot: Snapshot; readonly lines: number } | undefined;
  count = 0;

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  async sample(): Promise<void> {
    const { scene, crew } = this.#ground;
    const before = scene.lines();
    const snapshot = await read(scene.database);
    const after = scene.lines();
    const mended = reopened(crew.size);
    checkMoment(snapshot);
    if (this.#last !== undefined) {
      checkKept(this.#last.snapshot, snapshot, mended);
      checkAfterKill(this.#last.snapshot, [], before.slice(this.#last.lines), mended);
    }
    checkAfterKill(snapshot, before, [], mended);
    this.#last = { snapshot, lines: after.length };
    this.count += 1;
  }
}

/** Those that the client retries. */
function reopened(size: number): ReadonlySet<string> {
  return new Set(planOf(size).filter((id) => id.startsWith("mended")));
}
