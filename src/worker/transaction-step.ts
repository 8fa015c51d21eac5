/** A `transaction` of a workflow that begins here: the store runs its closure and keeps its outcome, both in one transaction. */
import type { Payload } from "../core/payload.ts";
import { entryPlace } from "../core/places.ts";
import { failpoint } from "../runtime/failpoint.ts";
import type { Holder, TransactAnswer } from "../store/store.ts";
import { runAs } from "./context.ts";
import type { RunId } from "./journal-loading.ts";
import type { RunHost } from "./run-host.ts";
import { failed, type Verdict } from "./verdict.ts";

export interface TransactionStep {
  readonly path: string;
  readonly seq: number;
  readonly name: string;
  readonly attempt: number;
  readonly fn: (tx: never) => unknown;
}

/** As whose holder it is run, and what that knows. */
export interface TransactAs extends Holder {
  readonly knowsCancel: boolean;
}

/** Why it was not run. */
export type TransactRefusal = Extract<TransactAnswer, { kind: "refused" }>["reason"];

type Refused = Extract<TransactAnswer, { kind: "refused" }>;

/** Runs it. @returns what the workflow is to be given; stored already, if it completed. Undefined if the worker has stopped. */
export async function transact(
  host: RunHost,
  run: RunId,
  { path, seq, name, attempt, fn }: TransactionStep,
  { session, claim, knowsCancel }: TransactAs,
): Promise<Extract<Verdict, { kind: "completed" | "failed" }> | Refused | undefined> {
  const { codec, committer } = host.deps;
  const place = entryPlace(run.id, run.run, path);
  const title = `transaction "${name}"`;
  const owner = { title, executionId: run.id };
  let stored: ReturnType<typeof codec.roundTrip> = { payload: "", value: undefined };
  const act = async (tx: unknown): Promise<unknown> => runAs(owner, fn, tx as never);
  const encode = (value: unknown): Payload => {
    stored = codec.roundTrip(value, place, "result");
    return stored.payload;
  };
  const of = { session, claim, execution: run.key, run: run.run, seq };
  failpoint("transact.before-submit");
  const answer = await host.storing(() =>
    committer.transact({ ...of, title, attempt, knowsCancel, act, encode }),
  );
  failpoint("transact.after-answer");
  switch (answer?.kind) {
    case undefined:
    case "refused":
      return answer;
    case "stored":
      return { kind: "completed", ...stored, records: undefined };
    case "rolled-back":
      return failed(codec, place, answer.error);
    default:
      return answer satisfies never;
  }
}
