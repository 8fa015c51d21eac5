import type { Faults } from "./faults.ts";
import type { HintNet } from "./hint-net.ts";
import type { SimulatedDatabase } from "./simulated-database.ts";
import type { World } from "./world.ts";

/** How the workers of a run are set, and how fast its database is. */
export interface Settings {
  readonly concurrency: number;
  readonly cached: number;
  readonly leaseMs: number;
  /** The share of operations that take a while. */
  readonly slowShare: number;
}

/** What a simulated process meets: its machine, its database, and what may go wrong with both. */
export interface Surroundings {
  readonly world: World;
  readonly faults: Faults;
  readonly hints: HintNet;
  readonly settings: Settings;
  readonly database: SimulatedDatabase;
  /** Faults happen. */
  readonly isDisturbed: boolean;
  /** How long an operation takes to come to the database, or its answer to come back. */
  latency(): number;
  /** Something was written. */
  wrote(): void;
  /** What had left a process before it crashed. */
  applyLater(label: string, apply: () => Promise<void>): void;
}
