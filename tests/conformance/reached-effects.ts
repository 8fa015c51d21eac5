/** What the effects that a turn reaches put into it. */
import { stepId } from "../../src/core/places.ts";
import { entryStatus } from "../../src/core/status.ts";
import type { Yield } from "./operations.ts";
import { newChild, newTask } from "./scene.ts";
import type { TurnDraft } from "./turn-draft.ts";

export function reach(draft: TurnDraft, effect: Yield): void {
  const { row, lists, sight } = draft;
  switch (effect.kind) {
    case "call":
      return reachCall(draft, effect);
    case "sleep":
      draft.enter({ kind: "sleep", name: undefined, dueAt: sight.now + effect.ms });
      return;
    case "wait": {
      const dueAt = effect.ms === undefined ? undefined : sight.now + effect.ms;
      draft.enter({ kind: "signal", name: effect.name, dueAt });
      return;
    }
    case "map":
      return reachMap(draft, effect);
    case "child": {
      const seq = draft.enter({ kind: "child", name: "flow" });
      const { delayMs, maxDurationMs } = effect;
      lists.children.push(newChild(seq, stepId(row, String(seq)), { delayMs, maxDurationMs }));
      return;
    }
    case "send": {
      const seq = draft.enter({ kind: "sendSignal", name: "mail" });
      const dedupe = stepId(row, String(seq));
      const executionId = sight.execution(effect.to).id;
      // Under a name of its own: what several senders send in one commit comes in any order.
      lists.sends.push({ seq, executionId, name: "mail", payload: dedupe, dedupe });
      return;
    }
    case "start": {
      const execution = sight.execution(effect.of);
      const seq = draft.enter({ kind: "dispatch", name: execution.id });
      lists.dispatches.push({ seq, ifExists: effect.ifExists, execution });
      return;
    }
    case "count":
      return count(draft);
    case "set":
      return set(draft);
    case "dead letter": {
      const task = stepId(row, `letter-${draft.delivery}`);
      lists.deadLetters.push({
        task,
        seq: 1,
        item: -1,
        reason: "failed",
        error: "why",
        record: "{}",
      });
      return;
    }
    case "withdraw":
    case "tell":
      return stop(draft, effect);
    default:
      effect satisfies never;
  }
}

function reachCall(draft: TurnDraft, effect: Extract<Yield, { kind: "call" }>): void {
  const here = effect.how === "here";
  const startedAt = here ? draft.sight.now : undefined;
  const seq = draft.enter({ here, attempt: here ? 1 : 0, startedAt });
  if (here) return;
  const { delayMs, priority, queued, how } = effect;
  const queue = queued ? "q" : undefined;
  draft.lists.tasks.push(newTask(seq, { delayMs, priority, queue, here: how === "taken" }));
}

function reachMap(draft: TurnDraft, effect: Extract<Yield, { kind: "map" }>): void {
  const { items, tolerated, concurrency = items, totalTimeout, children } = effect;
  const options = JSON.stringify({
    ...(children ? { over: "workflow" } : { totalTimeout }),
    ...(tolerated === 0 ? {} : { tolerated }),
    ...(concurrency < items ? { concurrency } : {}),
  });
  const seq = draft.enter({ kind: "map", name: children ? "flow" : "work", options });
  const released = Math.min(items, concurrency);
  const inputs = Array.from({ length: items }, (_, item) => `in-${item}`);
  draft.lists.fanouts.push({ seq, inputs, tolerated: tolerated ?? undefined, released, children });
  if (children) return;
  const range = { itemFrom: 0, itemTo: released, totalTimeoutMs: totalTimeout };
  draft.lists.tasks.push(newTask(seq, range));
}

/** The record keeps what the counter was before. */
function count(draft: TurnDraft): void {
  const { row, lists, sight } = draft;
  const stored = sight.rows.stent_counters.find(([one]) => one.execution === row.key)?.[0].value;
  const before = lists.counters.at(-1)?.value ?? stored;
  lists.counters.push({ name: "n", value: (before ?? 0) + 1 });
  draft.enter({
    kind: "counters.add",
    name: "n",
    input: before === undefined ? undefined : String(before),
    status: entryStatus.completed,
  });
}

/** The same of a state. */
function set(draft: TurnDraft): void {
  const { row, lists, sight } = draft;
  const stored = sight.rows.stent_state.find(([one]) => one.execution === row.key)?.[0].value;
  const input = lists.state.at(-1)?.value ?? stored;
  lists.state.push({ name: "s", value: `set by ${draft.delivery}` });
  draft.enter({ kind: "state.set", name: "s", input, status: entryStatus.completed });
}

function stop(draft: TurnDraft, { kind, which }: Extract<Yield, { which: number }>): void {
  const { waiting, lists } = draft;
  const { told, changes, tasks, children } = lists;
  const touched = new Set([...told, ...changes, ...tasks, ...children].map(({ seq }) => seq));
  const stoppable = waiting.filter(
    (one) =>
      !touched.has(one.seq) && (kind === "withdraw" || ["call", "map", "child"].includes(one.kind)),
  );
  const one = stoppable[which % Math.max(1, stoppable.length)];
  // An attempt that runs with the holder is nothing to the store.
  if (one === undefined || (kind === "tell" && one.worker !== null)) return;
  if (kind === "tell") {
    lists.told.push({ seq: one.seq, kind: one.kind });
    return;
  }
  lists.withdrawn.push({ seq: one.seq, kind: one.kind });
  draft.open.delete(one.seq);
}
