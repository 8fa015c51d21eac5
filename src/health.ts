/** Answers for those who ask whether a process is alive and ready: over node:http, and as a fetch handler. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duration } from "./core/duration.ts";
import { knownOptions, positiveDurationOption, show } from "./core/option.ts";
import type { Health } from "./stent/health.ts";

/** What is asked: a Stent. */
export interface HealthSource {
  health(options?: { timeout?: Duration }): Promise<Health>;
}

/** How `health` works. */
export interface HealthOptions {
  /** Where to ask whether the process is alive. Default "/livez". */
  livePath?: string;
  /** Where to ask whether it is ready. Default "/readyz". */
  readyPath?: string;
  /** How long the database may take to answer. Default "2s". */
  timeout?: Duration;
  /** It is not ready without a worker that takes work. Default: where one was begun. */
  worker?: boolean;
}

/** Handles requests: as a listener of node:http, and by `fetch` those of the web platform. */
export interface HealthHandler {
  (request: IncomingMessage, response: ServerResponse): void;
  fetch(this: void, request: Request): Promise<Response>;
}

const known = ["livePath", "readyPath", "timeout", "worker"];
const headers = { "content-type": "application/json", "cache-control": "no-store" };

/**
 * A request handler. Alive (200 at `livePath`): unless all the workers that this client had have stopped. Ready (200 at `readyPath`): the
 * database answers, and a worker takes work and has a live session, if there is to be one. Else 503; both say in JSON why. @throws TypeError,
 * RangeError, InvalidDurationError naming the option
 */
export function health(stent: HealthSource, options: HealthOptions = {}): HealthHandler {
  knownOptions("health", options, known);
  if (typeof stent?.health !== "function")
    throw new TypeError(`health takes a Stent, got ${show(stent)}`);
  const asked = resolved(options);
  const answer = (method: string, url: string): Promise<Answer> =>
    answerOf(stent, asked, method, url);
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    const { method = "GET", url = "/" } = request;
    void answer(method, url).then(({ status, body }) => {
      const text = JSON.stringify(body);
      response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(text) });
      response.end(method === "HEAD" ? undefined : text);
    });
  };
  return Object.assign(listener, {
    async fetch(this: void, { method, url }: Request): Promise<Response> {
      const { status, body } = await answer(method, url);
      return new Response(method === "HEAD" ? null : JSON.stringify(body), { status, headers });
    },
  });
}

interface Answer {
  readonly status: number;
  readonly body: object;
}

type Resolved = Required<Omit<HealthOptions, "worker">> & Pick<HealthOptions, "worker">;

/** Never rejects: an answer that cannot be found is one as well. */
async function answerOf(
  stent: HealthSource,
  asked: Resolved,
  method: string,
  url: string,
): Promise<Answer> {
  const path = pathOf(url);
  if (path !== asked.livePath && path !== asked.readyPath)
    return { status: 404, body: { status: "not found" } };
  if (method !== "GET" && method !== "HEAD")
    return { status: 405, body: { status: "method not allowed" } };
  try {
    const found = await stent.health({ timeout: asked.timeout });
    const well = path === asked.livePath ? isAlive(found) : isReady(found, asked.worker);
    return {
      status: well ? 200 : 503,
      body: { status: well ? "ok" : "unavailable", ...found },
    };
  } catch {
    return { status: 503, body: { status: "unavailable" } };
  }
}

/** A database that is away, or a worker that drains, is no reason to kill the process. */
function isAlive({ workers }: Health): boolean {
  return workers.length === 0 || workers.some(({ state }) => state !== "stopped");
}

function isReady({ database, workers }: Health, worker: boolean | undefined): boolean {
  if (!database.reachable) return false;
  if (!(worker ?? workers.length > 0)) return true;
  return workers.some(({ state, sessionLive }) => state === "ready" && sessionLive);
}

function pathOf(url: string): string | undefined {
  return URL.canParse(url, "http://localhost")
    ? new URL(url, "http://localhost").pathname
    : undefined;
}

function resolved(options: HealthOptions): Resolved {
  const { livePath = "/livez", readyPath = "/readyz", timeout = "2s", worker } = options;
  for (const [name, path] of Object.entries({ livePath, readyPath })) {
    if (typeof path !== "string" || !path.startsWith("/"))
      throw new TypeError(`${name} must be a path such as "/livez", got ${show(path)}`);
  }
  if (livePath === readyPath) throw new TypeError("livePath and readyPath must not be the same");
  positiveDurationOption("timeout", timeout);
  if (worker !== undefined && typeof worker !== "boolean")
    throw new TypeError(`worker must be true or false, got ${show(worker)}`);
  return { livePath, readyPath, timeout, ...(worker === undefined ? {} : { worker }) };
}
