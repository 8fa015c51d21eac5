import type { Adopter, Connection } from "../client/connection.ts";
import { EndWatch } from "../client/end-watch.ts";
import { CancelledError, ExecutionExistsError, ExpiryError } from "../core/errors.ts";
import type { PayloadCodec } from "../core/payload.ts";
import { resultPlace } from "../core/places.ts";
import { ForeignWatch } from "../store/foreign-watch.ts";
import { HintHub } from "../store/hint-hub.ts";
import { Committer } from "../store/committer.ts";
import type { Failures } from "../store/store.ts";
import type { ResolvedStentOptions } from "./options.ts";

/** Opens the database and puts what works on it together. @throws DatabaseError, SchemaMismatchError */
export async function openConnection(
  options: ResolvedStentOptions,
  adopter: () => Adopter | undefined,
): Promise<Connection> {
  const { backend, codec, registry, clock, observer, polling, migrate, dev, middleware } = options;
  const store = await backend.open({ migrate, clock, failures: failuresOf(codec) });
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

function failuresOf(codec: PayloadCodec): Failures {
  return {
    cancelled: (reason, id) => codec.encodeFailure(new CancelledError(reason), resultPlace(id)),
    timedOut: (id) =>
      codec.encodeFailure(
        new ExpiryError(
          "EXECUTION_TIMED_OUT",
          `execution "${id}" did not end within its maxDuration`,
        ),
        resultPlace(id),
      ),
    taken: (id) =>
      codec.encodeFailure(
        new ExecutionExistsError(
          `the id of the child ${id} belongs to another execution that is there already; choose ids without slashes`,
        ),
        resultPlace(id),
      ),
  };
}
