/** Some of these, or, where that is not known, any that there are. */
export type Some<T> = readonly T[] | "any";

/** What other processes have done, as far as it is known: what somebody here may have to look at. */
export interface ForeignHints {
  /** Keys of executions that were woken while a session holds them. */
  readonly woken: Some<number>;
  /** Ids of executions that ended. */
  readonly ended: Some<string>;
  /** Something became ready to be claimed. */
  readonly ready: boolean;
  /** Keys of tasks that are to stop. */
  readonly stopped: Some<number>;
}

/** What is told where hints may have been missed: everything is to be looked at once. */
export const anything: ForeignHints = Object.freeze({
  woken: "any",
  ended: "any",
  ready: true,
  stopped: "any",
});

/** Tells what other processes have done. Best effort: polling is the truth. */
export interface ForeignChanges {
  /** As long as it stays the same, no other process is known to have ended an execution. Undefined: that cannot be said now. */
  readonly changes: number | undefined;
  /** @returns what takes the listener away again. Listeners must not throw. */
  on(listener: (hints: ForeignHints) => void): () => void;
  /** Idempotent. */
  close(): Promise<void>;
}
