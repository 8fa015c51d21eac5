/** C1: what became of a commit whose answer was lost is found out, whatever it was, before anything is answered or done again. */
import assert from "node:assert/strict";
import { after, before, describe, test, type TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { openPostgresDatabase } from "../conformance/postgres-backend.ts";
import { failures, park, Scene } from "../conformance/scene.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { PostgresProxy, type CommitFate } from "../support/postgres-proxy.ts";
import { PostgresServer, type StopMode } from "../support/postgres-server.ts";

let server: PostgresServer;
before(async () => {
  server = await PostgresServer.create({ lock_timeout: "20s" });
});
after(() => server[Symbol.asyncDispose]());

for (const fate of ["answer lost", "lost", "held"] satisfies readonly CommitFate[]) {
  describe(`a commit that is cut off: ${fate}`, () => {
    test("the first of its process is stored once, and answered", async (t) => {
      const { one, proxy } = await sceneBehindProxy(t);
      const met = proxy.nextCommit(fate);
      const answer = one.dispatch({ id: "x" });
      await met;
      await released(fate, proxy);
      assert.equal((await answer).kind, "created");
      assert.equal(await one.count("executions"), 1);
    });

    test("a later one is stored once, and answered", async (t) => {
      const { one, proxy } = await sceneBehindProxy(t);
      await one.dispatch({ id: "x" });
      const met = proxy.nextCommit(fate);
      const answer = one.signal("x", "m");
      await met;
      await released(fate, proxy);
      assert.equal(await answer, "sent");
      assert.equal(await one.count("signals"), 1);
    });
  });
}

test("a batch that comes to the server after it was found to be lost, and done anew, stores nothing", async (t) => {
  const { one, proxy } = await sceneBehindProxy(t);
  const session = await one.register();
  const held = await one.start(session);
  await one.stored(held, {});
  const met = proxy.nextCommit("held");
  const answer = one.turn(held, { counters: [{ name: "n", value: 1 }] });
  await met;
  assert.ok(proxy.heldAll, "what locks its number is held with it: all was sent in one go");
  assert.equal((await answer).kind, "stored");
  await one.stored(held, { counters: [{ name: "n", value: 2 }] });
  await proxy.release();
  assert.deepEqual(await one.query("select value from stent_counters"), [{ value: 2 }]);
});

test("whether an execution was let go is answered as it was, also where something had come for it", async (t) => {
  const { one, proxy } = await sceneBehindProxy(t);
  const session = await one.register();
  const held = await one.start(session);
  const called = await one.start(session);
  await one.signal(called.id, "m");
  for (const [of, released] of [
    [called, false],
    [held, true],
  ] as const) {
    await one.stored(of, {});
    const met = proxy.nextCommit("answer lost");
    const answer = one.stored(of, {}, park());
    await met;
    assert.equal((await answer).released, released);
  }
});

for (const mode of ["fast", "immediate", "kill"] satisfies readonly StopMode[]) {
  test(`a commit whose answer was lost is stored once, and answered, when the server comes back: ${mode}`, async (t) => {
    const { one, proxy } = await sceneBehindProxy(t);
    await one.dispatch({ id: "x" });
    const met = proxy.nextCommit("answer lost");
    const answer = one.signal("x", "m");
    await met;
    await server.stop(mode);
    await triesToConnect(proxy);
    await server.start();
    assert.equal(await answer, "sent");
    assert.equal(await one.count("signals"), 1);
  });

  test(`a commit that is handed in while the server is away is stored when it comes back: ${mode}`, async (t) => {
    const { one, proxy } = await sceneBehindProxy(t);
    await one.dispatch({ id: "x" });
    await server.stop(mode);
    const answer = one.signal("x", "m");
    await triesToConnect(proxy);
    await server.start();
    assert.equal(await answer, "sent");
    assert.equal(await one.count("signals"), 1);
  });
}

async function sceneBehindProxy(t: TestContext): Promise<{ one: Scene; proxy: PostgresProxy }> {
  const proxy = await PostgresProxy.to(server.url);
  const clock = new ManualClock();
  const database = await openPostgresDatabase(proxy.url, { clock, failures });
  t.after(async () => {
    await database.close();
    await proxy[Symbol.asyncDispose]();
  });
  return { one: new Scene(database, clock), proxy };
}

/** Lets a commit that is held go on when somebody waits for what has become of it. */
async function released(fate: CommitFate, proxy: PostgresProxy): Promise<void> {
  if (fate !== "held") return;
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  for (;;) {
    const { rowCount } = await client.query("select 1 from pg_locks where not granted");
    if (rowCount !== 0) break;
    await pause(5);
  }
  await client.end();
  await proxy.release();
}

async function triesToConnect(proxy: PostgresProxy): Promise<void> {
  const known = proxy.connections;
  while (proxy.connections < known + 2) await pause(5);
}
