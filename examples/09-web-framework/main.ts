/**
 * In a web framework: the routes are plain functions from a Request to a Response. Next.js exports them from app/orders/[id]/route.ts, Hono
 * and SvelteKit take them as they are, and express or node:http take them through `listener` below.
 *
 *   npx tsx examples/09-web-framework/main.ts
 *
 * The web process only dispatches and looks; a worker does the work. Kill it and start it again; delete web.db to begin anew.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import {
  DatabaseError,
  ExecutionNotFoundError,
  ExpiryError,
  Stent,
  activity,
  call,
  workflow,
} from "stentjs";
import { health } from "stentjs/health";

const brew = activity("brew", async (drink: string) => `a cup of ${drink}`);
export const order = workflow("order", function* (drink: string) {
  return yield* call(brew, drink);
});

/** One for the process: development servers load a module again with each change, and must not open the database with each. */
const shared = globalThis as { stent?: Promise<Stent> };
const opened = (): Promise<Stent> => (shared.stent ??= Stent.open("sqlite:web.db"));

/** Starts the order, or finds the one that is there: a request that is sent again starts no second one. */
export async function PUT(request: Request): Promise<Response> {
  const { drink } = (await request.json()) as { drink?: unknown };
  if (typeof drink !== "string") return Response.json({ error: "what drink?" }, { status: 400 });
  const stent = await opened();
  const { id } = await stent.dispatch(order, [drink], { id: idOf(request), ifExists: "join" });
  return Response.json({ id }, { status: 202, headers: { location: `/orders/${id}` } });
}

/** Answers when it is done, or after twenty seconds with how far it is; who hangs up is not waited for. */
export async function GET(request: Request): Promise<Response> {
  const handle = (await opened()).execution<string>(idOf(request));
  try {
    const result = await handle.wait({ timeout: "20s", signal: request.signal });
    return result.ok
      ? Response.json({ state: "completed", value: result.value })
      : Response.json({ state: "failed", error: result.error.message });
  } catch (error) {
    if (!(error instanceof ExpiryError)) throw error;
    const { state, progressText } = await handle.state();
    return Response.json({ state, progressText }, { status: 202 });
  }
}

const idOf = (request: Request): string => `order-${new URL(request.url).pathname.split("/")[2]}`;

async function route(request: Request): Promise<Response> {
  try {
    const { pathname } = new URL(request.url);
    // For load balancers and Kubernetes.
    if (pathname === "/readyz" || pathname === "/livez")
      return await health(await opened()).fetch(request);
    if (request.method === "PUT") return await PUT(request);
    return await GET(request);
  } catch (error) {
    if (request.signal.aborted) return new Response(null, { status: 499 });
    if (error instanceof ExecutionNotFoundError) return new Response(null, { status: 404 });
    if (error instanceof DatabaseError) return new Response(null, { status: 503 });
    console.error(error);
    return new Response(null, { status: 500 });
  }
}

/** For express, `app.use(listener)`, and node:http. */
export async function listener(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const hungUp = new AbortController();
  outgoing.once("close", () => hungUp.abort());
  const { method = "GET", url = "/" } = incoming;
  const body = method === "GET" || method === "HEAD" ? null : await text(incoming);
  const request = new Request(new URL(url, "http://localhost"), {
    method,
    body,
    signal: hungUp.signal,
  });
  const response = await route(request);
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.end(await response.text());
}

const server = createServer((incoming, outgoing) => void listener(incoming, outgoing));
server.listen(0, "127.0.0.1");
await once(server, "listening");
const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
async function send(method: string, path: string, body: object | null = null): Promise<void> {
  const text = body && JSON.stringify(body);
  const response = await fetch(address + path, { method, body: text });
  console.log(`${method} ${path} ${response.status} ${await response.text()}`);
}

await send("PUT", "/orders/1", { drink: "tea" });
await send("PUT", "/orders/1", { drink: "tea" });
// The worker is a process of its own: `npx stent worker ./order.js -d web.db`. Here it stands in the same one.
const worker = await Stent.bootstrap("sqlite:web.db", { serve: true });
await send("GET", "/orders/1");
await send("GET", "/orders/2");
await send("GET", "/readyz");

await worker.close();
await (await opened()).close();
server.close();
