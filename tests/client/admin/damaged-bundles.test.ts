/** An export that was cut, mixed up or written by others: it is imported, or refused, and never anything else. */
import assert from "node:assert/strict";
import Driver from "better-sqlite3";
import { test } from "node:test";
import { activity, all, call, signal, workflow, type Stent } from "stentjs";
import { Chance } from "../../crash/chance.ts";
import { sqliteViolations } from "../../support/sqlite-query.ts";
import { databaseFile, stentOn } from "../../support/serving.ts";

const chance = new Chance(20_252);
const rounds = 400;
/** What a reader of such a file may be told. */
const told = new Set(["SERIALIZATION", "EXECUTION_EXISTS"]);

const half = activity("damaged.half", { retry: { maxAttempts: 1 } }, async (n: number) => {
  if (n % 2 === 1) throw new RangeError("odd");
  return { half: n / 2, at: new Date(0) };
});
const flow = workflow("damaged.flow", function* () {
  const [four] = yield* all([call(half, 4), call(half, 6)]);
  try {
    yield* call(half, 3);
  } catch {
    return [four, yield* signal<Map<string, number>>("go")];
  }
  return [];
});

test(`a damaged export is imported as what it says, or refused: ${rounds} of them`, async (t) => {
  const file = databaseFile(t);
  const stent = await stentOn(t, file, { serve: true });
  await stent.dispatch(flow, [], { id: "there" });
  await stent.sendSignal("there", "go", new Map([["a", 1]]));
  await stent.waitFor("there");
  const whole: string[] = [];
  for await (const line of stent.admin.export("there")) whole.push(line);
  const counts = { imported: 0, refused: 0 };
  for (let round = 0; round < rounds; round += 1) {
    const lines = damaged(whole);
    try {
      const id = await stent.admin.import(lines, { id: `copy-${round}` });
      await readAll(stent, id);
      counts.imported += 1;
    } catch (error) {
      const { code } = error as { code?: string };
      assert.ok(told.has(code ?? ""), `${String((error as Error).stack)}\n${lines.join("\n")}`);
      counts.refused += 1;
    }
  }
  assert.ok(counts.imported > 20 && counts.refused > 20, JSON.stringify(counts));
  const database = new Driver(file, { readonly: true });
  t.after(() => database.close());
  assert.deepEqual(await sqliteViolations(database, Date.now()), []);
});

/** One to three things are wrong with it. */
function damaged(whole: readonly string[]): string[] {
  let lines = [...whole];
  for (let more = chance.upTo(3); more > 0; more -= 1)
    lines = damages[chance.upTo(damages.length) - 1]?.(lines) ?? lines;
  return lines;
}

const damages: readonly ((lines: readonly string[]) => string[])[] = [
  (lines) => lines.toSpliced(place(lines), 1),
  (lines) => lines.toSpliced(place(lines), 0, lines[place(lines)] ?? ""),
  (lines) => lines.toReversed(),
  (lines) => changed(lines, (line) => line.slice(0, chance.upTo(Math.max(1, line.length)))),
  (lines) =>
    changed(lines, (line) => {
      const at = chance.upTo(Math.max(1, line.length)) - 1;
      return line.slice(0, at) + String.fromCodePoint(31 + chance.upTo(95)) + line.slice(at + 1);
    }),
  // What is of another kind, or not there, in JSON that is whole.
  (lines) => changed(lines, (line) => replaced(line, /:(?:"[^"]*"|-?\d+)(?=[,}])/g)),
  (lines) =>
    changed(lines, (line) => replaced(line, /"(?:path|kind|state|run|delivery|outcome)"/g)),
];

const others = ["null", "-1", "1e300", '""', '"a\\u0000"', "[]", "{}", "true", '"completed"'];

function replaced(line: string, what: RegExp): string {
  const found = [...line.matchAll(what)];
  const one = found[chance.upTo(Math.max(1, found.length)) - 1];
  if (one === undefined) return line;
  const other = others[chance.upTo(others.length) - 1] ?? "null";
  const put = one[0].startsWith(":") ? `:${other}` : '"else"';
  return line.slice(0, one.index) + put + line.slice(one.index + one[0].length);
}

function changed(lines: readonly string[], change: (line: string) => string): string[] {
  const at = place(lines);
  return lines.map((line, index) => (index === at ? change(line) : line));
}

function place(lines: readonly string[]): number {
  return chance.upTo(Math.max(1, lines.length)) - 1;
}

/** What was taken in can be looked at. */
async function readAll(stent: Stent, id: string): Promise<void> {
  await stent.stateOf(id);
  await stent.why(id);
  for await (const entry of stent.history(id)) assert.equal(typeof entry.path, "string");
}
