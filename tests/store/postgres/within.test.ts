import assert from "node:assert/strict";
import { test } from "node:test";
import { CamelCasePlugin, Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import { openPostgres } from "../../../src/store/postgres/connection.ts";
import { postgresSettings } from "../../../src/store/postgres/settings.ts";
import { PostgresStore } from "../../../src/store/postgres/store.ts";
import type { ClaimAnswer, SettledLater, Transition } from "../../../src/store/store.ts";
import { dispatchOf, failures, newExecution, park, Scene } from "../../conformance/scene.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { freshSchema } from "../../support/postgres.ts";
import { rejection, type Ending } from "../../support/serving.ts";
import { postgresClient } from "./open.ts";

test("a message wakes its execution once it is committed and somebody claims", async (t) => {
  const { one, store, begun } = await staged(t);
  const session = await one.register();
  const held = await one.start(session);
  await one.stored(held, {}, park());
  const client = await begun();
  assert.equal(await store.within(client, "signal", messageTo(held.id)), "sent");
  assert.deepEqual(await looked(store), { due: false, wakes: false });
  await client.query("commit");
  assert.deepEqual(await looked(store), { due: true, wakes: true });
  const answer = await claimed(one, session);
  assert.equal(answer.executions[0]?.id, held.id);
  assert.equal(answer.executions[0]?.wakeSeq, held.wakeSeq + 1);
  assert.deepEqual(await looked(store), { due: false, wakes: false });
  assert.equal((await store.inbox(held.execution, "go", 10)).length, 1);
});

test("the holder of an execution is told by the claim of anybody in its process", async (t) => {
  const { one, store, begun } = await staged(t);
  const session = await one.register();
  const held = await one.start(session);
  const client = await begun();
  await store.within(client, "signal", messageTo(held.id));
  await client.query("commit");
  await claimed(one, session);
  assert.deepEqual(one.hints.woken, [held.execution]);
});

test("what others hold is left for the next look, and a message to nobody is removed", async (t) => {
  const { one, store, begun, client: admin, schema } = await staged(t);
  const session = await one.register();
  const held = await one.start(session);
  const gone = await one.start(session, { id: "gone" });
  await one.stored(held, {}, park());
  const client = await begun();
  await store.within(client, "signal", messageTo(held.id));
  await store.within(client, "signal", messageTo(gone.id));
  await one.end(gone);
  await one.one("remove", { keys: [gone.execution] });
  await client.query("commit");
  const other = await begun();
  await other.query(`select 1 from ${schema}.stent_executions where id = $1 for update`, [held.id]);
  const passing = await claimed(one, session);
  assert.deepEqual([passing.executions, passing.nextDueAt], [[], one.now + 10]);
  await other.query("rollback");
  assert.equal((await claimed(one, session)).executions.length, 1);
  const { rows } = await admin.query(`select * from ${schema}.stent_signals where execution = $1`, [
    gone.execution,
  ]);
  assert.deepEqual(rows, []);
});

test("a batch does not wait for what a user's transaction holds; that alone does", async (t) => {
  const { one, store, begun } = await staged(t);
  const session = await one.register();
  const client = await begun();
  await store.within(client, "dispatch", dispatchOf([newExecution({ id: "taken" })]));
  const join = (id: string): Transition => ({
    kind: "dispatch",
    request: dispatchOf([newExecution({ id })], { ifExists: "join" }),
  });
  const { settled } = await store.commit([
    join("taken"),
    { kind: "heartbeat", request: { session } },
    join("free"),
  ]);
  const [taken, beat, free] = settled;
  assert.ok(beat !== undefined && "answer" in beat);
  assert.ok(free !== undefined && "later" in free);
  assert.ok("answer" in (await free.later).settled);
  assert.ok(taken !== undefined && "later" in taken);
  await client.query("commit");
  assert.deepEqual((await taken.later).settled, { answer: [{ kind: "joined" }] });
});

test("one that is begun anew in an open transaction holds up nobody else, and is begun once", async (t) => {
  const { one, store, begun } = await staged(t);
  const session = await one.register();
  const failed = await one.start(session, { id: "failed" });
  await one.end(failed, {}, "failed");
  const client = await begun();
  const again = dispatchOf([newExecution({ id: "failed" })], { ifExists: "restart-if-failed" });
  const [restarted] = await store.within(client, "dispatch", again);
  assert.equal(restarted?.kind, "restarted");
  const { settled } = await store.commit([{ kind: "dispatch", request: again }]);
  const [other] = settled;
  assert.ok(other !== undefined && "later" in other);
  await one.dispatch({ id: "beside" });
  await client.query("commit");
  const later: SettledLater = await other.later;
  assert.deepEqual(later.settled, { answer: [{ kind: "joined" }] });
  assert.equal((await one.row("failed")).run, 2);
});

test("two transactions of users under one id: the second waits for the first, and meets what it stored", async (t) => {
  const { store, begun } = await staged(t);
  const [first, second] = await Promise.all([begun(), begun()]);
  const same = dispatchOf([newExecution({ id: "same" })]);
  await store.within(first, "dispatch", same);
  const meeting = store.within(second, "dispatch", same);
  await first.query("commit");
  assert.deepEqual(await meeting, [{ kind: "refused", reason: "exists", name: "flow" }]);
  await second.query("select 1");
});

test("what a snapshot does not show yet is an error of the database, and the transaction goes on", async (t) => {
  const { one, store, begun } = await staged(t);
  const client = await begun("begin isolation level repeatable read");
  await client.query("select 1");
  await one.dispatch({ id: "unseen" });
  const same = dispatchOf([newExecution({ id: "unseen" })]);
  assert.match((await rejection(store.within(client, "dispatch", same))).message, /duplicate key/);
  const other = dispatchOf([newExecution({ id: "other" })]);
  const [created] = await store.within(client, "dispatch", other);
  assert.equal(created?.kind, "created");
});

test("a Kysely's plugins and the driver's parsers make no difference", async (t) => {
  const { one, store, url } = await staged(t);
  await one.dispatch({ id: "there" });
  const textOid = 25;
  const types = {
    getTypeParser: (oid: number) => (text: string) => (oid === textOid ? text : { text }),
  };
  const pool = new pg.Pool({ connectionString: url, max: 1, types });
  const db = new Kysely({
    dialect: new PostgresDialect({ pool }),
    plugins: [new CamelCasePlugin()],
  });
  t.after(() => db.destroy());
  const transaction = await db.startTransaction().execute();
  const [joined] = await store.within(
    transaction,
    "dispatch",
    dispatchOf([newExecution({ id: "there" })], { ifExists: "join" }),
  );
  assert.equal(joined?.kind, "joined");
  const [created] = await store.within(transaction, "dispatch", dispatchOf([newExecution()]));
  assert.ok(created?.kind === "created" && typeof created.key === "number");
  await transaction.rollback().execute();
});

async function claimed(one: Scene, session: number): Promise<ClaimAnswer> {
  const room = { limit: 10, turns: 10, accepts: () => true };
  return one.one("claim", { session, ...room, suspects: true, wakes: true });
}

async function looked(store: PostgresStore): Promise<{ due: boolean; wakes: boolean }> {
  const { due, wakes } = await store.peek(() => true);
  return { due, wakes };
}

function messageTo(executionId: string) {
  return { executionId, name: "go", payload: "1", dedupe: undefined };
}

async function staged(t: Ending) {
  const { url, schema } = await freshSchema(t);
  const settings = postgresSettings(url, { schema });
  const connections = await openPostgres(settings, { migrate: true, warn: assert.fail });
  const clock = new ManualClock();
  const store = new PostgresStore(connections, { clock, failures });
  t.after(() => store.close());
  const one = new Scene({ store } as never, clock);
  const client = await postgresClient(t, url);
  const begun = async (how = "begin"): Promise<pg.Client> => {
    const opened = await postgresClient(t, url);
    await opened.query(how);
    return opened;
  };
  return { url, schema, store, one, client, begun };
}
