import type { Body } from "./body.ts";
import type { Entry, Noun } from "./entry.ts";
import type { GlobalArguments } from "./global-arguments.ts";

function entry<A extends GlobalArguments>(
  head: Omit<Entry, "load">,
  load: () => Promise<Body<A>>,
): Entry {
  return { ...head, load };
}

const list = entry(
  { command: "list", aliases: ["ls"], describe: "Executions, newest first" },
  async () => (await import("./commands/list.ts")).list,
);
const show = entry(
  { command: "show <id>", describe: "One execution: its steps, what it waits for, its result" },
  async () => (await import("./commands/show.ts")).show,
);
const dlqReplay = async () => (await import("./commands/dead-letters.ts")).dlqReplay;

/** What has a name of its own, in the order in which help has it. */
export const verbs: readonly Entry[] = [
  list,
  show,
  entry(
    { command: "why <id>", describe: "Why an execution is not moving, and what would move it" },
    async () => (await import("./commands/why.ts")).why,
  ),
  entry(
    { command: "stats", describe: "How many executions there are, by state, and how many end" },
    async () => (await import("./commands/stats.ts")).stats,
  ),
  entry(
    {
      command: "start <workflow> [args..]",
      aliases: ["dispatch"],
      describe: "Begin an execution, by the name of its function",
    },
    async () => (await import("./commands/start.ts")).start,
  ),
  entry(
    {
      command: "wait <id>",
      aliases: ["result"],
      describe: "Wait for an execution's end; its result on stdout",
    },
    async () => (await import("./commands/wait.ts")).wait,
  ),
  entry(
    { command: "signal <id> <name> [payload]", describe: "Send a signal to an execution" },
    async () => (await import("./commands/signal.ts")).signal,
  ),
  entry(
    { command: "cancel [ids..]", describe: "Cancel executions" },
    async () => (await import("./commands/cancel.ts")).cancel,
  ),
  entry(
    { command: "retry [ids..]", describe: "Let failed, timed-out or blocked executions go on" },
    async () => (await import("./commands/retry.ts")).retry,
  ),
  entry(
    { command: "worker <modules..>", describe: "Serve the functions that these modules define" },
    async () => (await import("./commands/worker.ts")).worker,
  ),
  entry(
    { command: "watch", aliases: ["top"], describe: "What goes on, live" },
    async () => (await import("./commands/watch.ts")).watch,
  ),
  entry(
    {
      command: "replay [files..]",
      describe: "Whether today's code still accepts yesterday's executions",
    },
    async () => (await import("./commands/replay.ts")).replay,
  ),
  entry(
    { command: "migrate", describe: "Create the database, or upgrade its tables" },
    async () => (await import("./commands/migrate.ts")).migrate,
  ),
  entry(
    { command: "doctor", describe: "What is wrong with a database, and what to do about it" },
    async () => (await import("./commands/doctor.ts")).doctor,
  ),
  entry(
    { command: "cleanup", describe: "Delete what ended long ago" },
    async () => (await import("./commands/cleanup.ts")).cleanup,
  ),
  entry(
    {
      command: "completion [shell]",
      describe: "A script that completes commands in bash, zsh or fish",
    },
    async () => (await import("./commands/completion.ts")).completionOf({ verbs, nouns }),
  ),
];

/** What is said of one kind of thing. */
export const nouns: readonly Noun[] = [
  {
    name: "executions",
    describe: "Executions: list, show, history, export, import",
    commands: [
      list,
      show,
      entry(
        { command: "history <id>", describe: "What its run has reached, entry by entry" },
        async () => (await import("./commands/history.ts")).history,
      ),
      entry(
        { command: "export <ids..>", describe: "Bundles for another database, or for a replay" },
        async () => (await import("./commands/export.ts")).exportBundle,
      ),
      entry(
        { command: "import <file>", describe: "Put a bundle into this database" },
        async () => (await import("./commands/import.ts")).importBundle,
      ),
    ],
  },
  {
    name: "tasks",
    describe: "Tasks: list, show",
    commands: [
      entry(
        {
          command: "list [execution]",
          aliases: ["ls"],
          describe: "What waits and runs; of one execution also what has ended",
        },
        async () => (await import("./commands/tasks-list.ts")).tasksList,
      ),
      entry(
        { command: "show <task>", describe: "One task" },
        async () => (await import("./commands/tasks-show.ts")).tasksShow,
      ),
    ],
  },
  {
    name: "queues",
    describe: "Queues: list, show",
    commands: [
      entry(
        {
          command: "list",
          aliases: ["ls"],
          describe: "How much is in each queue, and who serves it",
        },
        async () => (await import("./commands/queues.ts")).queuesList,
      ),
      entry(
        { command: "show <queue>", describe: "One queue" },
        async () => (await import("./commands/queues.ts")).queuesShow,
      ),
    ],
  },
  {
    name: "workers",
    describe: "Workers: list, show",
    commands: [
      entry(
        { command: "list", aliases: ["ls"], describe: "Worker sessions" },
        async () => (await import("./commands/workers.ts")).workersList,
      ),
      entry(
        { command: "show <worker>", describe: "One worker, with what it serves" },
        async () => (await import("./commands/workers.ts")).workersShow,
      ),
    ],
  },
  {
    name: "workflows",
    describe: "Workflows and activities: list",
    commands: [
      entry(
        {
          command: "list",
          aliases: ["ls"],
          describe:
            "Functions that were dispatched or queued here, and how many workers have their code",
        },
        async () => (await import("./commands/workflows.ts")).workflowsList,
      ),
    ],
  },
  {
    name: "dlq",
    describe: "Dead letters: list, show, replay, discard, replay-all",
    commands: [
      entry(
        { command: "list", aliases: ["ls"], describe: "Tasks that were given up, newest first" },
        async () => (await import("./commands/dead-letters.ts")).dlqList,
      ),
      entry(
        { command: "show <task>", describe: "One of them" },
        async () => (await import("./commands/dead-letters.ts")).dlqShow,
      ),
      entry(
        {
          command: "replay [ids..]",
          describe: "Let their executions go on from the step that was given up",
        },
        dlqReplay,
      ),
      entry(
        { command: "replay-all", describe: "The same for all of them" },
        async () => (await import("./commands/dead-letters.ts")).dlqReplayAll,
      ),
      entry(
        {
          command: "discard [ids..]",
          describe: "Take them from the list; their executions stay as they are",
        },
        async () => (await import("./commands/dead-letters.ts")).dlqDiscard,
      ),
    ],
  },
];
