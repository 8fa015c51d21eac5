/** A token bucket: full at first, filled evenly, emptied one by one. */
export interface BucketRow {
  /** How many tokens it has room for. */
  readonly places: number;
  /** How long it takes to fill up, in milliseconds. */
  readonly per: number;
  /** How many there were at the time `at`; null: it was full. */
  readonly tokens: number | null;
  readonly at: number;
}

/** What is a hair's breadth short of a token by rounding is one. */
const rounding = 1e-6;

/** How many tokens are in it now. */
export function tokensOf({ places, per, tokens, at }: BucketRow, now: number): number {
  const since = Math.max(0, now - at);
  return Math.min(places, (tokens ?? places) + (since * places) / per);
}

/** Whether there is one to be had. */
export function hasToken(tokens: number): boolean {
  return tokens > 1 - rounding;
}

/** How long it takes until there are so many. */
export function msUntil(wanted: number, tokens: number, { places, per }: BucketRow): number {
  return Math.ceil(Math.max(0, wanted - rounding - tokens) * (per / places));
}
