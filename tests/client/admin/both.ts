import { test, type TestContext } from "node:test";
import { postgres, Stent, type Backend, type StentOptions } from "stentjs";
import { MemoryLogger } from "../../support/memory-logger.ts";
import { freshSchema } from "../../support/postgres.ts";
import { databaseFile } from "../../support/serving.ts";

/** A database of one kind, and clients of it. */
export interface Place {
  readonly backend: string | Backend;
  open(options?: Partial<StentOptions> & { readonly serve?: boolean }): Promise<Stent>;
}

/** The same test on SQLite and on PostgreSQL, each on a database of its own that has no tables yet. */
export function onBoth(title: string, act: (place: Place, t: TestContext) => Promise<void>): void {
  test(`${title} (SQLite)`, (t) => act(placeOn(t, databaseFile(t)), t));
  test(`${title} (PostgreSQL)`, async (t) => {
    const { url, schema } = await freshSchema(t);
    await act(placeOn(t, postgres(url, { schema })), t);
  });
}

function placeOn(t: TestContext, backend: string | Backend): Place {
  return {
    backend,
    async open({ serve = false, ...options } = {}) {
      const stent = await Stent.bootstrap(
        { backend, logger: new MemoryLogger(), ...options },
        { serve },
      );
      t.after(() => stent.close());
      return stent;
    },
  };
}
