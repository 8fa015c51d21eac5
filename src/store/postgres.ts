import { NotSupportedError } from "../core/errors.ts";
import type { Backend, StoreBackend } from "./backend.ts";
import { postgresSettings, type PostgresOptions } from "./postgres/settings.ts";

/** A PostgreSQL database by its URL. Needs the package pg. @throws TypeError, RangeError for what is no such URL or option; messages hold nothing of the URL. */
export function postgres(url: string, options?: PostgresOptions): Backend {
  const { name } = postgresSettings(url, options);
  const backend: StoreBackend = {
    name,
    open: () =>
      Promise.reject(
        new NotSupportedError(
          "PostgreSQL is not supported by this version of Stent; use SQLite: sqlite:orders.db",
        ),
      ),
  };
  return Object.freeze(backend);
}
