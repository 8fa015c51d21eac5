/** What clients and workers may ask of a store, in a small world. What an operation is about is given by a number, and found when its turn comes. */

/** An effect that a turn reaches. */
export type Yield =
  | {
      readonly kind: "call";
      readonly how: "queued" | "taken" | "here";
      readonly delayMs: number;
      readonly priority: number;
      readonly queued: boolean;
    }
  | { readonly kind: "sleep"; readonly ms: number }
  | { readonly kind: "wait"; readonly name: string; readonly ms: number | undefined }
  | {
      readonly kind: "map";
      readonly items: number;
      readonly tolerated: number | null;
      readonly concurrency: number | undefined;
      readonly totalTimeout: number | undefined;
      readonly children: boolean;
    }
  | { readonly kind: "child"; readonly delayMs: number; readonly maxDurationMs: number | undefined }
  | { readonly kind: "send"; readonly to: number }
  | { readonly kind: "start"; readonly of: number; readonly ifExists: IfExists }
  | { readonly kind: "count" | "set" | "dead letter" }
  | { readonly kind: "withdraw" | "tell"; readonly which: number };

export type IfExists = "reject" | "join" | "restart-if-failed";

export interface TurnOperation {
  readonly kind: "turn";
  /** Of what was ever held, the newest first. */
  readonly which: number;
  /** Its holder knows what has arrived since it was claimed. */
  readonly looks: boolean;
  /** Its holder does not know of a cancel; and writes what a turn before it in the same commit has written. */
  readonly blind: boolean;
  readonly yields: readonly Yield[];
  /** What attempts that run with the holder come to. */
  readonly here: "goes on" | "completed" | "failed" | "again";
  readonly next:
    | { readonly kind: "hold" }
    | { readonly kind: "complete" }
    | { readonly kind: "fail" }
    | { readonly kind: "time out" }
    | { readonly kind: "again" }
    | { readonly kind: "park"; readonly afterMs: number | undefined }
    | { readonly kind: "continue"; readonly holds: boolean }
    | { readonly kind: "block"; readonly poison: boolean };
}

export interface DispatchOperation {
  readonly kind: "dispatch";
  readonly of: readonly number[];
  readonly ifExists: IfExists;
  readonly adopt: number | undefined;
  readonly delayMs: number;
  readonly maxDurationMs: number | undefined;
  readonly totalTimeoutMs: number | undefined;
  readonly priority: number;
  readonly queued: boolean;
  readonly tagged: boolean;
  readonly ownId: boolean;
  readonly otherName: boolean;
}

export interface ClaimOperation {
  readonly kind: "claim";
  readonly session: number;
  readonly limit: number;
  readonly turns: number;
  readonly of: "everything" | "workflows" | "activities";
  readonly suspects: boolean;
}

export interface TaskOperation {
  readonly kind: "task";
  /** Of what was ever held, the newest first. */
  readonly which: number;
  readonly item: number;
  readonly outcome: "completed" | "failed" | "again";
  readonly delayMs: number;
  readonly records: boolean;
}

export type Operation =
  | TurnOperation
  | DispatchOperation
  | ClaimOperation
  | TaskOperation
  | {
      readonly kind: "signal";
      readonly to: number;
      readonly name: string;
      readonly dedupe: string | undefined;
    }
  | { readonly kind: "cancel"; readonly of: number; readonly force: boolean }
  | {
      readonly kind: "retry";
      readonly of: number;
      readonly from: "failure" | "start";
      readonly force: boolean;
    }
  | { readonly kind: "register"; readonly session: number }
  | { readonly kind: "heartbeat"; readonly session: number }
  | { readonly kind: "reap"; readonly session: number; readonly died: boolean }
  | { readonly kind: "expire" | "trim" }
  | {
      readonly kind: "remove";
      readonly most: number;
      readonly letters: boolean;
      readonly sessions: boolean;
    }
  | { readonly kind: "discard dead letter"; readonly which: number };

/** One commit, and how much later the next one is. */
export interface Step {
  readonly operations: readonly Operation[];
  readonly thenMs: number;
}

/** Operations for a reader, a commit a line. */
export function told(all: readonly Step[]): string {
  return all
    .map(
      ({ operations, thenMs }) =>
        `${operations.map((one) => toldOne(one)).join("; ")} (+${thenMs} ms)`,
    )
    .join("\n");
}

function toldOne({ kind, ...parts }: Operation): string {
  const said = Object.entries(parts)
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([name, value]) => (value === true ? name : `${name} ${JSON.stringify(value)}`));
  return [kind, ...said].join(" ");
}
