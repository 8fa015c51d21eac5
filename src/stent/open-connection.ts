import type { Adopter, Connection } from "../client/connection.ts";
import { EndWatch } from "../client/end-watch.ts";
import { HintHub } from "../store/hint-hub.ts";
import { Committer, type StoredBatch } from "../store/committer.ts";
import type { Hints, Store } from "../store/store.ts";
import { failuresOf } from "./failures.ts";
import type { ForeignSources } from "./foreign-sources.ts";
import { openForeign } from "./open-foreign.ts";
import type { ResolvedStentOptions } from "./options.ts";

/** Opens the database and puts what works on it together. @throws DatabaseError, SchemaMismatchError */
export async function openConnection(
  options: ResolvedStentOptions,
  adopter: () => Adopter | undefined,
): Promise<Connection> {
  const { backend, codec, registry, clock, observer, polling, migrate, dev, middleware } = options;
  const warnings: string[] = [];
  const warn = (message: string): void => {
    warnings.push(message);
    observer.log.warn(message);
  };
  const failures = failuresOf(codec, registry);
  const store = await backend.open({ migrate, clock, failures, warn });
  const foreign = await foreignOf(store, options);
  const hints = new HintHub();
  const hinted = (told: Hints): void => {
    hints.emit(told);
    foreign.publish(told);
  };
  const measured = (batch: StoredBatch): void =>
    observer.emit({ type: "batchCommitted", ...batch });
  const committer = new Committer(store, hinted, observer.watchesCommits ? measured : undefined);
  const ends = new EndWatch({ store, clock, hints, foreign, polling });
  const parts = { store, committer, codec, registry, clock, observer, hints, foreign };
  return { ...parts, dev, middleware, warnings, ends, adopter };
}

/** Lets go of the database once everything that was handed in is stored. */
export async function closeConnection({ committer, foreign, store }: Connection): Promise<void> {
  await committer.idle();
  await foreign.close();
  await store.close();
}

async function foreignOf(
  store: Store,
  { backend, notifications, observer }: ResolvedStentOptions,
): Promise<ForeignSources> {
  try {
    return await openForeign({ store, backend, notifications, log: observer.log });
  } catch (error) {
    await store.close();
    throw error;
  }
}
