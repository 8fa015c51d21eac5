import type { Payload } from "../core/payload.ts";
import type { EntryStatus, ExecutionStatus } from "../core/status.ts";

/** An execution from another database, as it is to stand here. */
export interface RestoredExecution {
  readonly id: string;
  readonly kind: "workflow" | "activity";
  readonly name: string;
  readonly version: string | undefined;
  readonly state: ExecutionStatus;
  readonly input: Payload;
  readonly result: Payload | undefined;
  readonly queue: string | undefined;
  readonly priority: number;
  readonly tags: readonly string[];
  /** Id of its parent, if that is here. */
  readonly parentId: string | undefined;
  readonly createdAt: number;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly run: number;
  readonly attempt: number;
  /** Why it is blocked, as JSON: it has not ended, and nothing may go on with it by itself. */
  readonly blocked: string | undefined;
  readonly entries: readonly RestoredEntry[];
  readonly counters: readonly { readonly name: string; readonly value: number }[];
  readonly values: readonly { readonly name: string; readonly value: Payload }[];
}

/** An entry of its journal, with the items of a map. */
export interface RestoredEntry {
  readonly path: string;
  readonly kind: string;
  readonly name: string | undefined;
  readonly input: Payload | undefined;
  readonly options: string | undefined;
  readonly status: EntryStatus;
  readonly value: Payload | undefined;
  readonly delivery: number | undefined;
  readonly scheduledAt: number;
  readonly endedAt: number | undefined;
  readonly items: readonly {
    readonly input: Payload;
    readonly status: EntryStatus;
    readonly value: Payload | undefined;
  }[];
  /** Of a wait for a message: what it received. */
  readonly message: Payload | undefined;
}
