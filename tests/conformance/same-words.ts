/** Answers and hints in words that two databases have in common. What has no order of its own is sorted. */
import type {
  ClaimAnswer,
  ClaimedExecution,
  ClaimedTask,
  DispatchAnswer,
  Expired,
  Hints,
  Settled,
  Transitions,
  TurnAnswer,
} from "../../src/store/store.ts";
import type { Names } from "./paired-rows.ts";

/** An answer as JSON. Of a transition that is impossible each database complains in its own words. */
export function answerOf(
  kind: keyof Transitions,
  settled: Settled | undefined,
  names: Names,
): string {
  if (settled === undefined) return "nothing";
  if ("later" in settled) return "later";
  if ("error" in settled) return "impossible";
  return JSON.stringify(inWords(kind, settled.answer, names));
}

function inWords(kind: keyof Transitions, answer: unknown, names: Names): unknown {
  switch (kind) {
    case "dispatch":
      return (answer as DispatchAnswer).map((one) =>
        "key" in one ? { ...one, key: names.executions.get(one.key) } : one,
      );
    case "turn":
      return turnInWords(answer as TurnAnswer, names);
    case "claim":
      return claimInWords(answer as ClaimAnswer, names);
    case "register":
      return names.sessions.get(answer);
    case "expire": {
      const { ended, deadLetters } = answer as Expired;
      return { ended, deadLetters: sorted(deadLetters) };
    }
    case "remove":
      return sorted((answer as Transitions["remove"]["answer"]).removed);
    default:
      return answer;
  }
}

function turnInWords(answer: TurnAnswer, names: Names): unknown {
  if (answer.kind === "refused") return answer;
  return {
    ...answer,
    wakeSeq: "as asked",
    // What was taken and has gone in the same commit was never seen.
    taken: answer.taken.map(({ key, claim }) => [names.tasks.get(key) ?? "gone", claim]),
  };
}

function claimInWords(answer: ClaimAnswer, names: Names): unknown {
  const executions = answer.executions.map((one) => ({
    ...one,
    key: names.executions.get(one.key),
    wakeSeq: names.wokenSince(one.key, one.wakeSeq) ? "stale" : "current",
  }));
  const tasks = answer.tasks.map((one) => ({
    ...one,
    key: names.tasks.get(one.key),
    execution: names.executions.get(one.execution),
  }));
  return {
    ...answer,
    executions: inOrder(executions, placeOfExecution),
    tasks: inOrder(tasks, placeOfTask),
  };
}

function placeOfExecution({
  fresh,
  kind,
  priority,
  dueAt,
}: Pick<ClaimedExecution, "fresh" | "kind" | "priority" | "dueAt">): string {
  return `${fresh || kind === "activity"} ${priority} ${dueAt}`;
}

function placeOfTask({ dueAt }: Pick<ClaimedTask, "dueAt">): string {
  return `${dueAt}`;
}

/** As it is, but for those at the same place: they come in the order of keys, which have none. */
function inOrder<T>(all: readonly T[], placeOf: (one: T) => string): readonly T[] {
  const runs: T[][] = [];
  let last: string | undefined;
  for (const one of all) {
    const place = placeOf(one);
    if (place === last) runs.at(-1)?.push(one);
    else runs.push([one]);
    last = place;
  }
  return runs.flatMap((run) => sorted(run));
}

function sorted<T>(all: readonly T[]): readonly T[] {
  return all
    .map((one) => ({ one, text: JSON.stringify(one) }))
    .toSorted((a, b) => (a.text < b.text ? -1 : Number(a.text > b.text)))
    .map(({ one }) => one);
}

export function hintsOf({ woken, ended, ready, stopped }: Hints, names: Names): unknown {
  return {
    woken: sorted(woken.map((key) => names.executions.get(key))),
    ended: sorted(ended),
    ready,
    stopped: sorted(stopped.map((key) => names.tasks.get(key) ?? "gone")),
  };
}
