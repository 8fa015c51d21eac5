/**
 * Puts an item at the end of a list that is made with its first item. That one is the array of a rest parameter: a literal of which many
 * are alive at once, as one a run or a turn is, V8 makes in old space from then on, where it keeps all that it leads to (the turn, the
 * run) until the next full collection.
 */
export function append<T>(list: T[] | undefined, item: T): T[] {
  if (list === undefined) return listOf(item);
  list.push(item);
  return list;
}

function listOf<T>(...items: T[]): T[] {
  return items;
}
