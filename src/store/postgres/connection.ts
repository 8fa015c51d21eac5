import type pg from "pg";
import { DatabaseError } from "../../core/errors.ts";
import { databaseError, postgresCode } from "./errors.ts";
import type { MigrationPlan } from "../migrations/plan.ts";
import { migrate, plan, verify } from "./migrate.ts";
import { checkServer } from "./server-check.ts";
import {
  answerLimitMs,
  settingStatement,
  startupOptions,
  type SessionKind,
} from "./session-settings.ts";
import type { PostgresSettings } from "./settings.ts";
import { quoted } from "./identifier.ts";
import { typeParsers } from "./type-parsers.ts";

const connectLimitMs = 10_000;
/** Idle connections ask whether the other side is still there after this long, lest a firewall forgets them. */
const keepAliveMs = 10_000;
const idleLimitMs = 60_000;
/** How many lists a process asks for at the same time. */
const mostListing = 3;

type Driver = typeof pg;

/** What a connection is for: the server's administrator sees it in pg_stat_activity as application_name. */
export interface ClientOptions {
  readonly purpose: string;
  /** Statements are sent without waiting for the answers to those before. Default true: where one waits, the driver is to lose its queue. */
  readonly pipeline?: boolean;
  /** For statements of the user's: the search_path and time zone of the role, and the parsers that the application has given the driver. */
  readonly forUser?: boolean;
  /** Its statements are those of the store, prepared once: they find everything by an index. */
  readonly byIndex?: boolean;
}

/** Ways to one PostgreSQL database: a pool for reading, and clients of one's own. Every session has the same settings. */
export class PostgresConnections {
  /** What messages call the database: no user, no password. */
  readonly name: string;
  readonly schema: string;
  /** For reading what is kept of one thing, by statements that are prepared once: any of them may go over any connection. */
  readonly pool: pg.Pool;
  /** For lists of whatever is asked for, each planned by itself. Its connections are opened when there are such. */
  readonly listing: pg.Pool;
  readonly #makeClient: (options: ClientOptions) => Promise<pg.Client>;
  #closed: Promise<void> | undefined;

  constructor(driver: Driver, settings: PostgresSettings, way: SettingsWay) {
    this.name = settings.name;
    this.schema = settings.schema;
    this.pool = openPool(driver, settings, {
      purpose: "read",
      byIndex: true,
      pipeline: true, // plans are discarded ahead of a statement
      max: settings.poolSize,
      way,
    });
    const max = Math.min(settings.poolSize, mostListing);
    this.listing = openPool(driver, settings, { purpose: "list", max, way });
    this.#makeClient = (options) => connect(driver, settings, { pipeline: true, ...options, way });
  }

  /** A connection that belongs to the caller, who ends it. An error between statements is told by its event "end" only. @throws DatabaseError */
  async connectClient(options: ClientOptions): Promise<pg.Client> {
    try {
      return await this.#makeClient(options);
    } catch (error) {
      throw databaseError(error, this.name);
    }
  }

  /** Waits for what is being read. Clients of `connectClient` are their owners' to end. */
  close(): Promise<void> {
    this.#closed ??= Promise.all([this.pool.end(), this.listing.end()]).then(() => undefined);
    return this.#closed;
  }
}

/** What opening needs to know. */
export interface OpenPostgresOptions {
  /** Create or upgrade the tables; false: only check them. */
  readonly migrate: boolean;
  /** Told what may cost data, and works all the same. */
  readonly warn: (message: string) => void;
}

/** Connects, looks at the server, and creates or checks the tables. @throws DatabaseError, SchemaMismatchError, NotSupportedError */
export async function openPostgres(
  settings: PostgresSettings,
  options: OpenPostgresOptions,
): Promise<PostgresConnections> {
  const driver = await loadDriver();
  try {
    const { client, way } = await firstClient(driver, settings);
    try {
      await checkServer(client, settings.name, options.warn);
      await (options.migrate ? migrate : verify)(client, settings);
    } finally {
      await client.end();
    }
    return new PostgresConnections(driver, settings, way);
  } catch (error) {
    throw databaseError(error, settings.name);
  }
}

/** What a migration would run. @throws DatabaseError, SchemaMismatchError */
export async function planPostgres(settings: PostgresSettings): Promise<MigrationPlan> {
  const driver = await loadDriver();
  try {
    const { client } = await firstClient(driver, settings);
    try {
      return await plan(client, settings);
    } finally {
      await client.end();
    }
  } catch (error) {
    throw databaseError(error, settings.name);
  }
}

