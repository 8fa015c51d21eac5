import type { TaskRecord } from "stentjs";
import type { Body } from "../body.ts";
import { withStent } from "../database.ts";
import { facts } from "../facts.ts";
import { NotFoundError } from "../failure.ts";
import type { GlobalArguments } from "../global-arguments.ts";
import { printOne } from "../output.ts";
import { timeTextOf, type TimeText } from "../time.ts";

interface Arguments extends GlobalArguments {
  readonly task: string;
}

/** `stent tasks show`: one task. */
export const tasksShow: Body<Arguments> = {
  builder: (yargs) =>
    yargs.positional("task", { type: "string", demandOption: true, describe: "Its whole id" }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const task = await stent.admin.task(given.task);
      if (task === undefined) throw new NotFoundError(`no task has the id "${given.task}"`);
      const time = timeTextOf(given);
      printOne(given, task, { id: task.id, text: () => `${facts(taskFacts(task, time))}\n` });
    }),
};

/** What there is to say of a task. */
export function taskFacts(task: TaskRecord, time: TimeText): Record<string, string | undefined> {
  const { queue, priority, tags, workerId, scheduledFor, startedAt, completedAt, error } = task;
  return {
    id: task.id,
    execution: task.executionId,
    name: task.name,
    kind: task.kind,
    state: task.state,
    attempt: `${task.attempt} of ${task.maxAttempts}`,
    queue,
    priority: priority === 0 ? undefined : String(priority),
    tags: tags.length === 0 ? undefined : tags.join(", "),
    worker: workerId,
    created: time(task.createdAt),
    due: scheduledFor && time(scheduledFor),
    started: startedAt && time(startedAt),
    ended: completedAt && time(completedAt),
    error: error && `${error.name}: ${error.message}`,
  };
}
