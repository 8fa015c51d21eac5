/** What PostgreSQL, its driver and the network say, as what can be done about it. */
import { DatabaseError, SchemaMismatchError, type DatabaseErrorCode } from "../../core/errors.ts";

/** What became of a statement, and what helps. */
type Kind = "transient" | "lost" | "constraint" | "data" | "trouble";

interface Meaning {
  readonly kind: Kind;
  /** "SCHEMA_MISMATCH" stands for SchemaMismatchError. */
  readonly code: DatabaseErrorCode | "SCHEMA_MISMATCH";
  readonly advice: string;
}

/** SQLSTATEs and codes of the system by their beginning; the first that fits is the one. */
const byCode: readonly (readonly [code: string, meaning: Meaning])[] = [
  ["40001", transient("transactions at the same time got into each other's way: try it again")],
  ["40P01", transient("it was the victim of a deadlock with another transaction: try it again")],
  [
    "55P03",
    transient("another session keeps a lock that it needs: end that session's transaction"),
  ],
  ["08", lost("the connection was lost: check the server and the network between")],
  ["57P01", lost("somebody ended the session, or the server is being shut down")],
  ["57P02", lost("the server has crashed and is coming back")],
  ["57P03", lost("the server is starting or being shut down: it takes connections again soon")],
  ["57P05", lost("the server ended the session because it was idle (idle_session_timeout)")],
  [
    "25P03",
    lost("this process was held up within a transaction for longer than the server allows"),
  ],
  ["25P04", lost("a transaction took longer than the server's transaction_timeout")],
  ["ECONNREFUSED", lost("no server listens there: start it, or correct host and port in the URL")],
  ["ENOENT", lost("no server listens at that socket: start it, or correct the host in the URL")],
  ["ENOTFOUND", lost("there is no host of that name: correct the URL, or check the name service")],
  ["EAI_AGAIN", lost("the name service does not answer: check the network")],
  ["ECONNRESET", lost("the connection was cut: check the server and the network between")],
  ["EPIPE", lost("the connection was cut: check the server and the network between")],
  ["ETIMEDOUT", lost("the server does not answer: check the network and its firewalls")],
  ["EHOSTUNREACH", lost("no way leads to the host: check the network and the URL")],
  ["ENETUNREACH", lost("no way leads to the host: check the network and the URL")],
  [
    "25006",
    {
      kind: "lost",
      code: "DATABASE_READ_ONLY",
      advice: "the session cannot write, as on a standby: connect to the primary",
    },
  ],
  ["23", { kind: "constraint", code: "DATABASE_UNREACHABLE", advice: "" }],
  ["22", { kind: "data", code: "DATABASE_UNREACHABLE", advice: "" }],
  ["54", { kind: "data", code: "DATABASE_UNREACHABLE", advice: "" }],
  [
    "53100",
    trouble(
      "DATABASE_FULL",
      "the server's disk is full; free some space: work goes on by itself then",
    ),
  ],
  [
    "53300",
    lost("the server has no connection left: raise its max_connections, or lower poolSize here"),
  ],
  ["53", unreachable("the server is short of memory or something else: see its log")],
  ["28", unreachable("it refuses the login: check user and password in the URL, and pg_hba.conf")],
  [
    "3D000",
    trouble(
      "DATABASE_MISSING",
      "create it (createdb), or correct the name of the database in the URL",
    ),
  ],
  [
    "42501",
    trouble(
      "DATABASE_READ_ONLY",
      "the user of the URL lacks privileges: it needs usage and create on the schema, and to own Stent's tables " +
        "(where the schema is not there yet: create on the database)",
    ),
  ],
  [
    "42P01",
    trouble(
      "SCHEMA_MISMATCH",
      "a table of Stent is not there; if somebody dropped it: stent migrate",
    ),
  ],
  [
    "42703",
    trouble(
      "SCHEMA_MISMATCH",
      "a table of Stent was changed, perhaps by a newer version of stentjs",
    ),
  ],
  [
    "57014",
    unreachable(
      "it was cancelled, by its statement_timeout or by somebody: see what else is going on there",
    ),
  ],
  ["XX001", trouble("DATABASE_CORRUPT", "its data are damaged: see its log, and restore a backup")],
  ["XX002", trouble("DATABASE_CORRUPT", "an index is damaged: see its log, and reindex")],
  ["08P01", lost("what answers there does not speak PostgreSQL's protocol: check host and port")],
];

