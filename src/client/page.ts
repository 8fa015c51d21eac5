/** One page of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** For the next page; undefined after the last. */
  readonly nextCursor: string | undefined;
}
