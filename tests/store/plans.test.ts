import assert from "node:assert/strict";
import { test } from "node:test";
import Database from "better-sqlite3";
import { Stent } from "stentjs";
import { deadlineStatements } from "../../src/store/statements/deadlines.ts";
import { executionStatements } from "../../src/store/statements/executions.ts";
import { journalStatements } from "../../src/store/statements/journal.ts";
import { compile } from "../../src/store/statements/statement.ts";
import { taskStatements } from "../../src/store/statements/tasks.ts";
import { databaseFile } from "../support/serving.ts";

/** How SQLite reads, where another way would take longer with every row that is there. */
const plans = [
  [
    "what is open of a journal is found by an index of its own",
    journalStatements.pending,
    /USING COVERING INDEX stent_journal_open \(execution=\? AND run=\?\)/,
  ],
  [
    "what a session had begun is found by the index of what is open",
    journalStatements.begunBy,
    /USING COVERING INDEX stent_journal_open/,
  ],
  [
    "attempts begun by holders are looked for in what is held",
    journalStatements.begunCalls,
    /^SEARCH e USING INDEX stent_executions_held/,
  ],
  [
    "the newest steps are read from the end of a run",
    journalStatements.newestSteps,
    /^SEARCH stent_journal USING PRIMARY KEY \(execution=\? AND run=\?\)$/,
  ],
  [
    "the next rank of a lane of executions that have not begun is one look-up",
    executionStatements.unbegunLanes,
    /\(lane=\? AND rank>\?\)/,
  ],
  [
    "the next rank of a lane of executions that have begun is one look-up",
    executionStatements.begunLanes,
    /\(lane=\? AND rank>\?\)/,
  ],
  [
    "the next rank of a lane of tasks is one look-up",
    taskStatements.readyLanes,
    /stent_tasks_ready \(lane=\? AND rank>\?\)/,
  ],
  [
    "jobs past their totalTimeout are found in their order",
    deadlineStatements.jobsOutOfTime,
    /^SEARCH stent_executions USING INDEX stent_executions_give_up \(give_up_at>\? AND give_up_at<\?\)$/,
  ],
  [
    "items past their totalTimeout are found in their order",
    deadlineStatements.itemsOutOfTime,
    /^SEARCH stent_tasks USING INDEX stent_tasks_give_up \(give_up_at>\? AND give_up_at<\?\)$/,
  ],
  [
    "what is to end next, or should have ended, is six look-ups",
    deadlineStatements.look,
    new RegExp(
      [
        /SEARCH stent_executions USING INDEX stent_executions_deadline \(deadline>\? AND deadline<\?\)/,
        /SEARCH stent_executions USING INDEX stent_executions_give_up \(give_up_at>\? AND give_up_at<\?\)/,
        /SEARCH stent_tasks USING INDEX stent_tasks_give_up \(give_up_at>\? AND give_up_at<\?\)/,
        /SEARCH stent_executions USING INDEX stent_executions_deadline \(deadline>\?\)/,
        /SEARCH stent_executions USING INDEX stent_executions_give_up \(give_up_at>\?\)/,
        /SEARCH stent_tasks USING COVERING INDEX stent_tasks_give_up \(give_up_at>\?\)/,
      ]
        .map(({ source }) => `SCALAR SUBQUERY \\d+\n${source}`)
        .join("\n"),
    ),
  ],
  [
    "items of a range that have no outcome are read in their order",
    journalStatements.openItemNumbers,
    /^SEARCH stent_items USING PRIMARY KEY \(execution=\? AND run=\? AND seq=\? AND item>\? AND item<\?\)$/,
  ],
] as const;

for (const [title, query, expected] of plans) {
  test(title, async (t) => {
    const path = databaseFile(t);
    await (await Stent.open(path)).close();
    const database = new Database(path, { readonly: true });
    t.after(() => database.close());
    const { sql, parameters } = compile(query);
    const steps = database.prepare(`explain query plan ${sql}`).all(...parameters.map(() => 1)) as {
      detail: string;
    }[];
    const plan = steps.map(({ detail }) => detail).join("\n");
    assert.match(plan, expected);
    assert.doesNotMatch(plan, /^SCAN (?:e|j|n|stent_journal)\b/m);
  });
}
