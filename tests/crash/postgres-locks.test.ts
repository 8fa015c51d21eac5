/** Locks of others: what waits for one holds up nothing else, and two processes that want the same in another order go on. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import pg from "pg";
import { Committer } from "../../src/store/committer.ts";
import { openPostgres } from "../../src/store/postgres/connection.ts";
import { postgresSettings } from "../../src/store/postgres/settings.ts";
import { PostgresStore } from "../../src/store/postgres/store.ts";
import type { Store, Transition, TurnAnswer } from "../../src/store/store.ts";
import { openPostgresDatabase } from "../conformance/postgres-backend.ts";
import {
  ended,
  entry,
  failures,
  heldBy,
  newChild,
  Scene,
  turnOf,
  type Held,
} from "../conformance/scene.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { postgresUrl } from "../support/postgres.ts";

const others = 20;

test("a row that a user's transaction keeps locked holds up what wants it, and nothing else", async (t) => {
  const clock = new ManualClock();
  const database = await openPostgresDatabase(await postgresUrl(), { clock, failures });
  const one = new Scene(database, clock);
  const committer = new Committer(database.store, () => undefined);
  const user = await userOf(one);
  t.after(async () => {
    await user.end();
    await committer.idle();
    await database.close();
  });
  await one.dispatch({ id: "locked" });
  for (let n = 0; n < others; n++) await one.dispatch({ id: `free-${n}` });
  const signal = (executionId: string, payload: string) =>
    committer.submit("signal", { executionId, name: "go", payload, dedupe: undefined });

  await user.query("begin");
  await user.query("select from stent_executions where id = 'locked' for update");
  let held = true;
  const first = signal("locked", "1").then((answer) => [answer, held]);
  for (const payload of ["a", "b"]) {
    const answers = Array.from({ length: others }, (_, n) => signal(`free-${n}`, payload));
    assert.ok((await Promise.all(answers)).every((answer) => answer === "sent"));
  }
  const second = signal("locked", "2").then((answer) => [answer, held]);
  assert.equal(await signal("free-0", "c"), "sent");
  held = false;
  await user.query("commit");

  assert.deepEqual(await Promise.all([first, second]), [
    ["sent", false],
    ["sent", false],
  ]);
  assert.deepEqual(
    await one.query(
      "select s.payload from stent_signals s join stent_executions e on e.key = s.execution where e.id = 'locked' order by s.key",
    ),
    [{ payload: "1" }, { payload: "2" }],
    "in their order",
  );
});

const families = 15;

test("parents that withdraw their children, and children that end, in two processes and in opposite order", async (t) => {
  const { one, here, there } = await twoProcesses(t);
  const [mine, theirs] = [await one.register(), await one.register()];
  const parents: Held[] = [];
  for (let n = 0; n < families; n++) {
    const parent = await one.start(mine, { id: `parent-${n}` });
    await one.stored(parent, {
      entries: [entry(1, { kind: "child" })],
      children: [newChild(1, `child-${n}`)],
    });
    parents.push(parent);
  }
  const children = (await one.claim(theirs)).executions.map((row) => heldBy(theirs, row));
  assert.equal(children.length, families);

  const withdrawing = parents.map((held) =>
    turn(held, { withdrawn: [{ seq: 1, kind: "child" }], knowsCancel: true }),
  );
  const ending = children.map((held) => turn(held, {}, ended("completed"))).toReversed();
  const [withdrawn, finished] = await Promise.all([
    answersOf(here.commit(withdrawing)),
    answersOf(there.commit(ending)),
  ]);

  assert.deepEqual(
    withdrawn.map((answer) => answer.kind),
    parents.map(() => "stored"),
  );
  for (const [index, held] of children.toReversed().entries()) {
    const state = await one.state(held.id);
    const answer = finished[index];
    // Whoever came first: the end, or the cancel that the child has to see.
    if (answer?.kind === "stored") assert.equal(state, "completed");
    else
      assert.deepEqual([answer, state], [{ kind: "refused", reason: "cancelled" }, "cancelling"]);
  }
  assert.deepEqual(await one.violations(), []);
});

test("executions that send each other messages, in two processes and in opposite order", async (t) => {
  const { one, here, there } = await twoProcesses(t);
  const [mine, theirs] = [await one.register(), await one.register()];
  const [ours, others]: [Held[], Held[]] = [[], []];
  for (let n = 0; n < families; n++) {
    ours.push(await one.start(mine, { id: `here-${n}` }));
    others.push(await one.start(theirs, { id: `there-${n}` }));
  }
  const rounds = 5;
  for (let round = 0; round < rounds; round++) {
    const sending = (from: readonly Held[], to: readonly Held[]): Transition[] =>
      from.map((held, n) => {
        const executionId = to[n]?.id ?? "";
        const send = { seq: round + 1, executionId, name: "go", payload: `${round}` };
        return turn(held, {
          entries: [entry(round + 1, { kind: "sendSignal" })],
          sends: [{ ...send, dedupe: `${round}` }],
        });
      });
    const answers = await Promise.all([
      answersOf(here.commit(sending(ours, others))),
      answersOf(there.commit(sending(others, ours).toReversed())),
    ]);
    for (const answer of answers.flat())
      assert.deepEqual([answer.kind, "sends" in answer && answer.sends], ["stored", ["sent"]]);
  }
  assert.equal(await one.count("signals"), 2 * families * rounds);
  assert.deepEqual(await one.violations(), []);
});

/** Two stores on one database, each with its connections. */
async function twoProcesses(
  t: TestContext,
): Promise<{ readonly one: Scene; readonly here: Store; readonly there: Store }> {
  const clock = new ManualClock();
  const url = await postgresUrl();
  const database = await openPostgresDatabase(url, { clock, failures });
  const one = new Scene(database, clock);
  const [row] = await one.query<{ schema: string }>("select current_schema() as schema");
  const settings = postgresSettings(url, { schema: row?.schema ?? "" });
  const connections = await openPostgres(settings, { migrate: false, warn: () => undefined });
  const there = new PostgresStore(connections, { clock, failures });
  t.after(async () => {
    await there.close();
    await database.close();
  });
  return { one, here: database.store, there };
}

function turn(...parts: Parameters<typeof turnOf>): Transition {
  return { kind: "turn", request: turnOf(...parts) };
}

async function answersOf(commit: ReturnType<Store["commit"]>): Promise<TurnAnswer[]> {
  const { settled } = await commit;
  const all = await Promise.all(
    settled.map(async (one) => ("later" in one ? (await one.later).settled : one)),
  );
  return all.map((one) => {
    if ("error" in one) throw one.error;
    return one.answer as TurnAnswer;
  });
}

/** A connection of somebody else's, in the scene's schema. */
async function userOf(one: Scene): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: await postgresUrl() });
  await client.connect();
  const [row] = await one.query<{ schema: string }>("select current_schema() as schema");
  await client.query(`set search_path = "${row?.schema}"`);
  return client;
}
