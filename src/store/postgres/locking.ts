/** Which statements lock what they read when a transition asks them (R2). */
import type { StatementGroup } from "../batch.ts";
import type { deadlineStatements } from "../statements/deadlines.ts";
import type { executionStatements } from "../statements/executions.ts";
import type { journalStatements } from "../statements/journal.ts";
import type { limitStatements } from "../statements/limits.ts";
import type { removalStatements } from "../statements/removal.ts";
import type { sessionStatements } from "../statements/sessions.ts";
import type { taskStatements } from "../statements/tasks.ts";

type NameOf =
  | keyof typeof deadlineStatements
  | keyof typeof executionStatements
  | keyof typeof journalStatements
  | keyof typeof limitStatements
  | keyof typeof removalStatements
  | keyof typeof sessionStatements
  | keyof typeof taskStatements;

const wait = "for no key update";
const passOver = "for no key update skip locked";
const share = "for share skip locked";

const executions: Partial<Record<keyof typeof executionStatements, string>> = {
  byId: wait,
  byKey: wait,
  standing: wait,
  mapper: wait,
  childOf: wait,
  childrenOf: wait,
  childrenOfEntry: wait,
  stoppedChildrenOf: wait,
  heldBy: wait,
  unbegun: passOver,
  begun: passOver,
  unchanging: share,
  wakeable: passOver,
};
const tasks: Partial<Record<keyof typeof taskStatements, string>> = {
  byKey: wait,
  ofEntry: wait,
  ofExecution: wait,
  heldBy: wait,
  ready: passOver,
};
const journal: Partial<Record<keyof typeof journalStatements, string>> = {
  leftRun: passOver,
};

const sessions: Partial<Record<keyof typeof sessionStatements, string>> = {
  wakes: passOver,
};

const deadlines: Partial<Record<keyof typeof deadlineStatements, string>> = {
  expired: passOver,
  jobsOutOfTime: passOver,
};

const limits: Partial<Record<keyof typeof limitStatements, string>> = {
  gate: passOver,
  freedGates: passOver,
  result: passOver,
  freedResults: passOver,
};

const removal: Partial<Record<keyof typeof removalStatements, string>> = {
  gates: passOver,
  duty: wait,
};

/** What is appended to a statement of that group and name, if anything is. */
export function lockOf(group: StatementGroup, name: string): string | undefined {
  const groups = { executions, journal, tasks, sessions, deadlines, limits, removal };
  return (groups[group] as Partial<Record<NameOf, string>>)[name as NameOf];
}
