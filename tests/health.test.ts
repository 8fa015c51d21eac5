import assert from "node:assert/strict";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, test, type TestContext } from "node:test";
import { postgres, Stent } from "stentjs";
import { health, type HealthHandler } from "stentjs/health";
import { DatabaseProbe } from "../src/stent/health.ts";
import { MemoryLogger } from "./support/memory-logger.ts";
import { PostgresServer } from "./support/postgres-server.ts";
import { databaseFile, stentOn, until } from "./support/serving.ts";

describe("a health check", () => {
  test("finds a process alive and ready that has a database and no workers", async (t) => {
    const stent = await stentOn(t, databaseFile(t), { serve: false });
    const handler = health(stent);
    for (const path of ["/livez", "/readyz"]) {
      assert.deepEqual(await asked(handler, path), [
        200,
        { status: "ok", database: { reachable: true }, workers: [] },
      ]);
    }
  });

  test("finds a process ready once its worker is, and not while that drains", async (t) => {
    const stent = await stentOn(t, databaseFile(t), { serve: false });
    const handler = health(stent);
    const lifecycle = stent.createWorkerLifecycle("w1");
    assert.deepEqual(await asked(handler, "/readyz"), [
      503,
      {
        status: "unavailable",
        database: { reachable: true },
        workers: [{ name: "w1", state: "starting", sessionLive: false }],
      },
    ]);
    const serving = stent.serve({ lifecycle });
    await stent.waitUntilReady();
    assert.deepEqual(await asked(handler, "/readyz"), [
      200,
      {
        status: "ok",
        database: { reachable: true },
        workers: [{ name: "w1", state: "ready", sessionLive: true }],
      },
    ]);
    stent.requestWorkerDrain();
    assert.equal((await asked(handler, "/readyz"))[0], 503);
    await serving;
    assert.equal((await asked(handler, "/readyz"))[0], 503);
    assert.equal((await asked(handler, "/livez"))[0], 503);
  });

  test("asks for a worker, or does without one, as it is told", async (t) => {
    const stent = await stentOn(t, databaseFile(t), { serve: false });
    assert.equal((await asked(health(stent, { worker: true }), "/readyz"))[0], 503);
    stent.createWorkerLifecycle();
    assert.equal((await asked(health(stent), "/readyz"))[0], 503);
    assert.equal((await asked(health(stent, { worker: false }), "/readyz"))[0], 200);
  });

  test("finds a worker not ready whose lease has run out", async (t) => {
    const stent = await stentOn(t, databaseFile(t), {
      serve: { leaseDuration: "150ms", heartbeatInterval: null },
    });
    const handler = health(stent);
    await until("its lease is over", async () => {
      const { workers } = await stent.health();
      return workers[0]?.state === "ready" && !workers[0].sessionLive;
    });
    assert.equal((await asked(handler, "/readyz"))[0], 503);
    assert.equal((await asked(handler, "/livez"))[0], 200);
  });

  test("finds a process alive, and not ready, while PostgreSQL is stopped, and ready once it is back", async (t) => {
    await using server = await PostgresServer.create();
    const stent = await Stent.bootstrap(
      { backend: postgres(server.url), logger: new MemoryLogger() },
      { serve: { leaseDuration: "10s" } },
    );
    t.after(() => stent.close());
    const handler = health(stent, { timeout: "300ms" });
    assert.equal((await asked(handler, "/readyz"))[0], 200);
    await server.stop("fast");
    const [status, { database, workers }] = await asked(handler, "/readyz");
    assert.equal(status, 503);
    assert.equal(database?.reachable, false);
    assert.match(database.code ?? "", /^(?:NO_ANSWER|DATABASE_UNREACHABLE)$/);
    assert.equal(workers?.[0]?.state, "ready");
    assert.equal((await asked(handler, "/livez"))[0], 200);
    await server.start();
    await until(
      "it is ready again",
      async () => (await asked(handler, "/readyz"))[0] === 200,
      60_000,
    );
  });

  test("finds a process not ready that was closed", async (t) => {
    const stent = await stentOn(t, databaseFile(t));
    const handler = health(stent);
    await stent.close();
    const [status, { database }] = await asked(handler, "/readyz");
    assert.equal(status, 503);
    assert.deepEqual(database, { reachable: false, code: "CLOSED" });
    assert.equal((await asked(handler, "/livez"))[0], 503);
  });

  test("asks a database that hangs one question, however many ask for it, and says that there is no answer", async () => {
    let questions = 0;
    const probe = new DatabaseProbe(() => {
      questions += 1;
      return new Promise(() => undefined);
    });
    const answers = await Promise.all([probe.ask(5), probe.ask(1)]);
    answers.push(await probe.ask(1));
    assert.deepEqual(
      answers,
      Array.from({ length: 3 }, () => ({ reachable: false, code: "NO_ANSWER" })),
    );
    assert.equal(questions, 1);
  });

  test("that fails itself is one that does not find the process well", async () => {
    const handler = health({ health: () => Promise.reject(new Error("no health at all")) });
    assert.deepEqual(await asked(handler, "/readyz"), [503, { status: "unavailable" }]);
  });

  test("answers node:http and fetch alike", async (t) => {
    const stent = await stentOn(t, databaseFile(t));
    const handler = health(stent, { livePath: "/health/live", readyPath: "/health/ready" });
    const base = await listening(t, handler);
    for (const [method, path, status] of [
      ["GET", "/health/ready?verbose", 200],
      ["HEAD", "/health/live", 200],
      ["GET", "/livez", 404],
      ["GET", "//", 404],
      ["POST", "/health/live", 405],
    ] as const) {
      const overHttp = await over(base, method, path);
      const fetched = await handler.fetch(new Request(`http://any.host${path}`, { method }));
      const byFetch = [fetched.status, await fetched.text()];
      assert.deepEqual(overHttp, byFetch, path);
      assert.equal(fetched.status, status);
      assert.equal(byFetch[1] === "", method === "HEAD");
      assert.equal(fetched.headers.get("cache-control"), "no-store");
    }
  });

  test("names a wrong option", async (t) => {
    const stent = await stentOn(t, databaseFile(t), { serve: false });
    assert.throws(() => health({} as never), /health takes a Stent/);
    assert.throws(() => health(stent, { livePath: "livez" }), /livePath must be a path/);
    assert.throws(() => health(stent, { livePath: "/a", readyPath: "/a" }), /must not be the same/);
    assert.throws(() => health(stent, { timeout: 0 }), /timeout/);
    assert.throws(() => health(stent, { worker: 1 as never }), /worker must be/);
    assert.throws(() => health(stent, { port: 1 } as never), /no option "port"/);
  });
});

interface Body {
  readonly status: string;
  readonly database?: { readonly reachable: boolean; readonly code?: string };
  readonly workers?: readonly { readonly state: string }[];
}

async function asked(handler: HealthHandler, path: string): Promise<[number, Body]> {
  const response = await handler.fetch(new Request(`http://localhost${path}`));
  return [response.status, (await response.json()) as Body];
}

async function listening(t: TestContext, handler: HealthHandler): Promise<string> {
  const server = createServer(handler).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** As it is written, which `fetch` would put right. */
function over(base: string, method: string, path: string): Promise<[number | undefined, string]> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(base);
    httpRequest({ hostname, port, method, path, agent: false }, (response) => {
      let text = "";
      response.on("data", (part: Buffer) => (text += part.toString()));
      response.on("end", () => resolve([response.statusCode, text]));
    })
      .on("error", reject)
      .end();
  });
}
