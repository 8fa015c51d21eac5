import { show } from "../core/option.ts";

/** Where a page of a list ended: opaque to those who hand it on. `list` tells the cursors of one list from those of another. */
export function cursorOf(list: string, position: readonly number[]): string {
  return Buffer.from(JSON.stringify([list, ...position])).toString("base64url");
}

/** The position that a cursor of that list holds; undefined for no cursor. @throws TypeError for what is no cursor of that list. */
export function positionOf(
  list: string,
  cursor: string | undefined,
): readonly number[] | undefined {
  if (cursor === undefined) return undefined;
  const [of, ...position] = parts(cursor);
  if (of === list && position.length > 0 && position.every((part) => isWhole(part)))
    return position;
  throw new TypeError(
    `cursor must be the nextCursor of an earlier page of the same list, got ${show(cursor)}`,
  );
}

function parts(cursor: unknown): readonly unknown[] {
  if (typeof cursor !== "string") return [];
  try {
    const data: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
    return Array.isArray(data) ? (data as unknown[]) : [];
  } catch {
    return [];
  }
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}
