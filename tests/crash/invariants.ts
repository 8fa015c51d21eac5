/** The invariants of the design, held against what a database and an external log say. */
import assert from "node:assert/strict";
import { entryStatus } from "../../src/core/status.ts";
import type { Line } from "./external-log.ts";
import { groups, narrowPlaces } from "./shapes.ts";
import { endedSteps, place, type Snapshot } from "./snapshot.ts";

/** What holds at every moment, also right after a kill. */
export function checkMoment(snapshot: Snapshot): void {
  assert.deepEqual(snapshot.violations, []);
  checkLedger(snapshot);
}

/** What a transaction has written and that it has completed are stored together, or neither is. */
function checkLedger(snapshot: Snapshot): void {
  const ids = new Map(snapshot.executions.map((row) => [row.key, row.id]));
  const done = snapshot.journal
    .filter(({ kind, status }) => kind === "transaction" && status === entryStatus.completed)
    .map(({ execution, path }) => `${ids.get(execution)} ${path}`);
  const written = snapshot.ledger.map(({ execution, path }) => `${execution} ${path}`);
  assert.deepEqual(written.toSorted(), done.toSorted(), "both or neither, and once");
}

/** I1 and I2: what was delivered and what has ended stays as it was. `reopened`: executions that a client has retried meanwhile. */
export function checkKept(before: Snapshot, after: Snapshot, reopened: ReadonlySet<string>): void {
  const executions = new Map(after.executions.map((row) => [row.id, row]));
  for (const row of before.executions) {
    const later = executions.get(row.id);
    assert.ok(later, `I14: ${row.id} is still there`);
    if (row.ended_at !== null && !reopened.has(row.id))
      assert.deepEqual(later, row, `I2: ${row.id} had ended`);
  }
  const names = new Map(before.executions.map((row) => [row.key, row.id]));
  const isOver = runsOver(after);
  const entries = new Map(after.journal.map((row) => [place(row), row]));
  for (const entry of before.journal) {
    if (entry.delivery === null || reopened.has(names.get(entry.execution) ?? "")) continue;
    if (isOver(entry) && !entries.has(place(entry))) continue;
    const { status, value, delivery, path, kind } = entries.get(place(entry)) ?? {};
    assert.deepEqual(
      { status, value, delivery, path, kind },
      {
        status: entry.status,
        value: entry.value,
        delivery: entry.delivery,
        path: entry.path,
        kind: entry.kind,
      },
      `I1: ${names.get(entry.execution)} ${entry.path} was delivered`,
    );
  }
  const items = new Map(after.items.map((row) => [`${place(row)}.${row.item}`, row]));
  for (const item of before.items) {
    if (item.status === entryStatus.pending) continue;
    assert.deepEqual(
      items.get(`${place(item)}.${item.item}`)?.value,
      item.value,
      `I1: item ${item.item} of ${place(item)} had ended`,
    );
  }
}

/** Whether a row belongs to a run that another one has followed: that one's journal is removed. */
function runsOver(snapshot: Snapshot): (row: { execution: number; run: number }) => boolean {
  const runs = new Map(snapshot.executions.map((row) => [row.key, row.run]));
  return ({ execution, run }) => run < (runs.get(execution) ?? 0);
}

/** I4 and I14, for what a killed process left: `lines` the log at that moment, `later` what was written after it. */
export function checkAfterKill(
  left: Snapshot,
  lines: readonly Line[],
  later: readonly Line[],
  reopened: ReadonlySet<string>,
): void {
  const ended = endedSteps(left);
  const runs = new Map(left.executions.map((row) => [row.id, row.run]));
  const isOver = (key: string): boolean => {
    const [id = "", run] = key.split("/");
    return Number(run) < (runs.get(id) ?? 0);
  };
  for (const line of later) {
    if (line.what !== "start" || reopened.has(line.execution)) continue;
    assert.ok(!isOver(line.key), `I4: ${line.fn} ${line.key} was started after its run was over`);
    assert.ok(!ended.has(line.key), `I4: ${line.fn} ${line.key} had ended, and was started again`);
  }
  const executions = new Map(left.executions.map((row) => [row.id, row]));
  for (const line of lines) {
    if (line.what === "completed" && !isOver(line.key))
      assert.ok(ended.has(line.key), `I14: ${line.key} was said to be stored`);
    if (line.what !== "acknowledged") continue;
    const [request, id = "", message] = line.request.split(" ");
    const execution = executions.get(id);
    assert.ok(execution, `I14: "${line.request}" was acknowledged`);
    if (request === "signal") {
      const sent = left.signals.some(
        (row) => row.execution === execution.key && row.payload === message,
      );
      assert.ok(sent, `I14: "${line.request}" was acknowledged`);
    }
    if (request === "cancel")
      assert.ok(
        ["cancelling", "cancelled"].includes(execution.state),
        `I10: "${line.request}" was acknowledged`,
      );
  }
}