/** What the driver says without a code. */
const byMessage: readonly (readonly [message: RegExp, meaning: Meaning])[] = [
  [
    /^(?:Connection terminated|Client has encountered a connection error|Client was closed|Client has already been released)/,
    lost("the connection was lost: check the server and the network between"),
  ],
  [/^Query read timeout/, lost("the server does not answer any more: check it and the network")],
  [
    /^timeout expired/,
    lost("the server does not answer: check host and port, network and firewalls"),
  ],
  [
    /^timeout exceeded when trying to connect/,
    lost("no connection was to be had in time: check the server, or raise poolSize"),
  ],
  [
    /^The server does not support SSL|^There was an error establishing an SSL connection/,
    unreachable(
      "it does not encrypt connections: set it up there, or add ?sslmode=disable to the URL",
    ),
  ],
  [
    /^SASL: |no password supplied/,
    unreachable("it asks for a password, and the one in the URL is missing or does not do"),
  ],
  [
    /certificate|altnames/i,
    unreachable(
      "its certificate is not trusted: name that of its issuer by ?sslrootcert=FILE in the URL",
    ),
  ],
];

/** True where trying the same again helps: other transactions were in the way, and nothing of this one was done. */
export function isTransient(error: unknown): boolean {
  return meaningOf(error)?.kind === "transient";
}

/** True where only another connection can help, perhaps to another server: whether the last statement was done is not known. */
export function isLost(error: unknown): boolean {
  return meaningOf(error)?.kind === "lost";
}

/** True for rows that a constraint refuses. */
export function isConstraint(error: unknown): boolean {
  return meaningOf(error)?.kind === "constraint";
}

/** True for values that PostgreSQL refuses, whatever else is stored: too long for an index, say. */
export function isRefusedData(error: unknown): boolean {
  return meaningOf(error)?.kind === "data";
}

/** True for what the database itself could not do, whatever the statement: it may be able to later. */
export function isTrouble(error: unknown): error is Error {
  const kind = meaningOf(error)?.kind;
  return kind === "transient" || kind === "lost" || kind === "trouble";
}

/** The SQLSTATE or the code of the system; undefined for what has none. */
export function postgresCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : undefined;
}

/** An error of the database, its driver or the network as one that says what to do; any other error as it is. */
export function databaseError(error: unknown, name: string): unknown {
  const meaning = error instanceof DatabaseError ? undefined : meaningOf(error);
  if (meaning === undefined || meaning.kind === "constraint" || meaning.kind === "data") {
    return error;
  }
  const code = postgresCode(error);
  const message = `PostgreSQL database ${name}: ${messageOf(error)}${code === undefined ? "" : ` (${code})`}; ${meaning.advice}`;
  return meaning.code === "SCHEMA_MISMATCH"
    ? new SchemaMismatchError(message)
    : new DatabaseError(meaning.code, message, { cause: error });
}

function meaningOf(error: unknown): Meaning | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof DatabaseError) return meaningOf(error.cause);
  const code = postgresCode(error);
  const known = byCode.find(([beginning]) => code?.startsWith(beginning) === true);
  if (known !== undefined) return known[1];
  const said = byMessage.find(([pattern]) => pattern.test(error.message));
  if (said !== undefined) return said[1];
  return isOfServer(error)
    ? unreachable("its tables may have been changed by something other than Stent; see its log")
    : undefined;
}

/** What the server itself has said has a severity, and five characters of code. */
function isOfServer(error: Error): boolean {
  return "severity" in error && /^[\dA-Z]{5}$/.test(postgresCode(error) ?? "");
}

/** A host of several addresses that all refuse is an AggregateError without a message. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") {
    return error.errors.map(messageOf).join(", ");
  }
  return error instanceof Error ? error.message : String(error);
}

function transient(advice: string): Meaning {
  return { kind: "transient", code: "DATABASE_UNREACHABLE", advice };
}

function lost(advice: string): Meaning {
  return { kind: "lost", code: "DATABASE_UNREACHABLE", advice };
}

function unreachable(advice: string): Meaning {
  return trouble("DATABASE_UNREACHABLE", advice);
}

function trouble(code: Meaning["code"], advice: string): Meaning {
  return { kind: "trouble", code, advice };
}
