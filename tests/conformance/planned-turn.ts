/** One turn of a workflow, made as a worker would: what has arrived is delivered, what waits goes on, and new effects are reached. */
import { stepId } from "../../src/core/places.ts";
import { entryStatus } from "../../src/core/status.ts";
import type { Next, TurnRequest } from "../../src/store/store.ts";
import type { TurnOperation } from "./operations.ts";
import type { RowOf, Side } from "./paired-rows.ts";
import { reach } from "./reached-effects.ts";
import { ended, hold, newChild, newTask, park } from "./scene.ts";
import { TurnDraft, type OpenEntry, type Sight } from "./turn-draft.ts";

export interface PlannedTurn {
  readonly next: Next;
  readonly parts: (side: Side) => Partial<TurnRequest>;
}

export function plannedTurn(
  sight: Sight,
  row: RowOf<"stent_executions">,
  operation: TurnOperation,
  knowsCancel: boolean,
): PlannedTurn {
  const draft = new TurnDraft(sight, row);
  const continues = operation.next.kind === "continue" && !knowsCancel;
  deliverArrivals(draft);
  deliverKept(draft);
  // Of a run that is over by continueAsNew nothing goes on.
  if (!continues) {
    for (const one of draft.waiting) goOn(draft, one, operation.here);
    for (const effect of operation.yields) reach(draft, effect);
  }
  const next = nextOf(draft, operation, knowsCancel);
  return {
    next,
    parts: (side) => ({ ...draft.parts(side), knowsCancel, clearMarks: operation.looks }),
  };
}

function deliverArrivals(draft: TurnDraft): void {
  for (const pair of draft.sight.rows.stent_arrivals) {
    const [arrival] = pair;
    if (arrival.execution !== draft.row.key || arrival.run !== draft.row.run) continue;
    draft.arrived.push(pair);
    if (arrival.kind !== "records" && draft.open.has(arrival.seq))
      draft.deliver(arrival.seq, { ...arrival, value: arrival.value ?? undefined });
  }
}

/** What a retry has kept is delivered again. */
function deliverKept(draft: TurnDraft): void {
  for (const one of draft.entries) {
    const hasEnded = one.status === entryStatus.completed || one.status === entryStatus.failed;
    const isRecord = one.kind === "counters.add" || one.kind === "state.set";
    if (hasEnded && one.delivery === null && !isRecord)
      draft.deliver(one.seq, { ...one, value: one.value ?? undefined });
  }
}

/** What a worker does at the beginning of a turn with an entry that waits. */
function goOn(draft: TurnDraft, one: OpenEntry, here: TurnOperation["here"]): void {
  const { seq, name = "", dueAt = Infinity } = one;
  switch (one.kind) {
    case "sendSignal":
      return draft.deliver(seq);
    case "sleep":
      return dueAt <= draft.sight.now ? draft.deliver(seq) : undefined;
    case "signal":
      return receive(draft, { seq, name, dueAt });
    case "child":
      return lookForChild(draft, one);
    case "call":
      return one.worker === null ? queueAnew(draft, one) : goOnHere(draft, one, here);
    default:
      return undefined;
  }
}

function receive(
  draft: TurnDraft,
  { seq, name, dueAt }: { readonly seq: number; readonly name: string; readonly dueAt: number },
): void {
  const { sight, row, consumed } = draft;
  const message = sight.rows.stent_signals
    .filter(
      (pair) =>
        pair[0].execution === row.key &&
        pair[0].name === name &&
        pair[0].consumed_run === null &&
        !consumed.some(({ signal }) => signal === pair),
    )
    .toSorted(([a], [b]) => a.key - b.key)
    .at(0);
  if (message === undefined) {
    if (dueAt <= sight.now) draft.deliver(seq, { status: entryStatus.failed });
    return;
  }
  consumed.push({ signal: message, seq });
  draft.deliver(seq, { value: message[0].payload });
}

