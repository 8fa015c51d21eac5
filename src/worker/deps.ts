import type { Middleware } from "../core/middleware.ts";
import type { PayloadCodec } from "../core/payload.ts";
import type { FunctionRegistry } from "../core/registry.ts";
import type { ForeignChanges } from "../store/foreign-changes.ts";
import type { HintHub } from "../store/hint-hub.ts";
import type { Observer } from "../observe/observer.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Committer } from "../store/committer.ts";
import type { Store } from "../store/store.ts";

/** What a worker works with: one open database, and the world through ports. */
export interface WorkerDeps {
  readonly store: Store;
  readonly committer: Committer;
  readonly codec: PayloadCodec;
  readonly registry: FunctionRegistry;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly hints: HintHub;
  readonly foreign: ForeignChanges;
  /** Around every effect of the runs that begin here, the first outermost. */
  readonly middleware: readonly Middleware[];
  /** Development mode: turns are rehearsed. */
  readonly dev: boolean;
}
