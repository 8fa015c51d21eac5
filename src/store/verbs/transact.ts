/** What the store itself has to say to a closure that runs inside the transaction that stores its outcome. */
import type { Payload } from "../../core/payload.ts";
import { standingBits } from "../statements/executions.ts";
import type { TransactAnswer, TransactRequest } from "../store.ts";
import type { Batch } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { waitingEntry } from "./outcome.ts";

type Refusal = Extract<TransactAnswer, { kind: "refused" }>["reason"];

/** Why it may not run; undefined if it may. */
export function* refusalOf(batch: Batch, request: TransactRequest): Procedure<Refusal | undefined> {
  const { session, claim, execution, run, seq } = request;
  const { fence } = batch.sql.executions;
  const reasons = yield* batch.each(
    ["session", "holder", "over"] as const,
    function* (asked): Procedure<Refusal | undefined> {
      if (asked === "session") return (yield* batch.isLive(session)) ? undefined : "session";
      if (asked === "over") {
        const entry = yield* waitingEntry(batch, { execution, run, seq });
        return entry === undefined ? "over" : undefined;
      }
      const held = yield* fence.get({ session, claim, execution, run });
      if (held === undefined) return "lost";
      const cancelling = (held.standing & standingBits.cancelling) !== 0;
      return cancelling && !request.knowsCancel ? "cancelled" : undefined;
    },
  );
  return reasons.find((reason) => reason !== undefined);
}

/**
 * It has its outcome, for its holder to deliver: in the journal at once, and not as an arrival, which goes when the execution ends. What
 * was written once is not written again by a retry, even where nobody waited for it any more.
 */
export function* complete(batch: Batch, request: TransactRequest, value: Payload): Procedure<void> {
  const { execution, run, seq, attempt } = request;
  const { now } = batch;
  const place = { execution, run, seq };
  batch.sql.journal.complete.do({ ...place, value, attempt, now });
  if (batch.hasMarks) batch.sql.sessions.clearMarks.do({ ...place, item: -1 });
}
