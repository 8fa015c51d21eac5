/** How PostgreSQL carries out the statements of a store: of what grows with time, none reads a whole table. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type pg from "pg";
import type { StatementGroup } from "../../../src/store/batch.ts";
import { openPostgres } from "../../../src/store/postgres/connection.ts";
import { lockOf } from "../../../src/store/postgres/locking.ts";
import { postgresSettings } from "../../../src/store/postgres/settings.ts";
import { PostgresStatement } from "../../../src/store/postgres/statement.ts";
import { deadlineStatements } from "../../../src/store/statements/deadlines.ts";
import { executionStatements } from "../../../src/store/statements/executions.ts";
import { journalStatements } from "../../../src/store/statements/journal.ts";
import { limitStatements } from "../../../src/store/statements/limits.ts";
import { removalStatements } from "../../../src/store/statements/removal.ts";
import { sessionStatements } from "../../../src/store/statements/sessions.ts";
import { taskStatements } from "../../../src/store/statements/tasks.ts";
import { freshSchema } from "../../support/postgres.ts";
import { fillTables } from "./full-tables.ts";

type Query = ConstructorParameters<typeof PostgresStatement>[0];

const groups: Readonly<Record<StatementGroup, object>> = {
  executions: executionStatements,
  journal: journalStatements,
  tasks: taskStatements,
  sessions: sessionStatements,
  deadlines: deadlineStatements,
  limits: limitStatements,
  removal: removalStatements,
};

/** A row for each worker session, each function, each session that died with something running, and each wake that nobody has seen yet. */
const small = new Set([
  "stent_workers",
  "stent_lanes",
  "stent_marks",
  "stent_wakes",
  "stent_duties",
]);

/** Those that are asked for everything of a kind: all that waits, all that is blocked; once an hour the dead letters that are old. */
const wholeByNature: ReadonlySet<string> = new Set([
  "executions.depth",
  "tasks.depth",
  "executions.blockedOnes",
  "removal.oldLetters",
]);

describe("no statement reads a whole table", () => {
  let client: pg.Client;
  const endings: (() => unknown)[] = [];
  before(async () => {
    const { url, schema } = await freshSchema({ after: (fn) => endings.push(fn) });
    const connections = await openPostgres(postgresSettings(url, { schema }), {
      migrate: true,
      warn: (message) => assert.fail(message),
    });
    client = await connections.connectClient({ purpose: "plans", byIndex: true });
    endings.unshift(
      () => client.end(),
      () => connections.close(),
    );
    await fillTables(client);
  });
  after(async () => {
    for (const end of endings) await end();
  });

  for (const connection of ["commits", "reads"] as const) {
    describe(`on a connection that ${connection}`, () => {
      for (const [group, statements] of Object.entries(groups)) {
        for (const [name, query] of Object.entries(statements) as [string, Query][]) {
          if (wholeByNature.has(`${group}.${name}`)) continue;
          const lock = connection === "commits" ? lockOf(group as StatementGroup, name) : undefined;
          const { text } = new PostgresStatement(query, { lock });
          if (text.kind === "insert" || (connection === "reads" && text.kind !== "select"))
            continue;
          test(`${group}.${name}`, async () => {
            const texts = [text.one(false)];
            if (text.names.length > 0) texts.push(text.many(true));
            if (text.kind === "update" && !texts[0]?.includes("returning"))
              texts.push(text.asserted(false), text.asserted(true));
            for (const each of texts) assert.deepEqual(await wholeScans(client, each), [], each);
          });
        }
      }
    });
  }
});

interface Node {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Index Name"?: string;
  readonly "Index Cond"?: string;
  readonly Plans?: readonly Node[];
}

/** What a plan that holds for any values reads from its first row to its last. */
async function wholeScans(client: pg.Client, text: string): Promise<string[]> {
  const { rows } = await client.query<{ "QUERY PLAN": string }>(
    `explain (generic_plan, format json) ${text}`,
  );
  const found: string[] = [];
  const plans = JSON.parse(rows[0]?.["QUERY PLAN"] ?? "[]") as readonly { readonly Plan: Node }[];
  for (const { Plan } of plans) visit(Plan, false);
  return found;

  /** `limited`: whoever asks stops at the first rows. */
  function visit(node: Node, limited: boolean): void {
    const type = node["Node Type"];
    const table = node["Relation Name"] ?? node["Index Name"] ?? "";
    const reads = type === "Seq Scan" || type.includes("Index");
    if (reads && node["Index Cond"] === undefined && !limited && !small.has(table))
      found.push(`${type} of ${table}`);
    const stops = type === "Limit" || (limited && type !== "Sort" && type !== "Aggregate");
    for (const part of node.Plans ?? []) visit(part, stops);
  }
}
