import type { Clock } from "../../src/runtime/clock.ts";
import type { Query } from "../support/invariants.ts";
import type { Failures, Store } from "../../src/store/store.ts";

/** A database under test: all that a backend has to say of itself. */
export interface ConformanceBackend {
  readonly name: string;
  /** As its stores say. */
  readonly closuresAside: boolean;
  /** A new, empty database. */
  open(options: { readonly clock: Clock; readonly failures: Failures }): Promise<OpenDatabase>;
}

/** One open database, and a look behind the port. */
export interface OpenDatabase {
  readonly store: Store;
  query<T>(sql: string): Promise<readonly T[]>;
  /** What `tests/support/invariants.ts` finds. */
  violations(now: number): Promise<readonly string[]>;
  /** Runs statements of a test in a transaction that is rolled back. */
  undone(act: (query: Query) => Promise<void>): Promise<void>;
  close(): Promise<void>;
}
