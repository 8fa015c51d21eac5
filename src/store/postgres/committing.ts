/** One batch in one transaction, on one connection. */
import type pg from "pg";
import { failpoint } from "../../runtime/failpoint.ts";
import { Batch, type LaneCache, type Statements } from "../batch.ts";
import type { Failures, Hints, Settled, Transition } from "../store.ts";
import { carryOut } from "../verbs/apply.ts";
import { writeFanoutProgress } from "../verbs/fanout-progress.ts";
import { Conversation, ProcedureError, type Send } from "./conversation.ts";
import { open, type WriteId } from "./opening.ts";
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
  readonly committing: (committed: Committed) => void;
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
): Promise<Committed> {
  const opening = await open(writing.send, locksOf(transitions), writing.id);
  failpoint("commit.after-begin");
  const talk = new Conversation(writing.send);
  const now = writing.now?.() ?? opening.now;
  const batch = new Batch(writing.statements, now, writing.lanes, writing.failures);
  batch.know(opening.anyMark, opening.live);
  try {
    const settled = await carryOutAll(talk, batch, transitions, waves(transitions, opening));
    await talk.settle();
    failpoint("commit.before-commit");
    const committed = { settled, hints: batch.hints() };
    writing.committing(committed);
    commits(await talk.flush(query("commit")));
    failpoint("commit.after-commit");
    for (const lane of batch.newLanes) writing.lanes.add(lane);
    return committed;
  } catch (error) {
    batch.forgetNewLanes(0);
    throw error instanceof ProcedureError ? new TransitionError(error.place, error.cause) : error;
  }
}

async function carryOutAll(
  talk: Conversation,
  batch: Batch,
  transitions: readonly Transition[],
  order: readonly (readonly number[])[],
): Promise<Settled[]> {
  const settled: Settled[] = transitions.map(() => ({ error: new Error("it had no turn") }));
  for (const places of order) {
    const wave = places.flatMap((place) => transitions[place] ?? []);
    const answers = await runWave(talk, batch, places, wave);
    for (const [index, place] of places.entries())
      settled[place] = { answer: answers[index] as never };
  }
  return settled;
}

async function runWave(
  talk: Conversation,
  batch: Batch,
  places: readonly number[],
  wave: readonly Transition[],
): Promise<unknown[]> {
  const procedures = wave.map((transition) => carryOut(batch, transition));
  const answers = await talk.run(procedures, places);
  batch.endWave();
  if (batch.fanouts.size > 0) await talk.run([writeFanoutProgress(batch)], [nobody]);
  batch.endWave();
  return answers;
}

/** What is counted belongs to many. */
const nobody = -1;

/** After an error that nobody has read, PostgreSQL takes a commit for a rollback, and says so in its answer only. */
function commits(answer: pg.QueryArrayResult | undefined): void {
  if (answer?.command === "COMMIT") return;
  throw new Error(`PostgreSQL answered COMMIT with ${answer?.command ?? "nothing"}`);
}

function query(text: string): { name: string; text: string; values: []; rowMode: "array" } {
  return { name: `stent_${text}`, text, values: [], rowMode: "array" };
}
