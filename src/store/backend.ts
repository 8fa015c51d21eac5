import type { Clock } from "../runtime/clock.ts";
import type { MigrationPlan } from "./migrations/plan.ts";
import type { Failures, Store } from "./store.ts";

/** Where executions are kept: what `sqlite()` makes. `name` is what messages call it: no password in it. */
export interface Backend {
  readonly name: string;
}

/** What opening a database needs. */
export interface OpenOptions {
  /** Create or upgrade the tables; false: only check them. */
  readonly migrate: boolean;
  readonly clock: Clock;
  readonly failures: Failures;
  /** Told what may cost data, and works all the same. */
  readonly warn: (message: string) => void;
}

/** A backend as the engine sees it. */
export interface StoreBackend extends Backend {
  /** @throws DatabaseError, SchemaMismatchError */
  open(options: OpenOptions): Promise<Store>;
  /** How its tables compare with those of this version. Creates nothing: a database that is not there has none applied. @throws DatabaseError, SchemaMismatchError */
  plan(): Promise<MigrationPlan>;
  /** The same text in every process that has opened the same database, as far as can be told; another for every other one. No password in it. */
  identity(): string;
}

/** True for backends of this package. */
export function isStoreBackend(value: unknown): value is StoreBackend {
  return (
    typeof value === "object" &&
    value !== null &&
    "name" in value &&
    typeof value.name === "string" &&
    "open" in value &&
    typeof value.open === "function"
  );
}
