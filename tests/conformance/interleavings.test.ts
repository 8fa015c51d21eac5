/**
 * Pairs of operations of two processes, with their statements in every order that makes a difference (`schedules.ts` says which do). What is
 * answered and stored has to be what it would be if one had come after the other, and nothing may be wrong or stuck.
 *
 * Where a statement waits for a lock, the wait may be given up as well: STENT_EVERY=1 tries that everywhere, once in a schedule. Else it is
 * tried at a sample of these places, which STENT_SEED brings back.
 */
import assert from "node:assert/strict";
import { after, test, type TestContext } from "node:test";
import type { ClaimAnswer } from "../../src/store/store.ts";
import { Chance } from "../crash/chance.ts";
import { interleave } from "./interleaving.ts";
import * as pairs from "./interleaving-pairs.ts";
import { InterleavingStage, type Answered, type Rows } from "./interleaving-stage.ts";
import { explore, processOf, type Choose, type Limits, type Name } from "./schedules.ts";

const every = process.env["STENT_EVERY"] === "1";
const chance = every ? undefined : Chance.fromEnvironment();
/** One place in so many. */
const sample = 6;
/** More than any pair has; so many would be a mistake in how they are counted. */
const most = 20_000;
const limits: Limits = {
  most,
  impatience: 1,
  tries: () => chance === undefined || chance.upTo(sample) === 1,
};

test("two claims: what waits is taken once, and what both have passed over is looked at again", (t) =>
  run(t, pairs.claimAndClaim, passedOver));

test("a claim beside a reaper: what the dead session held is taken, or somebody is told of it", (t) =>
  run(t, pairs.claimAndReapOfAnother, passedOver));

test("a claim beside a turn that takes a task back: it has the task until the turn comes, or passes over it", (t) =>
  run(t, pairs.claimAndWithdrawal, passedOver));

test("a claim beside who frees what it needs: it has it, or is let in", (t) =>
  run(t, pairs.claimAndFreeing, passedOver));

test("a session that is reaped while it claims holds nothing afterwards", (t) =>
  run(t, pairs.claimAndReap));

test("what completes while its session is reaped is stored, or begun anew", (t) =>
  run(t, pairs.completeAndReap));

test("what completes while it is cancelled has ended, or sees the cancel", (t) =>
  run(t, pairs.completeAndCancel));

test("a message that comes while its receiver parks wakes it", (t) => run(t, pairs.signalAndPark));

test("a child that ends while its parent parks wakes it", (t) => run(t, pairs.childEndAndPark));

test("two children that end at once are both counted, and wake their parent", (t) =>
  run(t, pairs.childEndAndChildEnd));

test("an id that two processes dispatch at once is that of one execution", (t) =>
  run(t, pairs.dispatchAndDispatch));

test("what expires while a claim makes use of it is there for whom it was claimed", (t) =>
  run(t, pairs.claimAndSweep, (outcome, before, now) => [
    ...passedOver(outcome, before, now),
    ...unreserved(outcome),
  ]));

/** Held work that is to bring about a result which nobody has reserved for it. */
function unreserved({ rows }: Outcome): string[] {
  const reserved = new Set(rows["stent_results"]?.map(({ holder }) => holder));
  return (rows["stent_tasks"] ?? []).flatMap(({ key, worker, gates }) =>
    worker !== null && String(gates).includes('"result"') && !reserved.has(key)
      ? `task ${String(key)} has lost its reservation`
      : [],
  );
}

test("a parent that is cancelled while it starts a child leaves no child behind", (t) =>
  run(t, pairs.cancelAndChildDispatch));

/** What one schedule has come to. */
interface Outcome {
  readonly answers: Readonly<Record<Name, Answered | string>>;
  readonly rows: Rows;
}

/** What is wrong with an outcome that neither order would have come to. */
type Allowed = (outcome: Outcome, before: Rows, now: number) => readonly string[];

async function run(t: TestContext, of: pairs.Pairs, allowed?: Allowed): Promise<void> {
  const stage = await openStage();
  for (const [title, prepare] of Object.entries(of))
    await runPair(t, stage, title, prepare, allowed);
}

