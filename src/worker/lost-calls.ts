/**
 * Calls whose attempts were lost with their worker, begun anew before the workflow is replayed: a journal of 10,000 steps takes a tenth
 * of a second to replay, and the call that was running when its process died need not wait for it.
 *
 *   L1  Only where nothing else could be told to the workflow first: no outcome has arrived, no time is over, no message is waited for,
 *       nobody has cancelled. So what is begun is what the replay would find to be wanted.
 *   L2  They go through the queue, and are taken from it in the same commit: their outcomes are stored by themselves, whatever comes of
 *       the replay. If the code has changed meanwhile, the execution is blocked and the outcome waits for it.
 */
import { entryStatus } from "../core/status.ts";
import { placementOf } from "../core/step-options.ts";
import { failpoint } from "../runtime/failpoint.ts";
import type {
  ClaimedExecution,
  ClaimedTask,
  EntryChange,
  EntryRow,
  NewTask,
} from "../store/store.ts";
import { claimedTask } from "./claimed-task.ts";
import type { Hold } from "./hold.ts";
import { newTask } from "./new-task.ts";
import type { RunHost } from "./run-host.ts";
import { storedOptions } from "./step-runner.ts";

/** A call that is put into the queue again. */
interface LostCall {
  readonly row: EntryRow;
  readonly task: NewTask;
}

/** An execution with more than this many open entries is replayed first. */
const maxOpen = 1_000;

/** Entries that the outside world answers: whatever comes of them has not come yet, by L1. */
const answeredLater: ReadonlySet<string> = new Set([
  "child",
  "map",
  "sleep",
  "sleepUntil",
  "within",
]);

/** What came of taking up lost calls: there were none, or the workflow has to be asked first; or what the commit said. */
export type LostCallsTaken = "none" | "begun" | "cancelled" | "session" | "lost";

/** Begins lost calls anew, of an execution that was taken over and has not been replayed here. */
export async function takeUpLostCalls(hold: Hold): Promise<LostCallsTaken> {
  const { host, deaths } = hold;
  const rows = await findLostCalls(host, hold.execution, deaths);
  if (rows.length === 0 || !hold.isHeld) return "none";
  const calls = rows.map((row) => queueAgain(hold, row));
  const taken = calls.filter(({ task }) => task.here);
  const request = hold.emptyTurn(false, { kind: "hold" });
  request.changes = calls.map((call) => queuedAgain(call));
  request.tasks = calls.map(({ task }) => task);
  let begun = false;
  try {
    failpoint("recover.before-submit");
    const answer = await host.storing(() => host.deps.committer.submit("turn", request));
    failpoint("recover.after-commit");
    const ours = host.leaseHolds() || (await host.renewed());
    // Lost meanwhile: what was stored stands under a session that is dead, and goes on elsewhere.
    if (answer === undefined || !ours || !hold.isHeld) return "lost";
    if (answer.kind === "refused") return answer.reason;
    begun = true;
    host.tasksTaken(claimedCalls(hold.execution, taken, answer.taken, host.deps.clock.now()));
    return "begun";
  } finally {
    if (!begun) host.slots.occupy(-taken.length);
  }
}

/** `deaths`: sessions that died while an attempt was running, by the entry's seq. @returns none where the workflow has to be asked first. */
async function findLostCalls(
  host: RunHost,
  execution: ClaimedExecution,
  deaths: ReadonlyMap<number, number>,
): Promise<readonly EntryRow[]> {
  const { store, clock } = host.deps;
  const now = clock.now();
  if (execution.state !== "running" || execution.blocked || isOver(execution.deadline, now))
    return [];
  const open = await store.pendingEntries(execution.key, execution.run, maxOpen);
  const lost = open.filter(isLostCall);
  if (lost.length === 0 || open.length === maxOpen || open.some((row) => isOver(row.dueAt, now)))
    return [];
  if (!open.every((row) => isLostCall(row) || answeredLater.has(row.kind))) return [];
  if (!lost.every((row) => mayBeginAnew(host, row, deaths.get(row.seq) ?? 0))) return [];
  return (await store.arrivals(execution.key)).length === 0 ? lost : [];
}

function isLostCall(row: EntryRow): boolean {
  return row.kind === "call" && row.worker !== undefined && row.attempt > 0;
}

function isOver(time: number | undefined, now: number): boolean {
  return time !== undefined && time <= now;
}

/** What may not be begun anew fails, and the workflow is told; what this worker has no code for is asked for by a replay. */
function mayBeginAnew({ steps, maxClaims }: RunHost, row: EntryRow, deaths: number): boolean {
  const policy = steps.policyOf(row.name ?? "", storedOptions(row.options));
  return policy !== undefined && policy.retry.maxAttempts > 1 && deaths < maxClaims;
}

/** From so many deaths on a call is suspected of killing its process: it is claimed as such, one at a time. */
const suspectDeaths = 2;

/** Where such a call runs: here, if there is room for it and it is no suspect. The slot is taken. */
function queueAgain({ host, execution, deaths, slice }: Hold, row: EntryRow): LostCall {
  const name = row.name ?? "";
  const options = storedOptions(row.options);
  const fn = host.deps.registry.get(name);
  const placement = fn === undefined ? execution : placementOf(fn, options, execution);
  const lane = {
    kind: "activity" as const,
    name,
    version: undefined,
    queue: placement.queue,
    tags: placement.tags,
  };
  const suspected = (deaths.get(row.seq) ?? 0) >= suspectDeaths;
  const here = !suspected && host.takeEagerly(lane, 1, slice.lasts) === 1;
  const { seq, path, attempt, failures } = row;
  return {
    row,
    task: { ...newTask({ seq, path, name, placement, attempt, failures }), here },
  };
}

/** What its entry says from then on. */
function queuedAgain({ row }: LostCall): EntryChange {
  return {
    seq: row.seq,
    status: entryStatus.pending,
    value: undefined,
    delivery: undefined,
    startedAt: undefined,
    endedAt: undefined,
    attempt: row.attempt,
    failures: row.failures,
    here: false,
  };
}

/** Those that were taken from the queue in the same commit, as a claim would give them. */
function claimedCalls(
  execution: ClaimedExecution,
  calls: readonly LostCall[],
  taken: readonly { readonly key: number; readonly claim: number }[],
  now: number,
): ClaimedTask[] {
  return calls.flatMap(({ row, task }, index) => {
    const by = taken[index];
    if (by === undefined) return [];
    const { input, options, cut } = row;
    const items = input === undefined ? [] : [{ item: undefined, input }];
    return [claimedTask(execution, task, { items, options, cut, taken: by, now })];
  });
}
