/**
 * What a statement touches, by table, and which statements of two transactions may change places without anybody noticing.
 *
 *   F1  Isolation is READ COMMITTED: of another transaction a statement sees what was committed when it began, and the locks. So what reads
 *       only does not notice what is not committed; it notices a commit.
 *   F2  Locks of rows are met by whoever locks or writes in the same table, passing over them included. Which rows is not looked at: two
 *       statements are taken to meet where they might.
 *   F3  Each process writes a row of its own in stent_writers, so there nobody meets anybody.
 */

/** The tables that a statement touches; every one that it names is in `reads`. */
export interface Footprint {
  readonly reads: ReadonlySet<string>;
  /** Where it may lock or write rows. */
  readonly locks: ReadonlySet<string>;
  /** Where it locks `for key share`: such locks do not meet each other. */
  readonly shares: ReadonlySet<string>;
  /** A commit or a rollback has the locks of its whole transaction. */
  readonly ends: "commit" | "rollback" | undefined;
}

const none: ReadonlySet<string> = new Set();

/** Of a statement that does not touch a table. */
export const nothing: Footprint = { reads: none, locks: none, shares: none, ends: undefined };

const known = new Map<string, Footprint>();

/** What a statement of Stent's touches, by its text. */
export function footprintOf(text: string): Footprint {
  const found = known.get(text) ?? read(text);
  known.set(text, found);
  return found;
}

const writes = /\b(?:insert into|update|delete from)\s+"?(stent_\w+)/g;
const names = /\bstent_\w+/g;

function read(text: string): Footprint {
  const reads = new Set(text.match(names));
  const locks = new Set([...text.matchAll(writes)].flatMap(([, table]) => table ?? []));
  const shares = new Set(text.includes("for key share") ? reads : none);
  const [, of] = /\bfor (?:no key update|update|share)\b(?: of (\w+))?/.exec(text) ?? [undefined];
  if (/\bfor (?:no key update|update|share)\b/.test(text))
    for (const table of of === undefined ? reads : named(text, of)) locks.add(table);
  for (const set of [reads, locks, shares]) set.delete("stent_writers"); // by F3
  return { reads, locks, shares, ends: undefined };
}

/** The table of that alias. */
function named(text: string, alias: string): string[] {
  return [
    ...text.matchAll(new RegExp(String.raw`\b(stent_\w+)"? (?:as )?${alias}\b`, "g")),
  ].flatMap(([, table]) => table ?? []);
}

/** False where the order of two statements of two transactions, one right after the other, makes no difference. */
export function meet(one: Footprint, other: Footprint): boolean {
  if (one.ends !== undefined && other.ends !== undefined) return false;
  if (other.ends !== undefined) return meet(other, one);
  return (
    overlap(one.locks, other.locks) ||
    overlap(one.locks, other.shares) ||
    overlap(one.shares, other.locks) ||
    (one.ends === "commit" && overlap(one.locks, other.reads))
  );
}

function overlap(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  for (const table of one) if (other.has(table)) return true;
  return false;
}
