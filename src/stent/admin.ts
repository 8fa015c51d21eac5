import type { Connection } from "../client/connection.ts";
import { doctor, type Finding } from "../client/admin/doctor.ts";
import { exportLines, type ExportOptions } from "../client/admin/export.ts";
import { functions, type FunctionRecord } from "../client/admin/functions.ts";
import { importLines, type ImportOptions } from "../client/admin/import.ts";
import { queues, type QueueDepth } from "../client/admin/queues.ts";
import { stats, type Stats, type StatsOptions } from "../client/admin/stats.ts";
import { task } from "../client/admin/task.ts";
import { workers, type WorkerRecord } from "../client/admin/workers.ts";
import type { TaskRecord } from "../client/task-record.ts";
import { checkExecutionId, checkTaskId } from "../core/id.ts";
import type { StoreBackend } from "../store/backend.ts";
import type { MigrationPlan } from "../store/migrations/plan.ts";
import type { ConnectionLife } from "./connection-life.ts";

/** How the tables of a database compare with those of this version. */
export interface Migrations {
  /** The last that was applied; undefined where there are no tables. */
  readonly current: string | undefined;
  /** The last of this version. */
  readonly wanted: string;
  readonly pending: MigrationPlan["pending"];
}

/** What operators ask; the command line is built on it. */
export interface Admin {
  /** Counts over everything, and how many end in a minute; `since` (default: an hour ago) is for the latter. @throws TypeError for a wrong option */
  stats(options?: StatsOptions): Promise<Stats>;
  /** Every queue that anything was ever put into, or that a live worker names; by name, "default" that of the unqueued. */
  queues(): Promise<readonly QueueDepth[]>;
  /** Worker sessions, dead ones too until they are removed, in the order in which they started. */
  workers(): Promise<readonly WorkerRecord[]>;
  /** Functions that were ever dispatched or queued, and those registered in this process. */
  functions(): Promise<readonly FunctionRecord[]>;
  /** A task of its execution's current run, or of a dead letter. @throws TypeError for an id that is none */
  task(id: string): Promise<TaskRecord | undefined>;
  /** NDJSON: a head line (workflow, version, args, state), then one line a history entry. @throws ExecutionNotFoundError at the first step */
  export(id: string, options?: ExportOptions): AsyncIterable<string>;
  /** @returns the id under which it stands here, finished or blocked. @throws ExecutionExistsError; SerializationError for what was not exported so */
  import: (
    lines: Iterable<string> | AsyncIterable<string>,
    options?: ImportOptions,
  ) => Promise<string>;
  /** Looks, and creates nothing. @throws DatabaseError, SchemaMismatchError for tables of a newer version */
  migrations(): Promise<Migrations>;
  /** Creates or upgrades the tables. @throws DatabaseError, SchemaMismatchError */
  migrate(): Promise<void>;
  /** What is wrong, most severe first; empty when all is well. @throws DatabaseError */
  doctor(): Promise<readonly Finding[]>;
}

/** The operators' half of a Stent. */
export function adminOf(life: ConnectionLife, options: MigrateOptions): Admin {
  const read = <T>(act: (connection: Connection) => Promise<T>): Promise<T> => life.act(act);
  const { backend } = options;
  return {
    stats: (given) => read((connection) => stats(connection, given)),
    queues: () => read(queues),
    workers: () => read(workers),
    functions: () => read(functions),
    async task(id) {
      checkTaskId("task", id);
      return read((connection) => task(connection, id));
    },
    export(id, given) {
      checkExecutionId("export", id);
      return exportLines(read, id, given);
    },
    import: (lines, given) => read((connection) => importLines(connection, lines, given)),
    migrations: async () => migrationsOf(await backend.plan()),
    migrate: () => migrate(options),
    async doctor() {
      const { pending } = migrationsOf(await backend.plan());
      return pending.length === 0 || life.isOpen ? read(doctor) : [outdated(pending)];
    },
  };
}

/** What opening a database to migrate it takes. */
export interface MigrateOptions {
  readonly backend: StoreBackend;
  readonly open: () => Omit<Parameters<StoreBackend["open"]>[0], "migrate">;
}

async function migrate({ backend, open }: MigrateOptions): Promise<void> {
  const store = await backend.open({ ...open(), migrate: true });
  await store.close();
}

function migrationsOf({ applied, known, pending }: MigrationPlan): Migrations {
  return { current: applied.at(-1), wanted: known.at(-1) ?? "", pending };
}

function outdated(pending: MigrationPlan["pending"]): Finding {
  return {
    code: "SCHEMA_OUTDATED",
    severity: "error",
    message: `the tables are missing or of an older version (pending: ${pending.map(({ name }) => name).join(", ")})`,
    hint: "run: stent migrate",
  };
}