async function loadDriver(): Promise<Driver> {
  try {
    const driver = await import("pg");
    return driver.default;
  } catch (error) {
    throw new DatabaseError(
      "DRIVER_MISSING",
      "PostgreSQL needs the package pg, which is not installed here; run: npm install pg",
      { cause: error },
    );
  }
}

/** How a session gets its settings: with the start of the connection, or by a statement after it, since poolers refuse or ignore the former. */
type SettingsWay = "startup" | "statement";

async function firstClient(
  driver: Driver,
  settings: PostgresSettings,
): Promise<{ readonly client: pg.Client; readonly way: SettingsWay }> {
  const migrating = { purpose: "migrate", answerLimitMs: 0 };
  try {
    const client = await connect(driver, settings, { ...migrating, way: "startup" });
    if (await hasSettings(client, settings.schema)) return { client, way: "startup" };
    await client.end();
  } catch (error) {
    if (!isRefusedParameter(error)) throw error;
  }
  const way = "statement";
  return { client: await connect(driver, settings, { ...migrating, way }), way };
}

function isRefusedParameter(error: unknown): boolean {
  return (
    error instanceof Error &&
    postgresCode(error)?.startsWith("08") === true &&
    error.message.includes("startup parameter")
  );
}

async function hasSettings(client: pg.Client, schema: string): Promise<boolean> {
  const { rows } = await client.query<{ path: string }>(
    "select current_setting('search_path') as path",
  );
  return rows[0]?.path === quoted(schema);
}

interface ConnectOptions extends ClientOptions {
  readonly way: SettingsWay;
  /** 0 for no limit. */
  readonly answerLimitMs?: number;
}

async function connect(
  driver: Driver,
  settings: PostgresSettings,
  options: ConnectOptions,
): Promise<pg.Client> {
  const client = new driver.Client(clientConfig(settings, options));
  ignoreErrorEvents(client);
  try {
    await client.connect();
    if (options.way === "statement")
      await client.query(settingStatement(kindOf(settings, options)));
    return client;
  } catch (error) {
    await client.end().catch(() => undefined); // the first error is the one to tell
    throw error;
  }
}

function openPool(
  driver: Driver,
  settings: PostgresSettings,
  options: ConnectOptions & { readonly max: number },
): pg.Pool {
  const statement = settingStatement(kindOf(settings, options));
  const pool = new driver.Pool({
    ...clientConfig(settings, options),
    max: options.max,
    idleTimeoutMillis: idleLimitMs,
    ...(options.way === "statement" && {
      // oxlint-disable-next-line typescript/no-misused-promises -- the pool waits for it, which its types do not say
      onConnect: (client: pg.ClientBase) => client.query(statement),
    }),
  });
  pool.on("error", ignore);
  pool.on("connect", ignoreErrorEvents);
  if (options.byIndex === true) pool.on("acquire", planAnew());
  return pool;
}

/** Plans that were made for empty tables read whole indexes: a connection makes them anew whenever there may be twice as much. */
function planAnew(): (client: pg.ClientBase) => void {
  const used = new WeakMap<pg.ClientBase, number>();
  return (client) => {
    const times = (used.get(client) ?? 0) + 1;
    used.set(client, times);
    if (isPowerOfTwo(times)) client.query(discardPlans).catch(ignore);
  };
}

/** What makes a connection plan its statements anew. */
export const discardPlans = "discard plans";

/** How often something has happened when there may be twice as much as at the last time. */
export function isPowerOfTwo(times: number): boolean {
  return (times & (times - 1)) === 0;
}

function clientConfig(settings: PostgresSettings, options: ConnectOptions): pg.ClientConfig {
  return {
    connectionString: settings.url,
    application_name: `stent ${options.purpose}`,
    ...(options.forUser === true ? {} : { types: typeParsers }),
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveMs,
    connectionTimeoutMillis: connectLimitMs,
    query_timeout: options.answerLimitMs ?? answerLimitMs,
    pipeline: options.pipeline ?? false,
    ...(options.way === "startup" && {
      options: startupOptions(kindOf(settings, options), settings.options),
    }),
  };
}

function kindOf(
  { schema }: PostgresSettings,
  { forUser, byIndex = false }: ConnectOptions,
): SessionKind {
  return { schema: forUser === true ? undefined : schema, byIndex };
}

/** An event "error" that nobody listens to ends the process; the next statement on that connection says the same. */
function ignoreErrorEvents(client: pg.ClientBase): void {
  client.on("error", ignore);
}

function ignore(): void {
  // see above
}
