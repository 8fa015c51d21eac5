/** What is done to the processes of a soak and to their database. */
import { setTimeout as pause } from "node:timers/promises";
import Driver from "better-sqlite3";
import type { Chance } from "../crash/chance.ts";
import type { Scene } from "../crash/processes.ts";
import type { CommitFate } from "../support/postgres-proxy.ts";
import type { PostgresServer, StopMode } from "../support/postgres-server.ts";
import { leaseMs, type Crew } from "./crew.ts";

/** Where it is done. */
export interface Ground {
  readonly crew: Crew;
  readonly scene: Scene;
  readonly chance: Chance;
  /** Undefined where there is no server. */
  readonly server: PostgresServer | undefined;
}

type Fault = (ground: Ground) => Promise<void>;

const ofProcesses = {
  "worker killed": ({ crew }) => crew.kill(crew.anyWorker()),
  "client killed": async ({ crew }) => {
    const client = crew.places.at(-1);
    if (client !== undefined) await crew.kill(client);
  },
  "worker stopped for a moment": (ground) => stopped(ground, ground.chance.upTo(leaseMs / 2)),
  "worker stopped past its lease": (ground) => stopped(ground, pastTheLease(ground.chance)),
  "worker drained": ({ crew }) => crew.drain(crew.anyWorker()),
} satisfies Record<string, Fault>;

const ofFile = {
  /** Another program's transaction. */
  "file locked": async ({ scene, chance }) => {
    if (!("path" in scene.database.place)) return;
    const other = new Driver(scene.database.place.path, { timeout: 0 });
    // One of the others may hold it, and be stopped.
    while (!begins(other)) await pause(5);
    await pause(chance.upTo(leaseMs / 2));
    other.exec("rollback");
    other.close();
  },
} satisfies Record<string, Fault>;

const fates: readonly CommitFate[] = ["answer lost", "lost", "held"];
const modes: readonly StopMode[] = ["fast", "immediate", "kill"];

const ofServer = {
  "server restarted": async ({ server, chance }) => {
    await server?.restart(modes[chance.upTo(modes.length) - 1]);
  },
  "sessions ended": async ({ scene, chance }) => {
    await scene.database.look((query) =>
      query(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name <> 'stent crash test' and application_name like 'stent %' and pid % 3 = ${chance.upTo(3) - 1}`,
      ),
    );
  },
  "network stalled for a moment": (ground) => stalled(ground, ground.chance.upTo(leaseMs / 2)),
  "network stalled past the lease": (ground) => stalled(ground, pastTheLease(ground.chance)),
  "connections cut": async ({ crew, chance }) =>
    crew.anyPlace().proxy?.cut(() => chance.upTo(2) === 1),
  "commit cut off": async ({ crew, chance }) => {
    const proxy = crew.anyPlace().proxy;
    const fate = fates[chance.upTo(fates.length) - 1] ?? "lost";
    void proxy?.nextCommit(fate);
    if (fate !== "held") return;
    await pause(chance.upTo(500));
    // Where the server was restarted meanwhile there is nobody to wait for.
    await Promise.race([proxy?.release(), pause(2_000)]);
  },
} satisfies Record<string, Fault>;

/** Whoever is asked for the database meanwhile would find none. */
export const blocking: ReadonlySet<string> = new Set(["server restarted"]);

/** By their names. */
export function faultsFor(backend: "sqlite" | "postgres"): readonly (readonly [string, Fault])[] {
  return Object.entries<Fault>({
    ...ofProcesses,
    ...(backend === "sqlite" ? ofFile : ofServer),
  });
}

function pastTheLease(chance: Chance): number {
  return leaseMs + chance.upTo(1_500);
}

function begins(database: Driver.Database): boolean {
  try {
    database.exec("begin immediate");
    return true;
  } catch {
    return false;
  }
}

async function stopped({ crew }: Ground, ms: number): Promise<void> {
  const { child } = crew.anyWorker();
  child.kill("SIGSTOP");
  await pause(ms);
  child.kill("SIGCONT");
}

async function stalled({ crew }: Ground, ms: number): Promise<void> {
  const { proxy } = crew.anyPlace();
  proxy?.stall();
  await pause(ms);
  proxy?.resume();
}
