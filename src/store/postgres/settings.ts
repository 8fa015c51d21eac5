import { knownOptions, show, wholeNumberOption } from "../../core/option.ts";
import { addressOf, type Address } from "./address.ts";

/** Where in a PostgreSQL server, and with how many connections. */
export interface PostgresOptions {
  /** The schema that holds the tables, created if it is not there: several Stents may share a database. Default: what the URL says by `?schema=`, else "stent". */
  schema?: string;
  /** Most connections for reading. Default 10. */
  poolSize?: number;
}

/** Everything about a PostgreSQL database that is known before it is opened. */
export interface PostgresSettings extends Address {
  readonly schema: string;
  readonly poolSize: number;
}

const defaults = { schema: "stent", poolSize: 10 } as const;

/** PostgreSQL cuts longer names off, and two schemas would be one. */
const maxNameBytes = 63;

/** Options decided and checked once. @throws TypeError, RangeError */
export function postgresSettings(url: unknown, options: PostgresOptions = {}): PostgresSettings {
  knownOptions("postgres", options, ["schema", "poolSize"]);
  const address = addressOf(url);
  const schema = schemaOf(options.schema ?? address.schema);
  const name =
    schema === defaults.schema
      ? address.name
      : `${address.name}?schema=${encodeURIComponent(schema)}`;
  const poolSize = wholeNumberOption("poolSize", 1, options.poolSize) ?? defaults.poolSize;
  return { ...address, name, schema, poolSize };
}

/** Any name will do, since it is quoted wherever it stands, but for those that PostgreSQL keeps or alters. */
function schemaOf(given: string | undefined): string {
  if (given === undefined) return defaults.schema;
  if (typeof given !== "string" || given === "") {
    throw new TypeError(`schema must be a non-empty string, got ${show(given)}`);
  }
  if (/[\0\p{Surrogate}]/u.test(given) || Buffer.byteLength(given) > maxNameBytes) {
    throw new TypeError(
      `schema must be a text of at most ${maxNameBytes} bytes without NUL, got ${show(given)}`,
    );
  }
  if (given.startsWith("pg_") || given === "information_schema") {
    throw new TypeError(
      `schema must not be one of PostgreSQL's own, which begin with "pg_", got ${show(given)}`,
    );
  }
  return given;
}
