/** What holds once everything has ended. */
import type { Result } from "../../src/core/result.ts";
import type { Stent } from "../../src/stent.ts";
import { expectedOf, isAs } from "./expectation.ts";
import { everyNode } from "./nodes.ts";
import type { Scene } from "./scene.ts";

/** What each execution has come to, against what it had to come to. */
export async function checkResults(
  scene: Scene,
  stent: Stent,
  told: ReadonlyMap<string, Result<unknown>>,
): Promise<void> {
  const { world, plan } = scene;
  const groups = new Map<number, string>();
  for (const program of plan.programs) {
    const { id } = program;
    const expected = expectedOf(program);
    const { state, result } = await stent.stateOf(id);
    const value = shown(result);
    if (state !== expected.state || !isAs(expected.value, value, groups))
      world.fail(
        `${id} came to ${state} ${JSON.stringify(value)}${errorOf(result)} in place of ${expected.state} ${JSON.stringify(expected.value)}`,
      );
    const waited = told.get(id);
    const isReopened = program.kind === "mended" || program.kind === "mended job";
    if (waited === undefined) world.fail(`nobody was told how ${id} ended`);
    else if (!isReopened && JSON.stringify(shown(waited)) !== JSON.stringify(value))
      world.fail(
        `${id} came to ${JSON.stringify(value)}, and who waited was told ${JSON.stringify(shown(waited))}`,
      );
  }
}

function shown(result: Result<unknown> | undefined): unknown {
  return result?.ok === false ? result.error.name : result?.value;
}

function errorOf(result: Result<unknown> | undefined): string {
  return result?.ok === false ? ` (${result.error.stack})` : "";
}

/** What was to be done in the world was done: at least once, what a transaction writes exactly once. */
export function checkEffects({ world, plan, effects, database }: Scene): void {
  const ledger = database.all<{ token: string; count: number }>(
    "select token, count(*) as count from ledger group by token",
  );
  const written = new Map(ledger.map(({ token, count }) => [token, count]));
  for (const { token, count } of ledger)
    if (count > 1) world.fail(`the transaction of ${token} was committed ${count} times`);
  const wanted = (token: string): void => {
    if (effects.successes(token) === 0) world.fail(`I5: ${token} is done, and never ran`);
  };
  for (const program of plan.programs) {
    if (program.kind !== "program") {
      if (program.kind !== "versioned" && program.kind !== "patched") wanted(program.id);
      continue;
    }
    const { ending, nodes } = program;
    if (ending.how === "throws")
      checkUndone(
        effects.attempts.filter(({ end }) => end === "succeeded").map(({ token }) => token),
        ending.undo,
        (what) => world.fail(what),
      );
    if (ending.how === "rounds")
      for (let round = 1; round <= ending.rounds; round += 1) wanted(`${ending.token}/${round}`);
    if (ending.how === "cancelled") {
      const begun = database.all(
        `select 1 from stent_journal j join stent_executions e on e.key = j.execution where e.id = ? limit 1`,
        program.id,
      );
      if (begun.length > 0) wanted(ending.release);
    }
    if (ending.how !== "returns" && ending.how !== "throws") continue;
    for (const node of everyNode(nodes)) {
      if (
        node.do === "step" ||
        node.do === "narrow" ||
        node.do === "counting" ||
        node.do === "dispatch"
      )
        wanted(node.token);
      if (node.do === "ledger" && written.get(node.token) !== 1)
        world.fail(
          `the transaction of ${node.token} was committed ${written.get(node.token) ?? 0} times`,
        );
      if (node.do === "children")
        for (let item = 0; item < node.items; item += 1) wanted(`${node.token}/${item}`);
      if (node.do === "map")
        for (let item = node.failing; item < node.items; item += 1) wanted(`${node.token}/${item}`);
    }
  }
}

/** Calls that none of their own attempts completed. */
export function countStoredResults({ world, database }: Scene): void {
  const stood = database.all(
    "select 1 from stent_journal where name = 'settled' and status = 1 and attempt = 0",
  );
  for (const _ of stood) world.rare.happened("an idempotent result stood for another call");
}

