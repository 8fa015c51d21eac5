import type { Middleware } from "../core/middleware.ts";
import type { PayloadCodec } from "../core/payload.ts";
import type { FunctionRegistry } from "../core/registry.ts";
import type { ForeignChanges } from "../store/foreign-changes.ts";
import type { HintHub } from "../store/hint-hub.ts";
import type { Observer } from "../observe/observer.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Committer } from "../store/committer.ts";
import type { ClaimedExecution, Lane, Store } from "../store/store.ts";
import type { EndWatch } from "./end-watch.ts";

/** What the client works with: one open database. */
export interface Connection {
  readonly store: Store;
  readonly committer: Committer;
  readonly codec: PayloadCodec;
  readonly registry: FunctionRegistry;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly hints: HintHub;
  readonly foreign: ForeignChanges;
  /** For workers: around every effect of the runs that begin here, the first outermost. */
  readonly middleware: readonly Middleware[];
  /** Development mode, for the workers of this process. */
  readonly dev: boolean;
  /** The worker of this process, if one serves. */
  readonly adopter: () => Adopter | undefined;
  /** What was told, when the database was opened, of what may cost data. */
  readonly warnings: readonly string[];
  /** Every wait of this client. */
  readonly ends: EndWatch;
}

/** A worker of this process that may take a new execution in the commit that stores it. */
export interface Adopter {
  /** Keeps room for one execution. @returns the session that takes it; undefined if this worker may not, or has no room. */
  reserve(lane: Omit<Lane, "key">): number | undefined;
  /** It is stored, and held by that session. */
  adopted(execution: ClaimedExecution): void;
  /** It was not stored, or not taken: the room is free again. */
  forgo(): void;
}
