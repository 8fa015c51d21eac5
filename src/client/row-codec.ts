/** What rows keep as JSON, written by this package: the only place in the client that says what it is. */
import type { StoredOptions } from "../core/step-options.ts";
import type { TaskRecord } from "./task-record.ts";

/** What is stored with a call, or an execution, of where and how it runs. */
export function storedOptionsOf({
  options,
}: {
  readonly options: string | undefined;
}): StoredOptions {
  return JSON.parse(options ?? "{}") as StoredOptions;
}

/** To which execution a sent signal went; undefined where that is not stored. */
export function receiverOf({
  options,
}: {
  readonly options: string | undefined;
}): string | undefined {
  return (JSON.parse(options ?? "{}") as { readonly execution?: string }).execution;
}

/** Why an execution is blocked. */
export interface BlockReason {
  readonly kind: "non-determinism" | "poison" | "unreadable";
  readonly message: string;
  /** Milliseconds since 1970. */
  readonly since: number;
}

export function blockReasonOf(blocked: string): BlockReason {
  return JSON.parse(blocked) as BlockReason;
}

/** A task as it was when it was given up, as the worker wrote it down. */
export type KeptTask = Pick<
  TaskRecord,
  "id" | "name" | "kind" | "attempt" | "priority" | "tags"
> & {
  /** JSON has no Infinity. */
  readonly maxAttempts: number | null;
  readonly queue?: string;
  readonly createdAt: number;
};

export function keptTaskOf({ record }: { readonly record: string }): KeptTask {
  return JSON.parse(record) as KeptTask;
}

export function maxAttemptsIn({ maxAttempts }: KeptTask): number {
  return maxAttempts ?? Infinity;
}