const policies: Readonly<Record<string, { readonly attempts: number; readonly gapMs: number }>> = {
  flaky: { attempts: 4, gapMs: 20 },
  square: { attempts: 4, gapMs: 20 },
  once: { attempts: 1, gapMs: 0 },
  failsInFirstRun: { attempts: 1, gapMs: 0 },
};

/** I4, I5, I7 and I11, over everything that has happened once all has ended. */
export function checkWorld(
  lines: readonly Line[],
  end: Snapshot,
  reopened: ReadonlySet<string> = new Set(),
): void {
  const starts = new Map<string, { fn: string; execution: string; count: number }>();
  const stored = new Set<string>();
  const failures = new Map<string, number>();
  const failedAt = new Map<string, number>();
  const notBefore = new Map<string, number>();
  const succeeded = new Set<string>();
  for (const line of lines) {
    switch (line.what) {
      case "start": {
        assert.ok(
          !stored.has(line.key) || reopened.has(line.execution),
          `I4: ${line.fn} ${line.key} was stored, and was started again`,
        );
        const known = starts.get(line.key) ?? { fn: line.fn, execution: line.execution, count: 0 };
        assert.deepEqual(
          [known.fn, known.execution],
          [line.fn, line.execution],
          `I11: two steps share the key ${line.key}`,
        );
        starts.set(line.key, { ...known, count: known.count + 1 });
        const due = notBefore.get(line.key) ?? 0;
        assert.ok(
          line.at >= due,
          `I5: ${line.fn} ${line.key} was tried again ${due - line.at} ms too early`,
        );
        break;
      }
      case "end":
        if (line.ok) succeeded.add(line.key);
        else failedAt.set(line.key, line.at);
        break;
      case "completed":
        stored.add(line.key);
        break;
      case "retried":
      case "gave-up": {
        failures.set(line.key, (failures.get(line.key) ?? 0) + 1);
        const fn = starts.get(line.key)?.fn ?? "";
        notBefore.set(line.key, (failedAt.get(line.key) ?? 0) + (policies[fn]?.gapMs ?? 0));
        break;
      }
      default:
    }
  }
  for (const [key, { fn, count, execution }] of starts) {
    const attempts = policies[fn]?.attempts ?? 3;
    if (attempts === 1) assert.equal(count, 1, `I5: ${fn} ${key} may be started once at most`);
    if (!reopened.has(execution))
      holds(
        (failures.get(key) ?? 0) <= attempts,
        () =>
          `I5: ${fn} ${key} failed more often than its policy allows: ${toldOf(execution, lines)}`,
      );
  }
  const executions = new Map(end.executions.map((row) => [row.key, row]));
  for (const entry of end.journal) {
    const execution = executions.get(entry.execution);
    if (
      entry.kind === "call" &&
      entry.status === entryStatus.completed &&
      entry.attempt > 0 && // else another run's result stands for it
      execution !== undefined
    ) {
      const cut = entry.cut === 0 ? "" : `.${entry.cut}`;
      holds(
        succeeded.has(`${execution.id}/${entry.run}${cut}/${entry.path}`),
        () =>
          `I5: ${execution.id} ${entry.path} is completed, and never ran: ${JSON.stringify([execution, entry])}\n${toldOf(execution.id, lines)}`,
      );
    }
    if (
      entry.kind === "sleep" &&
      entry.delivery !== null &&
      entry.status === entryStatus.completed
    ) {
      assert.ok(
        (entry.ended_at ?? 0) >= (entry.due_at ?? Infinity),
        `I7: ${execution?.id} ${entry.path} woke too early`,
      );
    }
  }
  for (const row of end.executions) {
    assert.ok(
      row.started_at === null ||
        row.kind === "activity" ||
        row.started_at >= row.not_before ||
        row.run > 1 ||
        reopened.has(row.id),
      `I7: ${row.id} was started too early`,
    );
  }
  checkPlaces(lines);
  assert.deepEqual([end.slots, end.waits], [[], []], "I9: all places are free at rest");
  for (const row of end.tasks) assert.fail(`a task is left: ${place(row)}`);
  for (const row of end.arrivals) assert.fail(`an arrival is left: ${place(row)}`);
}

/** I9, as the world has seen it: an attempt of a killed process counts up to the last thing that the process has told. */
function checkPlaces(lines: readonly Line[]): void {
  const lastOf = new Map(lines.map(({ pid }, index) => [pid, index]));
  let running: { readonly key: string; readonly pid: number }[] = [];
  for (const [index, line] of lines.entries()) {
    if ((line.what !== "start" && line.what !== "end") || line.fn !== "narrow") continue;
    running = running.filter(
      ({ key, pid }) => (lastOf.get(pid) ?? 0) >= index && !(key === line.key && pid === line.pid),
    );
    if (line.what === "start") running.push(line);
    assert.ok(
      running.length <= narrowPlaces,
      `I9: ${running.length} run at a time: ${JSON.stringify(running)}`,
    );
  }
}

