import type { Adopter, Connection } from "../client/connection.ts";
import { EndWatch } from "../client/end-watch.ts";
import { ForeignWatch } from "../store/foreign-watch.ts";
import { HintHub } from "../store/hint-hub.ts";
import { Committer } from "../store/committer.ts";
import { failuresOf } from "./failures.ts";
import type { ResolvedStentOptions } from "./options.ts";

/** Opens the database and puts what works on it together. @throws DatabaseError, SchemaMismatchError */
export async function openConnection(
  options: ResolvedStentOptions,
  adopter: () => Adopter | undefined,
): Promise<Connection> {
  const { backend, codec, registry, clock, observer, polling, migrate, dev, middleware } = options;
  const store = await backend.open({ migrate, clock, failures: failuresOf(codec, registry) });
  const hints = new HintHub();
  const committer = new Committer(store, (told) => hints.emit(told));
  const foreign = new ForeignWatch(() => store.foreignChange());
  await foreign.begin();
  const ends = new EndWatch({ store, clock, hints, foreign, polling });
  const parts = { store, committer, codec, registry, clock, observer, hints, foreign };
  return { ...parts, dev, middleware, ends, adopter };
}

/** Lets go of the database once everything that was handed in is stored. */
export async function closeConnection({ committer, foreign, store }: Connection): Promise<void> {
  await committer.idle();
  foreign.stop();
  await store.close();
}
