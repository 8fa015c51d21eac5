import { sql, type Kysely, type Migration } from "kysely";
import type { SchemaDialect } from "../schema-dialect.ts";

/** The tables of the engine. */
export function engineTables(dialect: SchemaDialect): Migration {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      const { autoKey, clustered, hot, text, payload, integer } = dialect;

      await autoKey(hot(db.schema.createTable("stent_executions")), "key")
        .addColumn("id", text, (c) => c.notNull().unique())
        .addColumn("kind", text, (c) => c.notNull())
        .addColumn("name", text, (c) => c.notNull())
        .addColumn("version", text)
        .addColumn("state", text, (c) => c.notNull())
        .addColumn("input", payload, (c) => c.notNull())
        .addColumn("options", text)
        .addColumn("result", payload)
        .addColumn("queue", text)
        .addColumn("rank", integer, (c) => c.notNull())
        .addColumn("tags", text)
        .addColumn("lane", integer, (c) => c.notNull())
        .addColumn("parent", integer)
        .addColumn("parent_run", integer)
        .addColumn("parent_seq", integer)
        .addColumn("parent_item", integer)
        .addColumn("root", integer)
        .addColumn("created_at", integer, (c) => c.notNull())
        .addColumn("started_at", integer)
        .addColumn("ended_at", integer)
        .addColumn("not_before", integer, (c) => c.notNull())
        .addColumn("scheduled_at", integer, (c) => c.notNull())
        .addColumn("max_duration", integer)
        .addColumn("deadline", integer)
        .addColumn("give_up_at", integer)
        .addColumn("due_at", integer)
        .addColumn("wake_seq", integer, (c) => c.notNull().defaultTo(0))
        .addColumn("worker", integer)
        .addColumn("claim", integer, (c) => c.notNull().defaultTo(0))
        .addColumn("run", integer, (c) => c.notNull().defaultTo(1))
        .addColumn("cut", integer, (c) => c.notNull().defaultTo(0))
        .addColumn("attempt", integer, (c) => c.notNull().defaultTo(1))
        .addColumn("failures", integer, (c) => c.notNull().defaultTo(0))
        .addColumn("failed_by", integer)
        .addColumn("blocked", text)
        .addColumn("cancel_reason", text)
        .addColumn("cancel_seen", integer, (c) => c.notNull().defaultTo(0))
        .addColumn("heartbeat", payload)
        .addColumn("gates", text)
        .execute();
      // Due and not held: the only queue of executions, in two parts, since one of them needs no slot. They match WHERE and ORDER BY of the
      // claim column for column.
      await sql`create index stent_executions_unbegun on stent_executions (lane, rank, due_at${dialect.inOrderOfKeys}) where worker is null and due_at is not null and started_at is null`.execute(
        db,
      );
      await sql`create index stent_executions_begun on stent_executions (lane, rank, due_at${dialect.inOrderOfKeys}) where worker is null and due_at is not null and started_at is not null`.execute(
        db,
      );
      await sql`create index stent_executions_held on stent_executions (worker) where worker is not null`.execute(
        db,
      );
      await sql`create index stent_executions_deadline on stent_executions (deadline) where deadline is not null and ended_at is null`.execute(
        db,
      );
      await sql`create index stent_executions_give_up on stent_executions (give_up_at) where give_up_at is not null and ended_at is null`.execute(
        db,
      );
      await sql`create index stent_executions_parent on stent_executions (parent) where parent is not null`.execute(
        db,
      );
      // For who looks at all of it. An entry an execution, written as it ends, and one for what did not go well: counting a million takes 15 ms
      // instead of 350, and what has failed among a million is found at once.
      await sql`create index stent_executions_ended on stent_executions (ended_at, state) where ended_at is not null`.execute(
        db,
      );
      await sql`create index stent_executions_aside on stent_executions (state, key) where state in ('failed', 'timed_out', 'cancelled', 'cancelling')`.execute(
        db,
      );
      await sql`create index stent_executions_blocked on stent_executions (key) where blocked is not null`.execute(
        db,
      );

      await clustered(
        db.schema
          .createTable("stent_journal")
          .addColumn("execution", integer, (c) => c.notNull())
          .addColumn("run", integer, (c) => c.notNull())
          .addColumn("seq", integer, (c) => c.notNull())
          .addColumn("path", text, (c) => c.notNull())
          .addColumn("kind", text, (c) => c.notNull())
          .addColumn("name", text)
          .addColumn("input", payload)
          .addColumn("options", text)
          .addColumn("status", integer, (c) => c.notNull())
          .addColumn("value", payload)
          .addColumn("reached", integer, (c) => c.notNull())
          .addColumn("delivery", integer)
          .addColumn("due_at", integer)
          .addColumn("scheduled_at", integer, (c) => c.notNull())
          .addColumn("started_at", integer)
          .addColumn("ended_at", integer)
          .addColumn("step", integer, (c) => c.notNull())
          .addColumn("attempt", integer, (c) => c.notNull())
          .addColumn("failures", integer, (c) => c.notNull())
          .addColumn("worker", integer)
          .addColumn("cut", integer, (c) => c.notNull())
          .addColumn("withdrawn", integer)
          .addPrimaryKeyConstraint("stent_journal_pk", ["execution", "run", "seq"]),
      ).execute();

      // What is open of a long journal is found without reading it (175 ms at 100,000 entries); costs 0.3 us an entry.
      await sql`create index stent_journal_open on stent_journal (execution, run, seq) where status = 0`.execute(
        db,
      );

      await clustered(
        hot(db.schema.createTable("stent_items"))
          .addColumn("execution", integer, (c) => c.notNull())
          .addColumn("run", integer, (c) => c.notNull())
          .addColumn("seq", integer, (c) => c.notNull())
          .addColumn("item", integer, (c) => c.notNull())
          .addColumn("input", payload, (c) => c.notNull())
          .addColumn("status", integer, (c) => c.notNull())
          .addColumn("value", payload)
          .addColumn("alone", integer, (c) => c.notNull().defaultTo(0))
          .addColumn("attempt", integer, (c) => c.notNull().defaultTo(0))
          .addColumn("ended_at", integer)
          .addColumn("gates", text)
          .addPrimaryKeyConstraint("stent_items_pk", ["execution", "run", "seq", "item"]),
      ).execute();

      await clustered(
        hot(db.schema.createTable("stent_fanouts"))
          .addColumn("execution", integer, (c) => c.notNull())
          .addColumn("run", integer, (c) => c.notNull())
          .addColumn("seq", integer, (c) => c.notNull())
          .addColumn("total", integer, (c) => c.notNull())
          .addColumn("next", integer, (c) => c.notNull())
          .addColumn("left", integer, (c) => c.notNull())
          .addColumn("failed", integer, (c) => c.notNull().defaultTo(0))
          .addColumn("forgone", integer, (c) => c.notNull().defaultTo(0))
          .addColumn("tolerated", integer)
          .addPrimaryKeyConstraint("stent_fanouts_pk", ["execution", "run", "seq"]),
      ).execute();

      await autoKey(hot(db.schema.createTable("stent_tasks")), "key")
        .addColumn("execution", integer, (c) => c.notNull())
        .addColumn("run", integer, (c) => c.notNull())
        .addColumn("seq", integer, (c) => c.notNull())
        .addColumn("path", text, (c) => c.notNull())
        .addColumn("item_from", integer)
        .addColumn("item_to", integer)
        .addColumn("name", text, (c) => c.notNull())
        .addColumn("lane", integer, (c) => c.notNull())
        .addColumn("queue", text)
        .addColumn("rank", integer, (c) => c.notNull())
        .addColumn("tags", text)
        .addColumn("due_at", integer, (c) => c.notNull())
        .addColumn("worker", integer)
        .addColumn("claim", integer, (c) => c.notNull().defaultTo(0))
        .addColumn("attempt", integer, (c) => c.notNull())
        .addColumn("failures", integer, (c) => c.notNull())
        .addColumn("scheduled_at", integer, (c) => c.notNull())
        .addColumn("started_at", integer)
        .addColumn("error", payload)
        .addColumn("heartbeat", payload)
        .addColumn("cancelled", integer, (c) => c.notNull().defaultTo(0))
        .addColumn("give_up_at", integer)
        .addColumn("gates", text)
        .execute();
      await sql`create index stent_tasks_ready on stent_tasks (lane, rank, due_at${dialect.inOrderOfKeys}) where worker is null`.execute(
        db,
      );
      await sql`create index stent_tasks_held on stent_tasks (worker) where worker is not null`.execute(
        db,
      );
      await sql`create index stent_tasks_execution on stent_tasks (execution, run, seq)`.execute(
        db,
      );
      await sql`create index stent_tasks_give_up on stent_tasks (give_up_at) where give_up_at is not null`.execute(
        db,
      );

      await autoKey(hot(db.schema.createTable("stent_arrivals")), "key")
        .addColumn("execution", integer, (c) => c.notNull())
        .addColumn("run", integer, (c) => c.notNull())
        .addColumn("seq", integer, (c) => c.notNull())
        .addColumn("kind", text, (c) => c.notNull())
        .addColumn("status", integer, (c) => c.notNull())
        .addColumn("value", payload)
        .addColumn("records", payload)
        .addColumn("attempt", integer, (c) => c.notNull())
        .addColumn("failures", integer, (c) => c.notNull())
        .addColumn("started_at", integer)
        .addColumn("ended_at", integer, (c) => c.notNull())
        .execute();
      await sql`create index stent_arrivals_execution on stent_arrivals (execution)`.execute(db);

      await autoKey(db.schema.createTable("stent_signals"), "key")
        .addColumn("execution", integer, (c) => c.notNull())
        .addColumn("name", text, (c) => c.notNull())
        .addColumn("payload", payload, (c) => c.notNull())
        .addColumn("dedupe", text)
        .addColumn("sent_at", integer, (c) => c.notNull())
        .addColumn("consumed_run", integer)
        .addColumn("consumed_seq", integer)
        .execute();
      await sql`create index stent_signals_inbox on stent_signals (execution, name, consumed_run)`.execute(
        db,
      );
      await sql`create unique index stent_signals_dedupe on stent_signals (execution, dedupe) where dedupe is not null`.execute(
        db,
      );

      await autoKey(hot(db.schema.createTable("stent_workers")), "key")
        .addColumn("id", text, (c) => c.notNull())
        .addColumn("name", text, (c) => c.notNull())
        .addColumn("host", text, (c) => c.notNull())
        .addColumn("pid", integer, (c) => c.notNull())
        .addColumn("process", text, (c) => c.notNull())
        .addColumn("state", text, (c) => c.notNull())
        .addColumn("beat", integer, (c) => c.notNull().defaultTo(0))
        .addColumn("lease", integer, (c) => c.notNull())
        .addColumn("started_at", integer, (c) => c.notNull())
        .addColumn("seen_at", integer, (c) => c.notNull())
        .addColumn("queues", text)
        .addColumn("tags", text)
        .addColumn("functions", text, (c) => c.notNull())
        .execute();

      await autoKey(db.schema.createTable("stent_lanes"), "key")
        .addColumn("kind", text, (c) => c.notNull())
        .addColumn("name", text, (c) => c.notNull())
        .addColumn("version", text)
        .addColumn("queue", text)
        .addColumn("tags", text)
        .addColumn("text", text, (c) => c.notNull().unique())
        .execute();

      await db.schema
        .createTable("stent_marks")
        .addColumn("execution", integer, (c) => c.notNull())
        .addColumn("run", integer, (c) => c.notNull())
        .addColumn("seq", integer, (c) => c.notNull())
        .addColumn("item", integer, (c) => c.notNull())
        .addColumn("session", integer, (c) => c.notNull())
        .addPrimaryKeyConstraint("stent_marks_pk", ["execution", "run", "seq", "item", "session"])
        .execute();

      await db.schema
        .createTable("stent_counters")
        .addColumn("execution", integer, (c) => c.notNull())
        .addColumn("name", text, (c) => c.notNull())
        .addColumn("value", dialect.real, (c) => c.notNull())
        .addColumn("base", dialect.real)
        .addPrimaryKeyConstraint("stent_counters_pk", ["execution", "name"])
        .execute();

      await db.schema
        .createTable("stent_state")
        .addColumn("execution", integer, (c) => c.notNull())
        .addColumn("name", text, (c) => c.notNull())
        .addColumn("value", payload, (c) => c.notNull())
        .addColumn("base", payload)
        .addPrimaryKeyConstraint("stent_state_pk", ["execution", "name"])
        .execute();

      await db.schema
        .createTable("stent_left_runs")
        .addColumn("execution", integer, (c) => c.notNull())
        .addColumn("run", integer, (c) => c.notNull())
        .addPrimaryKeyConstraint("stent_left_runs_pk", ["execution", "run"])
        .execute();

      await autoKey(db.schema.createTable("stent_dead_letters"), "key")
        .addColumn("task", text, (c) => c.notNull().unique())
        .addColumn("execution", integer, (c) => c.notNull())
        .addColumn("run", integer, (c) => c.notNull())
        .addColumn("seq", integer, (c) => c.notNull())
        .addColumn("item", integer, (c) => c.notNull())
        .addColumn("reason", text, (c) => c.notNull())
        .addColumn("record", text, (c) => c.notNull())
        .addColumn("error", payload)
        .addColumn("moved_at", integer, (c) => c.notNull())
        .execute();
      await sql`create index stent_dead_letters_execution on stent_dead_letters (execution)`.execute(
        db,
      );

      await autoKey(hot(db.schema.createTable("stent_gates")), "key")
        .addColumn("name", text, (c) => c.notNull().unique())
        .addColumn("places", integer, (c) => c.notNull())
        .addColumn("per", integer)
        .addColumn("tokens", dialect.real)
        .addColumn("at", integer, (c) => c.notNull())
        .execute();
      await clustered(
        hot(db.schema.createTable("stent_slots"))
          .addColumn("gate", integer, (c) => c.notNull())
          .addColumn("holder", integer, (c) => c.notNull())
          .addColumn("session", integer)
          .addPrimaryKeyConstraint("stent_slots_pk", ["gate", "holder"]),
      ).execute();
      await sql`create index stent_slots_holder on stent_slots (holder)`.execute(db);
      await sql`create index stent_slots_session on stent_slots (session) where session is not null`.execute(
        db,
      );
      await clustered(
        hot(db.schema.createTable("stent_waits"))
          .addColumn("gate", integer, (c) => c.notNull())
          .addColumn("holder", integer, (c) => c.notNull())
          .addColumn("lane", integer, (c) => c.notNull())
          .addColumn("rank", integer, (c) => c.notNull())
          .addColumn("due_at", integer, (c) => c.notNull())
          .addColumn("called", integer, (c) => c.notNull().defaultTo(0))
          .addPrimaryKeyConstraint("stent_waits_pk", ["gate", "holder"]),
      ).execute();
      await sql`create index stent_waits_order on stent_waits (gate, lane, called, rank, due_at, abs(holder))`.execute(
        db,
      );
      await sql`create index stent_waits_holder on stent_waits (holder)`.execute(db);
      await autoKey(hot(db.schema.createTable("stent_results")), "key")
        .addColumn("name", text, (c) => c.notNull().unique())
        .addColumn("holder", integer)
        .addColumn("session", integer)
        .addColumn("ttl", integer)
        .addColumn("stored", integer, (c) => c.notNull().defaultTo(0))
        .addColumn("value", payload)
        .addColumn("expires_at", integer)
        .execute();
      await sql`create index stent_results_holder on stent_results (holder) where holder is not null`.execute(
        db,
      );
      await sql`create index stent_results_session on stent_results (session) where session is not null`.execute(
        db,
      );
      await sql`create index stent_results_expiry on stent_results (expires_at) where expires_at is not null`.execute(
        db,
      );

      await autoKey(hot(db.schema.createTable("stent_wakes")), "key")
        .addColumn("execution", integer)
        .addColumn("gate", integer)
        .execute();

      await db.schema
        .createTable("stent_duties")
        .addColumn("name", text, (c) => c.primaryKey())
        .addColumn("session", integer, (c) => c.notNull())
        .execute();

      if (dialect.answersMayBeLost) {
        await hot(db.schema.createTable("stent_writers"))
          .addColumn("id", text, (c) => c.primaryKey())
          .addColumn("batch", integer, (c) => c.notNull())
          .addColumn("fence", integer, (c) => c.notNull())
          .addColumn("at", "timestamptz", (c) => c.notNull())
          .execute();
      }
    },
  };
}