/** What is told is looked for only where it is needed: a log is long. */
function holds(fact: boolean, tell: () => string): void {
  if (!fact) assert.fail(tell());
}

/** What the log says of an execution, for a message. */
function toldOf(id: string, lines: readonly Line[]): string {
  return lines
    .map((line) => JSON.stringify(line))
    .filter((line) => line.includes(`"${id}`) || line.includes(` ${id}`))
    .join("\n");
}

/** Nothing was done twice but what ran in a process when that was killed: all other attempts have an outcome that was stored. */
export function checkNothingTwice(lines: readonly Line[], killed: ReadonlySet<number>): void {
  const open = new Map<string, number>();
  for (const line of lines) {
    // The loser of a race is told to stop, and its outcome is nobody's.
    if (line.what === "start" && line.fn !== "slow") {
      const runner = open.get(line.key);
      assert.ok(
        runner === undefined || killed.has(runner),
        `${line.fn} ${line.key} was started beside an attempt that was running`,
      );
      open.set(line.key, line.pid);
    }
    if (line.what === "completed" || line.what === "retried" || line.what === "gave-up")
      open.delete(line.key);
  }
}

/** What every execution of the load comes to, whoever was killed meanwhile. */
export function checkResults(lines: readonly Line[], ids: readonly string[], end: Snapshot): void {
  const results = new Map(
    lines.flatMap((line) => (line.what === "result" ? [[line.id, line]] : [])),
  );
  const ofGroup: string[] = [];
  for (const id of ids) {
    const [shape = "", n = "0"] = id.split("-");
    const result = results.get(id);
    assert.ok(result, `${id} has no result`);
    const shown = JSON.stringify(result.value);
    if (shape === "shared") {
      // I11: whoever ran it, and however often, one result is stored.
      const group = Number(n) % groups;
      assert.ok(result.ok, `${id} came to ${shown}`);
      assert.equal(shown, (ofGroup[group] ??= shown), `${id} has another result of group ${group}`);
      continue;
    }
    holds(
      expected(shape, Number(n))
        .map((value) => JSON.stringify(value))
        .includes(shown),
      () =>
        `${id} came to ${shown}: ${end.executions.find((execution) => execution.id === id)?.result}\n${toldOf(id, lines)}`,
    );
    const row = end.executions.find((execution) => execution.id === id);
    assert.ok(row?.ended_at, `${id} has ended`);
    if (shape === "cancellable") checkReleased(row.key, end);
    if (shape === "undone") checkUndone(row.key, end);
  }
}

/** What was acquired before the cancel is released. */
function checkReleased(execution: number, end: Snapshot): void {
  const status = (name: string): number | undefined =>
    end.journal.find((entry) => entry.execution === execution && entry.name === name)?.status;
  if (status("acquire") === entryStatus.completed)
    assert.equal(status("release"), entryStatus.completed, "a finally block was run");
}

/** What was acquired before the failure is released, newest first, each once. */
function checkUndone(execution: number, end: Snapshot): void {
  const undo = end.journal.filter(
    (entry) => entry.execution === execution && entry.path.startsWith("undo."),
  );
  assert.deepEqual(
    undo.map(({ path, status }) => [path, status]),
    ["undo.2.1", "undo.2.2", "undo.1"].map((path) => [path, entryStatus.completed]),
  );
}

function expected(shape: string, n: number): readonly unknown[] {
  const squares = (from: number): number[] => Array.from({ length: 12 }, (_, i) => (from + i) ** 2);
  switch (shape) {
    case "sequence":
      return [[n + 1, n + 1, 2 * (n + 1), 2 * n + 3, 21]];
    case "branches":
      return [[n + 1, n, n + 3, "quick", n + 2]];
    case "composed":
      return [[n + 1, n, "CancelledError", "ExpiryError", n + 5, true]];
    case "rounds":
      return [[n + 4, 4, 4]];
    case "undone":
      return ["NonRetryableError"];
    case "mapped":
      return [[squares(n), ["fulfilled", "rejected", "fulfilled"]]];
    case "parent":
      return [[n + 1100, n + 1101]];
    case "collector":
    case "receiver":
      return [[0, 1, 2, 3, 4]];
    case "sender":
      return ["sent"];
    case "booked":
      return [["1", "3.0", "3.1", "refused"]];
    case "sleeper":
      return [n + 3];
    case "atMostOnce":
      return [`ran ${n}`, "LeaseLostError"];
    case "cancellable":
      return ["CancelledError"];
    case "failing":
      return ["Error"];
    case "runsAgain":
      return ["second run", "LeaseLostError"];
    case "mended":
      return ["mended"];
    case "flaky":
      return [n];
    case "once":
      return [n, "LeaseLostError"];
    case "limited":
      return [[n, [n, n + 1, n + 2]]];
    default:
      throw new Error(`nothing is expected of ${shape}`);
  }
}
