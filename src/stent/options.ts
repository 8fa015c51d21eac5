import type { Duration } from "../core/duration.ts";
import { checkMiddleware, type Middleware } from "../core/middleware.ts";
import { knownOptions, positiveDurationOption, show } from "../core/option.ts";
import { PayloadCodec } from "../core/payload.ts";
import { FunctionRegistry, registry as defaultRegistry } from "../core/registry.ts";
import { resolveSerializer, type Serializer } from "../core/serializer.ts";
import type { Polling } from "../client/end-watch.ts";
import type { NotificationBackend } from "../notify/notifier.ts";
import type { Logger, MetricsRecorder } from "../observe/events.ts";
import { Observer } from "../observe/observer.ts";
import type { Tracing } from "../observe/tracing.ts";
import { systemClock, type Clock } from "../runtime/clock.ts";
import { isStoreBackend, type Backend, type StoreBackend } from "../store/backend.ts";
import { backendOf } from "./backend-string.ts";
import { notificationsOf } from "./notifications-option.ts";

/** How a Stent works. */
export interface StentOptions {
  /** "sqlite:orders.db", "sqlite::memory:", a path, or a Backend. */
  backend: string | Backend;
  /** "superjson" (default: JSON plus Date, Map, Set, bigint, URL, undefined, Error, Uint8Array), "json", or your own. */
  serializer?: "superjson" | "json" | Serializer;
  /** Cross-process wake-ups beside the backend's own: "redis://…", "rediss://…", or your own. */
  notifications?: string | NotificationBackend;
  /** How often waits ask the database, in case no hint reaches them: from "100ms" … */
  pollMinInterval?: Duration;
  /** … to "5s", or pollMinInterval if that is longer … */
  pollMaxInterval?: Duration;
  /** … by this factor. Default 2. */
  pollBackoffFactor?: number;
  /** Default: the one in which `activity` and `workflow` register. */
  registry?: FunctionRegistry;
  metrics?: MetricsRecorder;
  /** Default: warnings and errors to stderr. */
  logger?: Logger;
  /** Spans of dispatches, turns and activities: what `otel()` of `stentjs/otel` gives, or your own. */
  tracing?: Tracing;
  /** Create or upgrade tables on open. false: verify only, and throw SchemaMismatchError. Default true. */
  migrate?: boolean;
  /** Longest encoded argument list, result, signal payload or state value, else SerializationError. Default 1 MiB (1,048,576). Errors are shortened instead (stack first). */
  maxPayloadBytes?: number;
  /** Replay every turn from its journal at once; a difference blocks the execution on its first run and is logged. Default false. */
  dev?: boolean;
  /**
   * Named generator functions around every effect as it is yielded and its outcome as it returns, the first outermost; deterministic, as
   * workflow code is. Holds for runs that start with it.
   */
  middleware?: readonly Middleware[];
  /** For tests: a clock of your own in place of the system's and the database's. */
  clock?: Clock;
}

/** Stent options, every one decided and checked. */
export interface ResolvedStentOptions {
  readonly backend: StoreBackend;
  readonly codec: PayloadCodec;
  readonly notifications: NotificationBackend | undefined;
  readonly polling: Polling;
  readonly registry: FunctionRegistry;
  readonly observer: Observer;
  readonly migrate: boolean;
  readonly dev: boolean;
  readonly clock: Clock;
  readonly middleware: readonly Middleware[];
}

const known = [
  "backend",
  "serializer",
  "notifications",
  "pollMinInterval",
  "pollMaxInterval",
  "pollBackoffFactor",
  "registry",
  "metrics",
  "logger",
  "tracing",
  "migrate",
  "maxPayloadBytes",
  "dev",
  "middleware",
  "clock",
];
const defaults = { pollMinMs: 100, pollMaxMs: 5_000, pollBackoffFactor: 2 } as const;

/** Every option checked once. @throws TypeError, RangeError or InvalidDurationError naming the option. */
export function resolveStentOptions(options: StentOptions): ResolvedStentOptions {
  knownOptions("Stent", options, known);
  return {
    backend: storeBackend(options.backend),
    codec: new PayloadCodec(resolveSerializer(options.serializer), options.maxPayloadBytes),
    notifications: notificationsOf(options.notifications),
    polling: pollingOf(options),
    registry: registryOf(options.registry),
    observer: new Observer({
      logger: withMethods("logger", options.logger, ["debug", "info", "warn", "error"]),
      metrics: withMethods("metrics", options.metrics, []),
      tracing: withMethods("tracing", options.tracing, ["start"]),
    }),
    migrate: options.migrate ?? true,
    dev: devOf(options.dev),
    clock: withMethods("clock", options.clock, ["now", "schedule"]) ?? systemClock,
    middleware: checkMiddleware(options.middleware),
  };
}

function devOf(given: boolean | undefined): boolean {
  if (given === undefined || typeof given === "boolean") return given ?? false;
  throw new TypeError(`dev must be true or false, got ${show(given)}`);
}

function storeBackend(given: string | Backend): StoreBackend {
  const backend = typeof given === "string" ? backendOf(given) : given;
  if (isStoreBackend(backend)) return backend;
  throw new TypeError(
    `backend must be a text such as "sqlite:orders.db", or what sqlite() returns, got ${show(given)}`,
  );
}

function pollingOf(options: StentOptions): Polling {
  const minMs =
    positiveDurationOption("pollMinInterval", options.pollMinInterval) ?? defaults.pollMinMs;
  const maxMs =
    positiveDurationOption("pollMaxInterval", options.pollMaxInterval) ??
    Math.max(minMs, defaults.pollMaxMs);
  if (maxMs < minMs) {
    throw new RangeError(
      `pollMaxInterval (${maxMs} ms) must not be below pollMinInterval (${minMs} ms)`,
    );
  }
  const factor = options.pollBackoffFactor ?? defaults.pollBackoffFactor;
  if (!(Number.isFinite(factor) && factor >= 1)) {
    throw new RangeError(`pollBackoffFactor must be a number from 1, got ${show(factor)}`);
  }
  return { minMs, maxMs, factor };
}

function registryOf(given: FunctionRegistry | undefined): FunctionRegistry {
  if (given === undefined || given instanceof FunctionRegistry) return given ?? defaultRegistry;
  throw new TypeError(`registry must be a FunctionRegistry, got ${show(given)}`);
}

function withMethods<T extends object>(
  option: string,
  given: T | undefined,
  methods: readonly (keyof T & string)[],
): T | undefined {
  if (given === undefined) return undefined;
  const missing = methods.filter((name) => typeof given?.[name] !== "function");
  if (typeof given === "object" && given !== null && missing.length === 0) return given;
  throw new TypeError(
    `${option} must be an object${methods.length === 0 ? "" : ` with the methods ${methods.join(", ")}`}, got ${show(given)}`,
  );
}