async function runPair(
  t: TestContext,
  stage: InterleavingStage,
  title: string,
  prepare: pairs.Prepare,
  allowed: Allowed | undefined,
): Promise<void> {
  await stage.clear();
  const pair = await prepare(stage.scenes.A);
  await stage.keep();
  const before = await stage.rows();
  let schedules = 0;
  const play = async (choose: Choose): Promise<{ outcome: Outcome; schedule: string }> => {
    const number = (schedules += 1);
    await stage.restore();
    stage.elapse();
    for (const [name, first] of Object.entries(pair.told ?? {}))
      await stage.ask(name as Name, first);
    const acts = {
      A: () => stage.ask("A", pair.A(number)),
      B: () => stage.ask("B", pair.B(number)),
    };
    const { answers, schedule, waited, deadlocks } = await interleave(
      stage.gates,
      acts,
      choose,
      stage.blockersOf,
    );
    assert.equal(deadlocks, 0, `${title}: each waits for the other in ${schedule}`);
    for (const name of pair.waitsForNone ?? [])
      assert.ok(!waited.has(name), `${title}: ${name} waits for the other in ${schedule}`);
    const [A, B] = answers.map((one) =>
      one.status === "fulfilled" ? (one.value as Answered) : `it failed: ${String(one.reason)}`,
    ) as [Answered | string, Answered | string];
    return { outcome: { answers: { A, B }, rows: await stage.rows() }, schedule };
  };

  const sequential = new Set<string>();
  for (const name of ["A", "B"] as const) {
    const { outcome } = await play(
      ({ next }) => [...next.keys()].find((one) => one === name) ?? other(name),
    );
    sequential.add(textOf(outcome, schedules));
  }
  const seen = new Set<string>();
  const explored = await explore(limits, async (choose) => {
    const { outcome, schedule } = await play(choose);
    const text = textOf(outcome, schedules);
    // The same rows are as right as they were.
    if (seen.has(text)) return;
    seen.add(text);
    const where = `${title}: ${schedule} (${chance?.told ?? "STENT_EVERY=1"})`;
    if (!sequential.has(text)) {
      const wrong = allowed?.(outcome, before, stage.scenes.A.now) ?? [
        "neither order would come to this",
      ];
      assert.deepEqual(wrong, [], `${where}: ${text}`);
    }
    assert.deepEqual(await stage.scenes.A.violations(), [], where);
    assert.deepEqual(await stage.finish(), [], `${where}: it is stuck`);
  });
  assert.ok(!explored.cut, `${title}: there are more than ${most} schedules`);
  const { impatient, redundant, diverged } = explored;
  t.diagnostic(
    `${title}: ${explored.schedules} schedules, ${impatient} of them with a wait given up, ${seen.size} outcomes` +
      ` (${redundant} begun in vain, ${diverged} gone another way)`,
  );
}

function other(name: Name): Name {
  return processOf(name) === "A" ? "B" : "A";
}

/** Without what no two schedules have in common: the number of the schedule, and the keys of what is new. */
function textOf(outcome: Outcome, schedule: number): string {
  const text = JSON.stringify(outcome, (_, value: unknown) => {
    if (typeof value !== "object" || value === null || !("kind" in value)) return value;
    const isNew = value.kind === "created" || value.kind === "restarted";
    return isNew ? { ...value, key: "new" } : value;
  });
  return text.replaceAll(`-${schedule}-`, "-n-");
}

/**
 * A claim waits for nobody: what others are just taking or letting go it passes over, though each of the two would take all of it before or
 * after the other. So what is asked is that each thing is held as somebody was told, and that somebody looks again for what nobody has.
 */
function passedOver({ answers, rows }: Outcome, before: Rows, now: number): string[] {
  const given = Object.values(answers);
  const claims = given.flatMap((one) =>
    typeof one !== "string" && isClaim(one.answer) ? one.answer : [],
  );
  const told = claims.flatMap(({ executions, tasks }) => [
    ...executions.map(({ id, claim }) => `${id}, claim ${claim}`),
    ...tasks.map(({ executionId, claim }) => `task of ${executionId}, claim ${claim}`),
  ]);
  const wasHeld = thingsIn(before).map(({ held }) => held);
  const held = thingsIn(rows).flatMap((one) =>
    one.held === undefined || wasHeld.includes(one.held) ? [] : one.held,
  );
  const left = thingsIn(rows).filter(({ waits }) => waits);
  const looksAgain =
    claims.some(({ nextDueAt }) => nextDueAt !== undefined && nextDueAt <= now + 10) ||
    given.some((one) => typeof one !== "string" && one.hints.ready);
  return [
    ...given.filter((one) => typeof one === "string"),
    ...told.filter((one) => !held.includes(one)).map((one) => `${one} is not held`),
    ...held.filter((one) => !told.includes(one)).map((one) => `nobody was told of ${one}`),
    ...(looksAgain ? [] : left.map(({ name }) => `nobody looks for ${name}`)),
  ];
}

interface Thing {
  readonly name: string;
  /** Under which claim. */
  readonly held: string | undefined;
  readonly waits: boolean;
}

/** Executions and tasks. */
function thingsIn(rows: Rows): Thing[] {
  const executions = rows["stent_executions"] ?? [];
  const things = [
    ...executions.map((row) => ({ row, name: String(row["id"]) })),
    ...(rows["stent_tasks"] ?? []).map((row) => {
      const of = executions.find(({ key }) => key === row["execution"]);
      return { row, name: `task of ${String(of?.["id"])}` };
    }),
  ];
  return things.map(({ row, name }) => {
    const held = row["worker"] === null ? undefined : `${name}, claim ${String(row["claim"])}`;
    return { name, held, waits: held === undefined && row["due_at"] !== null };
  });
}

function isClaim(answer: unknown): answer is ClaimAnswer {
  return typeof answer === "object" && answer !== null && "executions" in answer;
}

let opening: Promise<InterleavingStage> | undefined;
const endings: (() => unknown)[] = [];

function openStage(): Promise<InterleavingStage> {
  opening ??= InterleavingStage.open({ after: (fn) => void endings.push(fn) });
  return opening;
}

after(async () => {
  for (const end of endings) await end();
});
