import { build, given } from "./statement.ts";

/** Writes what an execution had in another database. */
export const restoreStatements = {
  execution: build.insertInto("stent_executions").values({
    id: given<string>("id"),
    kind: given<"workflow">("kind"),
    name: given<string>("name"),
    version: given<string | null>("version"),
    state: given<"pending">("state"),
    input: given("input"),
    result: given("result"),
    queue: given<string | null>("queue"),
    rank: given<number>("rank"),
    tags: given<string | null>("tags"),
    lane: given<number>("lane"),
    parent: given<number | null>("parent"),
    parent_run: given<number | null>("parentRun"),
    root: given<number | null>("root"),
    created_at: given<number>("createdAt"),
    started_at: given<number | null>("startedAt"),
    ended_at: given<number | null>("endedAt"),
    not_before: given<number>("createdAt"),
    scheduled_at: given<number>("createdAt"),
    run: given<number>("run"),
    attempt: given<number>("attempt"),
    blocked: given<string | null>("reason"),
  }),
  item: build.insertInto("stent_items").values({
    execution: given("execution"),
    run: given("run"),
    seq: given("seq"),
    item: given("item"),
    input: given("input"),
    status: given("status"),
    value: given("value"),
    ended_at: given("endedAt"),
  }),
  /** Already received. */
  message: build.insertInto("stent_signals").values({
    execution: given("execution"),
    name: given("name"),
    payload: given("payload"),
    sent_at: given("now"),
    consumed_run: given("run"),
    consumed_seq: given("seq"),
  }),
  counter: build.insertInto("stent_counters").values({
    execution: given("execution"),
    name: given("name"),
    value: given("amount"),
  }),
  value: build.insertInto("stent_state").values({
    execution: given("execution"),
    name: given("name"),
    value: given("value"),
  }),
};
