import assert from "node:assert/strict";
import { test } from "node:test";
import { openConnection } from "../../src/store/sqlite/connection.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { deadlineStatements } from "../../src/store/statements/deadlines.ts";
import { executionStatements } from "../../src/store/statements/executions.ts";
import { sessionStatements } from "../../src/store/statements/sessions.ts";
import { compile } from "../../src/store/statements/statement.ts";
import { taskStatements } from "../../src/store/statements/tasks.ts";
import { dispatchOf, failures, newExecution, Scene } from "../conformance/scene.ts";
import { ManualClock } from "../support/manual-clock.ts";

const plans = [
  [
    "what has not begun",
    executionStatements.unbegun,
    /SEARCH \S+ USING INDEX stent_executions_unbegun \(lane=\? AND rank=\? AND due_at>\? AND due_at<\?\)/,
  ],
  [
    "what has begun",
    executionStatements.begun,
    /SEARCH \S+ USING INDEX stent_executions_begun \(lane=\? AND rank=\? AND due_at>\? AND due_at<\?\)/,
  ],
  [
    "tasks that wait",
    taskStatements.ready,
    /SEARCH \S+ USING INDEX stent_tasks_ready \(lane=\? AND rank=\? AND due_at<\?\)/,
  ],
  [
    "what is past its deadline",
    deadlineStatements.expired,
    /SEARCH \S+ USING INDEX stent_executions_deadline/,
  ],
  [
    "an inbox",
    sessionStatements.inbox,
    /SEARCH \S+ USING INDEX stent_signals_inbox \(execution=\? AND name=\? AND consumed_run=\?\)/,
  ],
  [
    "names that have messages",
    sessionStatements.inboxNames,
    /SEARCH s EXISTS USING COVERING INDEX stent_signals_inbox \(execution=\? AND name=\? AND consumed_run=\?\)/,
  ],
  [
    "messages to be removed",
    sessionStatements.removeSignals,
    /SEARCH \S+ USING INDEX stent_signals_inbox \(execution=\?\)/,
  ],
  [
    "the depth of a queue",
    executionStatements.depth,
    /stent_executions_unbegun\n.*\n.*stent_executions_begun/,
  ],
] as const;

for (const [what, query, expected] of plans) {
  test(`reads ${what} through the index that matches it, and sorts nothing`, async () => {
    const database = await openConnection(":memory:", { migrate: true });
    const { sql, parameters } = compile(query);
    const steps = database
      .prepare<unknown[], { detail: string }>(`explain query plan ${sql}`)
      .all(...parameters.map(() => 1));
    const plan = steps.map(({ detail }) => detail).join("\n");
    database.close();
    assert.match(plan, expected);
    assert.doesNotMatch(plan, /TEMP B-TREE/);
  });
}

test("a claim looks at each lane and priority once, however many wait there, now or later", async () => {
  const clock = new ManualClock();
  const database = await openConnection(":memory:", { migrate: true });
  const store = new SqliteStore(database, ":memory:", { clock, failures });
  const scene = new Scene(
    {
      store,
      query: async () => [],
      violations: async () => [],
      undone: async () => undefined,
      close: () => store.close(),
    },
    clock,
  );
  const session = await scene.register();
  const foreign = Array.from({ length: 5_000 }, (_, index) =>
    newExecution({ id: `f-${index}`, name: `f-${index % 3}` }),
  );
  const later = Array.from({ length: 5_000 }, (_, index) =>
    newExecution({ id: `l-${index}`, delayMs: 1 + index }),
  );
  await scene.one("dispatch", dispatchOf([...foreign, ...later, newExecution({ id: "mine" })]));
  let asked = 0;
  const { executions, nextDueAt } = await scene.claim(session, {
    accepts: (lane) => (asked++, lane.name === "flow"),
  });
  assert.deepEqual([executions.map((row) => row.id), nextDueAt], [["mine"], clock.now() + 1]);
  // Three foreign lanes and its own, before and after it took something.
  assert.equal(asked, 8);
  await store.close();
});

test("no statement is prepared anew when it is bound: a bare limit would be looked at by the planner", () => {
  for (const statements of [executionStatements, taskStatements, sessionStatements]) {
    for (const query of Object.values(statements))
      assert.doesNotMatch(compile(query as never).sql, /limit \?(?! \+ 0)/);
  }
});
