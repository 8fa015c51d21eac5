import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import {
  postgres,
  sqlite,
  Stent,
  type Backend,
  type ServeOptions,
  type StentOptions,
} from "stentjs";
import { cutOff } from "./deaf.ts";
import type { Ending } from "./ending.ts";
import { MemoryLogger } from "./memory-logger.ts";

export type { Ending } from "./ending.ts";

export interface Served {
  readonly serve?: boolean | ServeOptions;
  readonly stent?: Partial<StentOptions>;
  /** It neither sees nor hears what other processes do, as if it were dead. */
  readonly cutOff?: true;
}

/**
 * With STENT_REPLAY=1 every turn is rehearsed, as development mode does it, and no coroutine is kept between turns, so that what else a
 * worker takes up from the journal is in use too: the behaviours have to pass that way as well.
 */
const replaying = process.env["STENT_REPLAY"] === "1";

/** With TEST_BACKEND=postgres everything that would be in a file or in memory is in a schema of a PostgreSQL database. */
const onPostgres = process.env["TEST_BACKEND"] === "postgres";

/** By how much longer things may take where each step is a round trip to a server that all tests share. */
export const patience = onPostgres ? 6 : 1;

/** For tests that look into the file, or are about one. */
export const sqliteOnly = { skip: onPostgres ? "it is about an SQLite file" : false };

/** What a worker under test is given beside what the test asks for: it looks often, so that nothing waits long for a lost hint. */
function serveOptions(serve: boolean | ServeOptions): false | ServeOptions {
  if (serve === false) return false;
  return {
    drainTimeout: "2s",
    cancelGrace: "5s",
    ...(replaying ? { maxCachedWorkflows: 0 } : {}),
    ...(serve === true ? {} : serve),
  };
}

/** A path in a directory of its own, which is removed when the test ends. */
export function databaseFile(t: Ending): string {
  const directory = mkdtempSync(join(tmpdir(), "stent-behaviours-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "stent.db");
}

/** A Stent on this database, serving if nothing else is said; closed when the test ends. */
export async function stentOn(
  t: Ending,
  backend: string,
  { serve = true, stent: options = {}, cutOff: isCutOff }: Served = {},
): Promise<Stent> {
  const on = await backendFor(t, backend);
  const opened = await Stent.bootstrap(
    {
      backend: isCutOff ? cutOff(typeof on === "string" ? sqlite(on) : on) : on,
      logger: new MemoryLogger(),
      dev: replaying,
      ...options,
    },
    { serve: serveOptions(serve) },
  );
  t.after(() => opened.close());
  return opened;
}

/** The backend that stands for that file, or for a database in memory. */
async function backendFor(t: Ending, backend: string): Promise<string | Backend> {
  if (!onPostgres) return backend;
  const { freshSchema } = (await import(postgresSupport)) as PostgresSupport;
  const path = backend.replace(/^sqlite:/, "");
  if (path === ":memory:") {
    const { url, schema } = await freshSchema(t);
    return postgres(url, { schema });
  }
  const known = schemas.get(path) ?? (await freshSchema(t));
  schemas.set(path, known);
  return postgres(known.url, { schema: known.schema });
}

interface PostgresSupport {
  readonly freshSchema: (t: Ending) => Promise<{ readonly url: string; readonly schema: string }>;
}

/** Not named outright, since every test that serves would count as one that needs a server. */
const postgresSupport = join(import.meta.dirname, "postgres.ts");

/** By the path of the file for which they stand. */
const schemas = new Map<string, { readonly url: string; readonly schema: string }>();

/** A Stent in memory that serves. */
export function serving(t: Ending, served: Served = {}): Promise<Stent> {
  return stentOn(t, "sqlite::memory:", served);
}

const limitMs = 10_000;

/** Waits until `look` gives something that is neither undefined, null nor false. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  timeoutMs = limitMs,
): Promise<NonNullable<T> & (T extends false ? never : unknown)> {
  const endAt = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== null && seen !== false) return seen as never;
    if (performance.now() > endAt) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await pause(3);
  }
}

/** Something that happens once, and can be waited for. */
export class Gate<T = void> {
  readonly passed: Promise<T>;
  open: (value: T) => void = () => undefined;

  constructor() {
    this.passed = new Promise((resolve) => {
      this.open = resolve;
    });
  }
}

/** Resolves when the signal fires, with its reason. */
export function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    else signal.addEventListener("abort", () => resolve(signal.reason), { once: true });
  });
}

/** The error that it is rejected with. */
export async function rejection(
  promise: Promise<unknown>,
): Promise<Error & Record<string, unknown>> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error as Error & Record<string, unknown>;
  }
  throw new Error(`nothing was thrown, but this came back: ${String(value)}`);
}