/** Newest first, each. */
function checkUndone(
  succeeded: readonly string[],
  undo: readonly string[],
  fail: (what: string) => void,
): void {
  const at = undo.map((token) => succeeded.indexOf(token));
  for (const [index, token] of undo.entries()) {
    if (at[index] === -1) fail(`the undo step ${token} never ran`);
    else if (index > 0 && (at[index - 1] ?? 0) < (at[index] ?? 0))
      fail(`the undo step ${undo[index - 1]} ran before ${token}`);
  }
}

/** I5: reported failures never exceed the policy; the gap after one is never shorter. */
export function checkRetries({ world, effects }: Scene, clockJumped: boolean): void {
  const byKey = new Map<string, typeof effects.attempts>();
  for (const attempt of effects.attempts)
    byKey.set(attempt.key, [...(byKey.get(attempt.key) ?? []), attempt]);
  for (const [key, attempts] of byKey) {
    const { fn } = attempts[0] ?? {};
    const most = maxAttempts[fn ?? ""];
    const failed = attempts.filter(
      ({ end, process }) => end === "failed" && process.state !== "gone" && !process.isDisturbed,
    );
    if (most !== undefined && failed.length > most)
      world.fail(`I5: ${fn} ${key} failed ${failed.length} times, where ${most} are allowed`);
    if (clockJumped || fn === "mendable") continue;
    for (const [index, attempt] of attempts.entries()) {
      const before = attempts[index - 1];
      if (before?.end !== "failed" || before.process.isDisturbed) continue;
      const gapMs = attempt.startedAt - (before.endedAt ?? 0);
      if (gapMs < 20) world.fail(`I5: ${fn} of ${key} was tried again after ${gapMs} ms`);
    }
  }
}

const maxAttempts: Readonly<Record<string, number>> = {
  step: 4,
  broken: 2,
  once: 1,
  item: 3,
  counting: 4,
  failsInFirstRun: 1,
};

/** Nothing is left over, and nothing came too early. */
export function checkRest({ world, database }: Scene, wasSetBack: boolean): void {
  for (const [table, what] of [
    ["stent_slots", "I9: a place is taken at rest"],
    ["stent_waits", "I9: somebody waits for a place at rest"],
    ["stent_tasks", "a task is left"],
    ["stent_arrivals", "an arrival is left"],
  ] as const) {
    const rows = database.all<object>(`select * from ${table}`);
    if (rows.length > 0) world.fail(`${what}: ${JSON.stringify(rows[0])}`);
  }
  for (const row of database.all<{ id: string; name: string; state: string }>(
    `select c.id, c.name, c.state from stent_executions c join stent_executions p on p.key = c.parent where p.ended_at is not null and c.ended_at is null`,
  ))
    world.fail(`I10: the parent of ${row.id} has ended, and it is ${row.state}`);
  if (wasSetBack) return;
  for (const row of database.all<{ id: string; path: string }>(
    `select e.id, j.path from stent_journal j join stent_executions e on e.key = j.execution
     where j.kind in ('sleep', 'sleepUntil') and j.status = 1 and j.delivery is not null and j.ended_at < j.due_at`,
  ))
    world.fail(`I7: the sleep at ${row.path} of ${row.id} was over too early`);
}

/** Ids of the executions that have not ended. */
export function unended({ database }: Scene): readonly string[] {
  return database
    .all<{ id: string }>("select id from stent_executions where ended_at is null")
    .map(({ id }) => id);
}

/** For the digest of a run. */
export function rowsOf({ database }: Scene): string {
  return JSON.stringify([
    database.all(
      "select key, name, state, result, run, cut, claim, wake_seq, created_at, ended_at from stent_executions order by key",
    ),
    database.all(
      "select execution, run, seq, path, status, delivery, attempt, failures, ended_at from stent_journal order by execution, run, seq",
    ),
    database.all("select token from ledger"),
  ]);
}
