import assert from "node:assert/strict";
import { test } from "node:test";
import type pg from "pg";
import type { PostgresConnections } from "../../../src/store/postgres/connection.ts";
import { PostgresStore } from "../../../src/store/postgres/store.ts";
import { ended, entry, newChild, Scene } from "../../conformance/scene.ts";
import type { Ending } from "../../support/ending.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { opened } from "./open.ts";

const failures = {
  cancelled: () => "cancelled",
  timedOut: () => "timed out",
  jobOutOfTime: () => "out of time",
  itemOutOfTime: () => "out of time",
  taken: () => "taken",
};

type Sent = pg.QueryArrayConfig | string;

/** A store, and what its committing connection sends: each query may be replaced. */
async function watched(
  t: Ending,
  replace: (query: Sent) => Sent = (query) => query,
): Promise<{ readonly scene: Scene; readonly sent: string[] }> {
  const connections = await opened(t);
  const sent: string[] = [];
  const connectClient = connections.connectClient.bind(connections);
  const watching: Pick<PostgresConnections, "connectClient"> = {
    async connectClient(options) {
      const client = await connectClient(options);
      const query = client.query.bind(client) as (query: Sent, values?: unknown[]) => unknown;
      Object.assign(client, {
        query: (given: Sent, values?: unknown[]) => {
          sent.push(typeof given === "string" ? given : (given.name ?? given.text));
          return query(replace(given), values);
        },
      });
      return client;
    },
  };
  const store = new PostgresStore(Object.assign(connections, watching), {
    clock: new ManualClock(1_000_000),
    failures: failures as never,
  });
  t.after(() => store.close());
  const scene = new Scene(
    {
      store,
      query: async <T>(sql: string) => (await connections.pool.query(sql)).rows as T[],
      violations: async () => [],
      undone: () => Promise.reject(new Error("not wanted here")),
      close: () => store.close(),
    },
    new ManualClock(1_000_000),
  );
  return { scene, sent };
}

/** How often it has begun by looking, and how often as was told. */
function beginnings(sent: string[]): { readonly looked: number; readonly told: number } {
  const of = (name: string): number => sent.filter((each) => each === name).length;
  return { looked: of("stent_look"), told: of("stent_told") };
}

test("a turn of what is held begins without looking, in one round trip with its commit", async (t) => {
  const { scene, sent } = await watched(t);
  const session = await scene.register();
  const held = await scene.start(session);
  await scene.stored(held, {});
  sent.length = 0;
  await scene.stored(held, {});
  assert.deepEqual(beginnings(sent), { looked: 0, told: 1 });
  assert.equal(sent.at(-1), "stent_commit");
});

test("so does the first turn of what was just taken, by its dispatch or by a claim", async (t) => {
  const { scene, sent } = await watched(t);
  const session = await scene.register();
  const adopted = await scene.start(session);
  const timed = await scene.start(session, { maxDurationMs: 60_000 });
  await scene.dispatch({ id: "claimed" });
  const claimed = await scene.claimOne(session);
  sent.length = 0;
  for (const held of [adopted, timed, claimed]) await scene.end(held);
  assert.deepEqual(beginnings(sent), { looked: 0, told: 3 });
  assert.equal(await scene.count("executions", "state = 'completed'"), 3);
});

test("a child that was claimed is looked at, and its parent has its outcome", async (t) => {
  const { scene, sent } = await watched(t);
  const session = await scene.register();
  const parent = await scene.start(session);
  const children = [newChild(1, `${parent.id}/1/1`)];
  await scene.stored(parent, { entries: [entry(1, { kind: "child" })], children });
  const child = await scene.claimOne(session);
  sent.length = 0;
  await scene.end(child);
  assert.deepEqual(beginnings(sent), { looked: 1, told: 0 });
  assert.equal(await scene.count("arrivals"), 1);
});

test("a cancel that has come meanwhile is met: nothing of the turn that was told otherwise is stored", async (t) => {
  const { scene, sent } = await watched(t);
  const session = await scene.register();
  const held = await scene.start(session);
  await scene.stored(held, {});
  await scene.query(
    `update stent_executions set state = 'cancelling' where key = ${held.execution}`,
  );
  sent.length = 0;
  const refused = { kind: "refused", reason: "cancelled" };
  assert.deepEqual(await scene.turn(held, {}, ended()), refused);
  assert.deepEqual(beginnings(sent), { looked: 1, told: 1 });
  assert.equal(await scene.count("executions", "ended_at is null"), 1);
});

test("a session that has died, another claim, and work that has come are met as well", async (t) => {
  const { scene } = await watched(t);
  const session = await scene.register();
  for (const [change, reason] of [
    ["update stent_executions set claim = claim + 1", "lost"],
    ["update stent_workers set state = 'dead'", "session"],
  ] as const) {
    const held = await scene.start(session);
    await scene.stored(held, {});
    await scene.query(change);
    assert.deepEqual(await scene.turn(held, {}, ended()), { kind: "refused", reason });
  }
});

test("where a begin fails, nothing that was sent behind it is stored by itself", async (t) => {
  let broken = false;
  const { scene } = await watched(t, (query) => {
    const isBegin = typeof query !== "string" && query.text.startsWith("begin");
    return broken && isBegin
      ? { ...query, name: "broken", text: "select no_such_function()" }
      : query;
  });
  const session = await scene.register();
  const held = await scene.start(session);
  await scene.stored(held, {});
  broken = true;
  await assert.rejects(scene.dispatch({ id: "not so" }));
  await assert.rejects(scene.turn(held, { counters: [{ name: "n", value: 1 }] }));
  broken = false;
  assert.equal(await scene.count("executions"), 1);
  assert.equal(await scene.count("counters"), 0);
  await scene.stored(held, { counters: [{ name: "n", value: 1 }] });
  assert.equal(await scene.count("counters"), 1);
});

test("what is handed in while a batch is written waits for its turn, on the one connection", async (t) => {
  const { scene, sent } = await watched(t);
  await Promise.all([scene.dispatch({ id: "a" }), scene.dispatch({ id: "b" })]);
  const begun = sent.map((name, at) => (name === "stent_begin" ? at : -1)).filter((at) => at >= 0);
  const ended = sent.indexOf("stent_commit");
  assert.equal(begun.length, 2);
  assert.ok(ended < (begun[1] ?? 0), sent.join("\n"));
  const connecting = sent.filter((text) => text.includes("default_transaction_read_only"));
  assert.equal(connecting.length, 1);
});
