import { executionExists } from "../core/execution-exists.ts";
import { failpoint } from "../runtime/failpoint.ts";
import type {
  ClaimedExecution,
  Dispatched,
  DispatchRequest,
  NewExecution,
} from "../store/store.ts";
import type { Adopter, Connection } from "./connection.ts";

type IfExists = DispatchRequest["ifExists"];

/** Stores new executions in a transaction of the caller's, with which they are there or not. @throws as `dispatchAll`; TypeError */
export async function dispatchWithin(
  { store }: Connection,
  executions: readonly NewExecution[],
  ifExists: IfExists,
  transaction: unknown,
): Promise<void> {
  const adopt = executions.map(() => undefined); // nobody can take what is not committed
  throwRefused(
    executions,
    await store.within(transaction, "dispatch", { executions, ifExists, adopt }),
  );
}

/**
 * Stores new executions, all of them or none. A worker of this process that has room takes them in the same commit.
 * @throws ExecutionExistsError; DatabaseError
 */
export async function dispatchAll(
  connection: Connection,
  executions: readonly NewExecution[],
  ifExists: IfExists,
): Promise<void> {
  const adopter = connection.adopter();
  const adopt = reserve(adopter, executions, ifExists);
  let answers: readonly Dispatched[] = [];
  try {
    failpoint("dispatch.before-submit");
    answers = await connection.committer.submit("dispatch", { executions, ifExists, adopt });
    failpoint("dispatch.after-commit");
  } finally {
    // Whatever was reserved is handed over or given back, also when the commit failed.
    if (adopter !== undefined) handOver(adopter, adopt, executions, answers);
  }
  failpoint("dispatch.after-adoption");
  throwRefused(executions, answers);
}

function throwRefused(executions: readonly NewExecution[], answers: readonly Dispatched[]): void {
  for (const [index, answer] of answers.entries()) {
    if (answer.kind === "refused")
      throw executionExists(answer, executions[index] ?? { id: "", name: "" });
  }
}

/** The session that takes each of them. One that is restarted goes through the queue: its run and cut are not known here. */
function reserve(
  adopter: Adopter | undefined,
  executions: readonly NewExecution[],
  ifExists: IfExists,
): (number | undefined)[] {
  let room = adopter !== undefined && ifExists !== "restart-if-failed";
  return executions.map((execution) => {
    if (!room || execution.delayMs > 0) return undefined;
    const session = adopter?.reserve(laneOf(execution));
    room = session !== undefined;
    return session;
  });
}

function laneOf({
  kind,
  name,
  version,
  queue,
  tags,
}: NewExecution): Parameters<Adopter["reserve"]>[0] {
  return { kind, name, version, queue, tags };
}

function handOver(
  adopter: Adopter,
  adopt: readonly (number | undefined)[],
  executions: readonly NewExecution[],
  answers: readonly Dispatched[],
): void {
  for (const [index, session] of adopt.entries()) {
    if (session === undefined) continue;
    const answer = answers[index];
    const execution = executions[index];
    // Claim 0: its session was found dead in the commit.
    if (execution !== undefined && answer?.kind === "created" && answer.claim > 0) {
      adopter.adopted(adopted(execution, answer));
    } else {
      adopter.forgo();
    }
  }
}

/** A new execution as its first claim finds it. */
function adopted(
  execution: NewExecution,
  { key, claim, now }: Extract<Dispatched, { kind: "created" | "restarted" }>,
): ClaimedExecution {
  const { id, kind, name, version, input, options, queue, priority, tags, maxDurationMs } =
    execution;
  return {
    key,
    id,
    kind,
    name,
    version,
    state: "running",
    input,
    options,
    queue,
    priority,
    tags,
    claim,
    run: 1,
    cut: 0,
    attempt: 1,
    failures: 0,
    wakeSeq: 0,
    createdAt: now,
    notBefore: now,
    scheduledAt: now,
    deadline: maxDurationMs === undefined ? undefined : now + maxDurationMs,
    dueAt: now,
    cancelReason: undefined,
    fresh: true,
    blocked: false,
    marks: 0,
    gates: undefined,
    deadlock: undefined,
    stored: undefined,
  };
}
