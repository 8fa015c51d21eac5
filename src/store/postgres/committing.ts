/** One batch in one transaction, on one connection. */
import type pg from "pg";
import { failpoint } from "../../runtime/failpoint.ts";
import { Batch, type LaneCache, type Statements } from "../batch.ts";
import type { Failures, Hints, Settled, Transition } from "../store.ts";
import { carryOut } from "../verbs/apply.ts";
import { writeFanoutProgress } from "../verbs/fanout-progress.ts";
import { callFreed } from "../verbs/calling.ts";
import { Conversation, ProcedureError, type Send } from "./conversation.ts";
import { open, type Opening, type WriteId } from "./opening.ts";
import type { Predicted } from "./prediction.ts";
import { locksOf, waves } from "./reach.ts";

/** What a batch has come to. */
export interface Committed {
  readonly settled: readonly Settled[];
  readonly hints: Hints;
}

/** What writing a batch needs. */
export interface Writing {
  readonly send: Send;
  readonly id: WriteId;
  readonly lanes: LaneCache;
  readonly failures: Failures;
  /** In place of the database's clock. */
  readonly now: (() => number) | undefined;
  readonly statements: Statements;
  /** Called with the answers when nothing but the commit is left: from then on it may be stored without our knowing. */
  readonly committing: (committed: () => Committed) => void;
  /** The same time, or that of a batch before where it is a little later: told times are. */
  readonly inOrder: (now: number) => number;
  /** How it begins, where that can be told beforehand. */
  readonly predicted: Predicted | undefined;
  /** Which transition is impossible is looked for. */
  readonly checks: boolean;
}

/** Thrown for an error that the transition at that place has brought about (-1: one of them): nothing is stored, and the others can be without it. */
export class TransitionError extends Error {
  readonly place: number;
  constructor(place: number, cause: unknown) {
    super("a transition is impossible", { cause });
    this.place = place;
  }
}

/** Writes all of these. @throws TransitionError, or what the driver throws; then nothing is stored, but for a lost connection after `committing` */
export async function writeBatch(
  writing: Writing,
  transitions: readonly Transition[],
): Promise<Committed & { readonly opening: Opening }> {
  const talk = new Conversation(writing.send, writing.checks);
  const { predicted } = writing;
  if (predicted !== undefined) talk.sendAhead(predicted.queries);
  const opening =
    predicted?.opening ?? (await open(writing.send, locksOf(transitions), writing.id));
  failpoint("commit.after-begin");
  const now = writing.now?.() ?? writing.inOrder(opening.now);
  const batch = new Batch(writing.statements, now, writing.lanes, writing.failures);
  batch.know(opening.anyMark, opening.live, opening.held, opening.taskRows);
  try {
    const answered = await carryOutAll(talk, batch, transitions, waves(transitions, opening));
    await talk.settle();
    failpoint("commit.before-commit");
    const committed = (): Committed => ({ settled: answered(), hints: batch.hints() });
    writing.committing(committed);
    commits(await talk.flush(query("commit")));
    failpoint("commit.after-commit");
    for (const lane of batch.newLanes) writing.lanes.add(lane);
    return { ...committed(), opening };
  } catch (error) {
    batch.forgetNewLanes(0);
    throw error instanceof ProcedureError ? new TransitionError(error.place, error.cause) : error;
  }
}

/** @returns what gives the answers, once the last of them are there */
async function carryOutAll(
  talk: Conversation,
  batch: Batch,
  transitions: readonly Transition[],
  order: readonly (readonly number[])[],
): Promise<() => Settled[]> {
  const begun: (readonly [places: readonly number[], finish: () => unknown[]])[] = [];
  for (const places of order) {
    const procedures = places.map((place) => carryOut(batch, transitions[place] as Transition));
    const { finish } = await talk.begin(procedures, places);
    begun.push([places, finish]);
    batch.endWave();
    if (batch.fanouts.size + batch.ranges.size > 0)
      await talk.run([writeFanoutProgress(batch)], [nobody]);
    if (batch.freed.size > 0) await talk.run([callFreed(batch)], [nobody]);
    batch.endWave();
  }
  return () => {
    const settled: Settled[] = [];
    for (const [places, finish] of begun) {
      for (const [index, answer] of finish().entries())
        settled[places[index] ?? 0] = { answer: answer as never };
    }
    return settled;
  };
}

/** What is counted belongs to many. */
const nobody = -1;

/** After an error that nobody has read, PostgreSQL takes a commit for a rollback, and says so in its answer only. */
export function commits(answer: pg.QueryArrayResult | undefined): void {
  if (answer?.command === "COMMIT") return;
  throw new Error(`PostgreSQL answered COMMIT with ${answer?.command ?? "nothing"}`);
}

function query(text: string): { name: string; text: string; values: []; rowMode: "array" } {
  return { name: `stent_${text}`, text, values: [], rowMode: "array" };
}
