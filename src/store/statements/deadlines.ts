import { sql } from "kysely";
import { unfinished } from "./executions.ts";
import { build, given } from "./statement.ts";

const expired = build
  .selectFrom("stent_executions")
  .select(["key"])
  .where("deadline", "<=", given<number>("now"))
  .where("deadline", "is not", null)
  .where(unfinished)
  .where("worker", "is", null)
  .where("state", "<>", "cancelling")
  .where((eb) =>
    eb.or([
      eb("state", "=", "pending"),
      eb("kind", "=", "activity"),
      eb("not_before", ">", given<number>("now")),
    ]),
  )
  .orderBy("deadline");

const jobsOutOfTime = build
  .selectFrom("stent_executions")
  .select(["key"])
  .where("give_up_at", "<=", given<number>("now"))
  .where("give_up_at", "is not", null)
  .where(unfinished)
  .where("worker", "is", null)
  .where("state", "<>", "cancelling")
  .orderBy("give_up_at");

const itemsOutOfTime = build
  .selectFrom("stent_tasks")
  .select(["key", "execution"])
  .where("give_up_at", "<=", given<number>("now"))
  .where("give_up_at", "is not", null)
  .where("worker", "is", null)
  .orderBy("give_up_at");

const nextDeadline = build
  .selectFrom("stent_executions")
  .select("deadline")
  .where("deadline", ">", given<number>("now"))
  .where("deadline", "is not", null)
  .where(unfinished)
  .orderBy("deadline")
  .limit(1);

const nextOfJobs = build
  .selectFrom("stent_executions")
  .select("give_up_at")
  .where("give_up_at", ">", given<number>("now"))
  .where("give_up_at", "is not", null)
  .where(unfinished)
  .orderBy("give_up_at")
  .limit(1);

const nextOfItems = build
  .selectFrom("stent_tasks")
  .select("give_up_at")
  .where("give_up_at", ">", given<number>("now"))
  .where("give_up_at", "is not", null)
  .orderBy("give_up_at")
  .limit(1);

interface Look {
  readonly passed: number;
  readonly next_deadline: number | null;
  readonly next_of_jobs: number | null;
  readonly next_of_items: number | null;
}

/** Statements over what has a time to end at. */
export const deadlineStatements = {
  /** Unheld and past their deadline, where nothing of their code has to run: not begun, or between two attempts. */
  expired: expired.limit(given<number>("limit")),
  /** Jobs that nobody holds, and that are past their totalTimeout. */
  jobsOutOfTime: jobsOutOfTime.limit(given<number>("limit")),
  /** Items of maps that nobody holds, and that are past their totalTimeout. */
  itemsOutOfTime: itemsOutOfTime.limit(given<number>("limit")),

  /** Whether there is any of these, and the first of each that has not passed. One statement, since every worker asks it twice a second. */
  look: sql<Look>`select
    case when exists ${expired} or exists ${jobsOutOfTime} or exists ${itemsOutOfTime} then 1 else 0 end as passed,
    ${nextDeadline} as next_deadline, ${nextOfJobs} as next_of_jobs, ${nextOfItems} as next_of_items`,
};
