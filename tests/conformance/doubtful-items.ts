import type { PairedTransition, World } from "./world.ts";

/**
 * Item outcomes that come in one commit beside the one by which their map fails are stored on PostgreSQL, where they are stored side by
 * side, and refused on SQLite, where the map has failed by then. Either will do: nobody waits for them. So of a map that may fail they
 * are all good ones, or there is but one.
 */
export function withoutDoubtfulItems(
  { tasks, rows }: World,
  transitions: readonly PairedTransition[],
): readonly PairedTransition[] {
  const mapOf = ([transition]: PairedTransition): string | undefined => {
    if (transition.kind !== "task" || transition.request.item === undefined) return undefined;
    const task = tasks.find(([row]) => row.key === transition.request.task)?.[0];
    const fanout = rows.stent_fanouts.find(
      ([row]) => row.execution === task?.execution && row.run === task.run && row.seq === task.seq,
    )?.[0];
    return fanout === undefined || fanout.tolerated === null
      ? undefined
      : `${fanout.execution} ${fanout.run} ${fanout.seq}`;
  };
  const bad = new Set(
    transitions.flatMap((pair) =>
      pair[0].kind === "task" && pair[0].request.outcome.kind !== "completed"
        ? (mapOf(pair) ?? [])
        : [],
    ),
  );
  const seen = new Set<string>();
  return transitions.filter((pair) => {
    const [{ kind, request }] = pair;
    if (kind !== "task" || request.item === undefined) return true;
    const map = mapOf(pair);
    // Of an item there is one outcome in any case.
    const one = map !== undefined && bad.has(map) ? map : `${request.task} ${request.item}`;
    const isFirst = !seen.has(one);
    seen.add(one);
    return isFirst;
  });
}
