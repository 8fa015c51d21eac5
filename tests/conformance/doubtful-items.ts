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

/**
 * Of two children of a map that end badly in one commit PostgreSQL may take either for the one by which the map fails, since their turns are
 * stored side by side; SQLite takes the first. So of a map that may fail one child does so in a commit.
 */
export function withoutDoubtfulEnds(
  { rows }: World,
  transitions: readonly PairedTransition[],
): readonly PairedTransition[] {
  const seen = new Set<string>();
  return transitions.filter(([{ kind, request }]) => {
    if (kind !== "turn" || request.next.kind !== "end") return true;
    if (request.next.end.state === "completed") return true;
    const child = rows.stent_executions.find(([row]) => row.key === request.execution)?.[0];
    if (child === undefined || child.parent_item === null) return true;
    const map = rows.stent_fanouts.find(
      ([{ execution, run, seq }]) =>
        execution === child.parent && run === child.parent_run && seq === child.parent_seq,
    )?.[0];
    if (map === undefined || map.tolerated === null) return true;
    const id = `${map.execution} ${map.run} ${map.seq}`;
    const isFirst = !seen.has(id);
    seen.add(id);
    return isFirst;
  });
}