/** One that is a stranger's has failed; one that is not there was asked for anew by a retry. */
function lookForChild(draft: TurnDraft, { seq, path, cut }: OpenEntry): void {
  const { row, sight, lists } = draft;
  const id = stepId({ ...row, cut }, path);
  const found = sight.rows.stent_executions.find(([other]) => other.id === id)?.[0];
  if (found === undefined) lists.children.push(newChild(seq, id));
  else if (found.parent !== row.key || found.parent_seq !== seq)
    draft.deliver(seq, { status: entryStatus.failed, value: "taken", failures: 1 });
}

/** A retry asks for a call anew. */
function queueAnew(draft: TurnDraft, { seq, path, attempt, failures }: OpenEntry): void {
  const { key, run } = draft.row;
  const queued = draft.sight.rows.stent_tasks.some(
    ([task]) => task.execution === key && task.run === run && task.seq === seq,
  );
  if (!queued) draft.lists.tasks.push(newTask(seq, { path, attempt, failures }));
}

/** An attempt that runs with the holder; or did with one that is dead, and begins anew. */
function goOnHere(draft: TurnDraft, one: OpenEntry, how: TurnOperation["here"]): void {
  const { seq, path, attempt, failures } = one;
  if (one.worker !== draft.row.worker) {
    draft.changeAttempt(one, { value: undefined, attempt: attempt + 1, failures, here: true });
  } else if (how === "again") {
    const error = "error";
    const failed = { attempt, failures: failures + 1 };
    draft.changeAttempt(one, { ...failed, value: error, here: false });
    draft.lists.tasks.push(newTask(seq, { ...failed, path, error, delayMs: 10 }));
  } else if (how !== "goes on") {
    const fails = how === "failed";
    const status = fails ? entryStatus.failed : entryStatus.completed;
    draft.deliver(seq, { status, attempt, failures: failures + Number(fails) });
  }
}

function nextOf(draft: TurnDraft, operation: TurnOperation, knowsCancel: boolean): Next {
  const { row, sight } = draft;
  const { next } = operation;
  if (next.kind === "hold") return hold;
  if (next.kind === "park") return parkOf(draft, next.afterMs);
  if (next.kind === "block") return blocked(next.poison);
  if (knowsCancel) return ended("cancelled");
  switch (next.kind) {
    case "time out": {
      const passed = row.deadline !== null && row.deadline <= sight.now;
      return passed ? ended("timed_out") : parkOf(draft, undefined);
    }
    case "complete":
      return ended();
    case "fail":
      return ended("failed", { failedBy: lastFailure(draft) });
    case "again": {
      const failures = row.failures + 1;
      return { kind: "again", delayMs: 20, failures, result: "error", newRun: true };
    }
    case "continue": {
      const { name } = row;
      const place = { version: row.version ?? undefined, queue: row.queue ?? undefined, tags: [] };
      return {
        kind: "continue",
        input: "[1]",
        name,
        ...place,
        handsOn: true,
        hold: next.holds,
      };
    }
    default:
      return next satisfies never;
  }
}

/** It stays with its holder while attempts run there, and waits for a message if there is nothing else to wait for. */
function parkOf(draft: TurnDraft, afterMs: number | undefined): Next {
  if ([...draft.open.values()].some(({ worker }) => worker !== null)) return hold;
  if (draft.open.size === 0) draft.enter({ kind: "signal", name: "go" });
  const times = [...draft.open.values()].flatMap(({ dueAt }) => dueAt ?? []);
  if (afterMs !== undefined) times.push(draft.sight.now + afterMs);
  return park(times.length === 0 ? undefined : Math.min(...times));
}

function lastFailure({ entries, lists }: TurnDraft): number | undefined {
  const deliveries = [...entries, ...lists.changes].flatMap(({ status, delivery }) =>
    status === entryStatus.failed ? (delivery ?? []) : [],
  );
  return deliveries.length === 0 ? undefined : Math.max(...deliveries);
}

export function blocked(poison: boolean): Next {
  const reason = JSON.stringify({ kind: poison ? "poison" : "code" });
  return { kind: "block", reason, deadLetter: undefined };
}
