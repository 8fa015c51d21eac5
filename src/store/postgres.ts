import type { Backend, OpenOptions, StoreBackend } from "./backend.ts";
import type { MigrationPlan } from "./migrations/plan.ts";
import { postgresSettings, type PostgresOptions } from "./postgres/settings.ts";
import type { Store } from "./store.ts";

/** A PostgreSQL database by its URL. Needs the package pg. @throws TypeError, RangeError for what is no such URL or option; messages hold nothing of the URL. */
export function postgres(url: string, options?: PostgresOptions): Backend {
  const settings = postgresSettings(url, options);
  const backend: StoreBackend = {
    name: settings.name,
    identity: () => settings.name,
    async plan(): Promise<MigrationPlan> {
      const { planPostgres } = await import("./postgres/connection.ts");
      return planPostgres(settings);
    },
    // The driver is loaded when it is needed: a process that only defines functions needs none.
    async open(options: OpenOptions): Promise<Store> {
      const [{ openPostgres }, { PostgresStore }] = await Promise.all([
        import("./postgres/connection.ts"),
        import("./postgres/store.ts"),
      ]);
      const connections = await openPostgres(settings, options);
      return new PostgresStore(connections, options);
    },
  };
  return Object.freeze(backend);
}
