import type { Client } from "pg";
import { DatabaseError, NotSupportedError } from "../../core/errors.ts";

/** The oldest that is still maintained when this version of Stent came out. */
const oldestVersion = 14;

/** What is looked at. */
export interface ServerFacts {
  readonly version: number;
  readonly versionText: string;
  readonly encoding: string;
  readonly fsync: string;
  readonly fullPageWrites: string;
  readonly synchronousCommit: string;
  readonly standby: boolean;
  readonly readOnly: string;
  readonly pid: number;
}

const factsQuery = `
  select current_setting('server_version_num')::int as "version",
         current_setting('server_version') as "versionText",
         current_setting('server_encoding') as "encoding",
         current_setting('fsync') as "fsync",
         current_setting('full_page_writes') as "fullPageWrites",
         current_setting('synchronous_commit') as "synchronousCommit",
         pg_is_in_recovery() as "standby",
         current_setting('transaction_read_only') as "readOnly",
         pg_backend_pid() as "pid"`;

/** Looks at the server once: refuses one that Stent cannot work on, and warns of one that may lose what it has acknowledged. @throws DatabaseError, NotSupportedError */
export async function checkServer(
  client: Client,
  name: string,
  warn: (message: string) => void,
): Promise<void> {
  const facts = (await client.query<ServerFacts>(factsQuery)).rows[0];
  if (facts === undefined) return;
  requireUsable(facts, name);
  // A pooler makes the number up that clients cancel with.
  const pooled = "processID" in client && client.processID !== facts.pid;
  for (const warning of warnings({ ...facts, pooled })) {
    warn(`PostgreSQL database ${name}: ${warning}`);
  }
}

/** @throws DatabaseError, NotSupportedError for a server on which Stent cannot work. */
export function requireUsable(facts: ServerFacts, name: string): void {
  if (facts.version < oldestVersion * 10_000) {
    throw new NotSupportedError(
      `PostgreSQL database ${name} is of version ${facts.versionText}; Stent needs ${oldestVersion} or newer: upgrade the server`,
    );
  }
  if (facts.encoding !== "UTF8") {
    throw new NotSupportedError(
      `PostgreSQL database ${name} keeps its texts in ${facts.encoding}; Stent needs UTF8: create a database with "encoding 'UTF8' template template0"`,
    );
  }
  if (facts.standby || facts.readOnly === "on") {
    throw new DatabaseError(
      "DATABASE_READ_ONLY",
      `PostgreSQL database ${name} cannot be written: ${
        facts.standby
          ? "the server is a standby; connect to the primary"
          : "default_transaction_read_only is on for this server, database or user; switch it off"
      }`,
    );
  }
}

/** What may cost data, and what to do about it. */
function* warnings(facts: ServerFacts & { readonly pooled: boolean }): Generator<string> {
  if (facts.fsync === "off") {
    yield "fsync is off: if its host stops, the whole database may be lost. Switch it on in postgresql.conf";
  }
  if (facts.fullPageWrites === "off") {
    yield "full_page_writes is off: if its host stops, tables may be damaged. Switch it on in postgresql.conf";
  }
  if (facts.synchronousCommit === "off") {
    yield "synchronous_commit is off: if it stops, work that was acknowledged is forgotten, and activities run again that had completed. Switch it on";
  }
  if (facts.pooled) {
    yield "a pooler stands between. It has to keep one session for each connection (PgBouncer: pool_mode = session), or connect past it";
  }
}
