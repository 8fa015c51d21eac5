/** Each check of tests/support/invariants.ts finds what it is for: here rows are damaged, one by one. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { postgresBackend } from "../conformance/postgres-backend.ts";
import {
  completed,
  entry,
  failures,
  heldBy,
  newChild,
  newTask,
  Scene,
} from "../conformance/scene.ts";
import { sqliteInMemory } from "../conformance/sqlite-backend.ts";
import { checkInvariants } from "../support/invariants.ts";
import { ManualClock } from "../support/manual-clock.ts";

const damage: readonly (readonly [what: RegExp, sql: string])[] = [
  [
    /^I1: path 2 of execution \d, run 1, is written 2 times/,
    "update stent_journal set path = '2' where execution = 1",
  ],
  [
    /^I1: delivery 7 .* is that of 2 entries/,
    "update stent_journal set delivery = 7, status = 1 where execution = 1 and seq < 3",
  ],
  [
    /^I1: entry 1 .* is delivered without an outcome/,
    "update stent_journal set delivery = 7 where execution = 1 and seq = 1",
  ],
  [
    /^I1: entry 1 .* is of run 2, which has not begun/,
    "update stent_journal set run = 2 where execution = 1 and seq = 1",
  ],
  [
    /^I2: execution call is completed, but its end is null/,
    "update stent_executions set state = 'completed' where id = 'call'",
  ],
  [
    /^I2: execution call has ended, and is still held, due or blocked/,
    "update stent_executions set state = 'failed', ended_at = 1, due_at = 1 where id = 'call'",
  ],
  [
    /^I2: execution 1 has ended or is gone, and has 1 rows in stent_tasks/,
    "update stent_executions set state = 'failed', ended_at = 1 where id = 'call'",
  ],
  [
    /^I3: row \d of stent_tasks is held by session 1, which is not live/,
    "update stent_workers set state = 'dead'",
  ],
  [
    /^I4: task \d is of entry 1 of execution 1, run 1, which waits for nothing/,
    "update stent_journal set status = 1 where execution = 1 and seq = 1",
  ],
  [
    /^I4: task \d of entry 1 .* is queued, though its outcome has arrived/,
    "insert into stent_arrivals (execution, run, seq, kind, status, attempt, failures, ended_at) values (1, 1, 1, 'outcome', 1, 1, 0, 1)",
  ],
  [
    /^I4: task \d would begin entry 1 .*, which its holder has begun itself/,
    "update stent_journal set worker = 1 where execution = 1 and seq = 1",
  ],
  [
    /^I5: task \d has failed 5 times in 1 starts/,
    "update stent_tasks set failures = 5 where execution = 1",
  ],
  [
    /^I5: execution call has failed 1 times, and is at its attempt 1/,
    "update stent_executions set failures = 1 where id = 'call'",
  ],
  [/^I6: message 1 of execution 1 is half consumed/, "update stent_signals set consumed_seq = 2"],
  [
    /^I6: message 1 .* was consumed by entry 2, which has not received it/,
    "update stent_signals set consumed_run = 1, consumed_seq = 2 where key = 1",
  ],
  [
    /^I6: message 1 .* was overtaken by a later one of "go"/,
    "update stent_signals set consumed_run = 1, consumed_seq = 2 where key = 2",
  ],
  [
    /^I6: wait 2 of execution 1, run 1, received a message that is not there/,
    "update stent_journal set status = 1, delivery = 1 where execution = 1 and seq = 2",
  ],
  [/^I8: execution call waits for nothing/, "delete from stent_journal where execution = 1"],
  [
    /^I8: execution call is parked, and its call at 1 has nobody who works on it/,
    "delete from stent_tasks where execution = 1",
  ],
  [/^I8: execution map is parked, and its map at 1 has nobody/, "delete from stent_fanouts"],
  [
    /^I8: the map at entry 1 .* counts 9 items as left, but 4 are/,
    'update stent_fanouts set "left" = 9',
  ],
  [
    /^I8: item 3 of the map at entry 1 .* is in 0 tasks/,
    "update stent_tasks set item_to = 3 where item_to = 5",
  ],
  [
    /^I8: item 3 of the map at entry 1 .* is in 2 tasks/,
    "update stent_tasks set item_to = 5 where item_to = 3",
  ],
  [
    /^I8: item 1 of the map at entry 1 .* has begun, and 0 of its children are under way/,
    "update stent_executions set parent_item = 9 where id = 'fleet/1/1.1'",
  ],
  [
    /^I4: item 0 of the map at entry 1 .* is completed, but its child is failed/,
    "update stent_executions set state = 'failed' where id = 'fleet/1/1.0'",
  ],
  [
    /^I11: execution fleet\/1\/1\.1 is item 9 of a map of execution \d that has no such item/,
    "update stent_executions set parent_item = 9 where id = 'fleet/1/1.1'",
  ],
  [
    /^I8: execution parent is parked, and its child at 1 has nobody/,
    "update stent_executions set parent = null where id = 'child'",
  ],
  [
    /^I8: sleep 2 of execution parent ends by itself at \d+, but its execution is due at null/,
    "update stent_executions set due_at = null where id = 'parent'",
  ],
  [
    /^I11: entry 2 .* has 2 tasks|^I11: entry 1 of execution 1, run 1, has 2 tasks/,
    "insert into stent_tasks (execution, run, seq, path, name, lane, rank, due_at, attempt, failures, scheduled_at) select execution, run, seq, path, name, lane, rank, due_at, attempt, failures, scheduled_at from stent_tasks where execution = 1",
  ],
  [
    /^I11: row \d+ is in a lane of \w+, and is of other/,
    "update stent_executions set name = 'other' where id = 'call'",
  ],
  [
    /^I14: run 1 of execution 1 has entries 1 to 5, but 3 of them/,
    "update stent_journal set seq = 5 where execution = 1 and seq = 3",
  ],
  [
    /^I14: stent_counters has rows of execution 99/,
    "insert into stent_counters (execution, name, value) values (99, 'n', 1)",
  ],
];

for (const backend of [sqliteInMemory, postgresBackend]) {
  describe(backend.name, async () => {
    const clock = new ManualClock();
    const database = await backend.open({ clock, failures });
    after(() => database.close());

    before(async () => {
      const one = new Scene(database, clock);
      await build(one);
      assert.deepEqual(await one.violations(), []);
    });

    for (const [what, sql] of damage) {
      test(`finds: ${what.source}`, () =>
        database.undone(async (query) => {
          const damaged = await query(`${sql} returning 1`);
          assert.ok(damaged.length > 0, "there is something to damage");
          const found = await checkInvariants(query, clock.now());
          assert.ok(
            found.some((violation) => what.test(violation)),
            found.join("\n"),
          );
        }));
    }
  });
}

/** One that calls and waits for a message, one with a map of which an item has ended, and one with a child, a sleep and a timer. */
async function build(one: Scene): Promise<void> {
  const session = await one.register();
  const call = await one.start(session, { id: "call" });
  await one.parked(call, {
    entries: [entry(1), entry(2, { kind: "signal" }), entry(3, { kind: "progress", path: "1" })],
    tasks: [newTask(1)],
  });
  await one.claimTask(session);
  const map = await one.start(session, { id: "map" });
  const inputs = Array.from({ length: 5 }, (_, item) => `in-${item}`);
  await one.parked(map, {
    entries: [entry(1, { kind: "map" })],
    fanouts: [{ seq: 1, inputs, tolerated: 0, released: 5 }],
    tasks: [newTask(1, { itemFrom: 0, itemTo: 5 })],
  });
  const range = await one.claimTask(session, { limit: 3 });
  await one.outcome(session, range, completed, 0);
  await one.fanning(session, 3, { id: "fleet", concurrency: 2 });
  const [first] = (
    await one.claim(session, { limit: 1, accepts: (lane) => lane.kind === "workflow" })
  ).executions;
  assert.ok(first !== undefined);
  await one.end(heldBy(session, first));
  const parent = await one.start(session, { id: "parent" });
  const wake = one.now + 50;
  await one.parked(
    parent,
    {
      entries: [entry(1, { kind: "child" }), entry(2, { kind: "sleep", dueAt: wake })],
      children: [newChild(1, "child")],
    },
    wake,
  );
  for (const payload of ["1", "2"]) await one.signal("call", payload);
  const held = (await one.claim(session, { accepts: (lane) => lane.kind === "workflow", limit: 0 }))
    .executions[0];
  await one.parked({ ...call, claim: held?.claim ?? 0, wakeSeq: held?.wakeSeq ?? 0 });
}
