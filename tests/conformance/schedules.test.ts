import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { footprintOf, meet, nothing, type Footprint } from "./footprint.ts";
import {
  explore,
  isImpatient,
  processOf,
  type Choice,
  type Choose,
  type Name,
} from "./schedules.ts";

/** What a statement does with the one row of a table. */
interface Statement {
  readonly does: "read" | "lock" | "write" | "pass over" | "share";
  readonly table: "a" | "b" | "c";
}

const statement = fc.record<Statement>({
  does: fc.constantFrom("read", "lock", "write", "pass over", "share"),
  table: fc.constantFrom("a", "b", "c"),
});
const transaction = fc.array(statement, { maxLength: 4 });

test("of the schedules that are left out each comes to what one that is run has come to", async () => {
  const pair = fc.record({ A: transaction, B: transaction, impatience: fc.constantFrom(0, 1) });
  await fc.assert(
    fc.asyncProperty(pair, async ({ A, B, impatience }) => {
      const chosen = new Set<string>();
      await explore({ most: 10_000, impatience, tries: () => true }, async (choose) => {
        chosen.add(play({ A, B }, choose));
      });
      assert.deepEqual([...chosen].toSorted(), [...everyOutcome({ A, B }, impatience)].toSorted());
    }),
    { numRuns: 300 },
  );
});

test("statements that do not meet have one schedule, and each that does has one more", async () => {
  const count = async (A: readonly Statement[], B: readonly Statement[]): Promise<number> => {
    const limits = { most: 100, impatience: 0, tries: () => true };
    const { schedules, redundant, diverged } = await explore(limits, async (choose) => {
      play({ A, B }, choose);
    });
    assert.deepEqual([redundant, diverged], [0, 0]);
    return schedules;
  };
  const write: Statement = { does: "write", table: "a" };
  const read: Statement = { does: "read", table: "a" };
  assert.equal(await count([write], [{ does: "write", table: "b" }]), 1);
  assert.equal(await count([write], [read]), 2);
  assert.equal(await count([write], [read, read]), 3);
});

test("what a statement touches is read from its text", () => {
  const shown = (text: string): unknown[] => {
    const { reads, locks, shares } = footprintOf(text);
    return [[...reads], [...locks], [...shares]];
  };
  assert.deepEqual(shown("begin read write"), [[], [], []]);
  assert.deepEqual(shown('select * from "stent_tasks" where "key" = $1'), [
    ["stent_tasks"],
    [],
    [],
  ]);
  assert.deepEqual(shown('update "stent_tasks" set "worker" = null'), [
    ["stent_tasks"],
    ["stent_tasks"],
    [],
  ]);
  assert.deepEqual(
    shown("select key from stent_workers where key = any($1::bigint[]) order by key for key share"),
    [["stent_workers"], [], ["stent_workers"]],
  );
  assert.deepEqual(
    shown(
      "select x.key from stent_executions x where x.key in (select t.execution from stent_tasks t) for no key update of x",
    ),
    [["stent_executions", "stent_tasks"], ["stent_executions"], []],
  );
  assert.deepEqual(
    shown("insert into stent_writers (id) values ($1) on conflict (id) do update set batch = 1"),
    [[], [], []],
  );
});

test("a commit is met by who reads what it has written, a rollback by who locks it only", () => {
  const read = footprintOf("select 1 from stent_tasks");
  const lock = footprintOf("select 1 from stent_tasks for update skip locked");
  const end = (ends: Footprint["ends"]): Footprint => ({ ...nothing, locks: lock.locks, ends });
  assert.deepEqual([meet(end("commit"), read), meet(read, end("commit"))], [true, true]);
  assert.deepEqual([meet(end("rollback"), read), meet(lock, end("rollback"))], [false, true]);
  assert.deepEqual([meet(lock, read), meet(lock, lock)], [false, true]);
  assert.equal(meet(end("commit"), end("commit")), false);
});

type Programs = Readonly<Record<Name, readonly Statement[]>>;

/** What every schedule comes to: at each step all that can be chosen there. */
function everyOutcome(programs: Programs, impatience: number): Set<string> {
  const outcomes = new Set<string>();
  const ways: Choice[][] = [[]];
  for (let way = ways.pop(); way !== undefined; way = ways.pop()) {
    let at = 0;
    const taken: Choice[] = [];
    const known = way;
    const outcome = play(programs, ({ next, waiting }) => {
      const last = taken.at(-1);
      const spent = taken.filter((one) => isImpatient(one)).length;
      // Whoever waits now might have given up instead.
      if (at > known.length || (at === known.length && at > 0)) {
        if (
          last !== undefined &&
          !isImpatient(last) &&
          waiting.has(processOf(last)) &&
          spent < impatience
        )
          ways.push([...taken.slice(0, -1), last === "A" ? "a" : "b"]);
      }
      const [first, second] = next.keys();
      const choice = known[at] ?? first;
      if (choice === undefined) throw new Error("nobody can go on");
      if (at >= known.length && second !== undefined) ways.push([...taken, second]);
      at += 1;
      taken.push(choice);
      return choice;
    });
    outcomes.add(outcome);
  }
  return outcomes;
}

/**
 * Two transactions on tables of one row, as PostgreSQL would run them. Tables are locked in one order; who has given up begins once more.
 * @returns what each has seen, and what is there at the end
 */
function play(programs: Programs, choose: Choose): string {
  const table = { a: "-", b: "-", c: "-" };
  const sides = { A: new Side("A", programs.A), B: new Side("B", programs.B) };
  for (;;) {
    for (const [side, rival] of [
      [sides.A, sides.B],
      [sides.B, sides.A],
    ] as const)
      if (side.waits && !side.meets(rival)) side.take(table);
    const next = new Map<Name, Footprint>();
    for (const side of [sides.A, sides.B])
      if (!side.over && !side.waits) next.set(side.name, side.footprint);
    const waiting = new Set(
      [sides.A, sides.B].filter(({ waits }) => waits).map(({ name }) => name),
    );
    if (next.size === 0) break;
    const choice = choose({ next, waiting });
    const name = processOf(choice);
    const rival = sides[name === "A" ? "B" : "A"];
    sides[name].go(rival, table, isImpatient(choice));
  }
  return JSON.stringify([sides.A.seen, sides.B.seen, table]);
}

type Tables = Record<Statement["table"], string>;

class Side {
  readonly name: Name;
  readonly #program: readonly Statement[];
  readonly #locks = new Map<string, "locked" | "shared">();
  readonly #written = new Map<Statement["table"], string>();
  #at = 0;
  #failed = false;
  over = false;
  waits = false;
  seen: string[] = [];

  constructor(name: Name, program: readonly Statement[]) {
    this.name = name;
    this.#program = program.toSorted((a, b) => a.table.localeCompare(b.table));
  }

  get #statement(): Statement | undefined {
    return this.#failed ? undefined : this.#program[this.#at];
  }

  get footprint(): Footprint {
    const { does, table } = this.#statement ?? {};
    if (table !== undefined) {
      const one = new Set([table]);
      const locks = does === "read" || does === "share" ? nothing.locks : one;
      return {
        reads: one,
        locks,
        shares: does === "share" ? one : nothing.shares,
        ends: undefined,
      };
    }
    const of = (kind: string): Set<string> =>
      new Set([...this.#locks].flatMap(([table, has]) => (has === kind ? table : [])));
    const ends = this.#failed ? "rollback" : "commit";
    return { reads: nothing.reads, locks: of("locked"), shares: of("shared"), ends };
  }

  /** Whether the other has a lock that its statement cannot be beside. */
  meets(rival: Side): boolean {
    const { does, table = "" } = this.#statement ?? {};
    const has = rival.#locks.get(table);
    if (has === undefined || does === undefined || does === "read") return false;
    return !(does === "share" && has === "shared");
  }

  go(rival: Side, tables: Tables, impatient: boolean): void {
    const statement = this.#statement;
    if (statement === undefined) this.#end(tables);
    else if (!this.meets(rival)) this.take(tables);
    else if (statement.does === "pass over") this.#see("passed over");
    else if (impatient) this.#failed = true;
    else this.waits = true;
  }

  /** Carries out its statement. */
  take(tables: Tables): void {
    this.waits = false;
    const { does, table } = this.#statement as Statement;
    if (does === "share") this.#locks.set(table, this.#locks.get(table) ?? "shared");
    else if (does !== "read") this.#locks.set(table, "locked");
    if (does === "write") this.#written.set(table, this.name + this.#at);
    this.#see(this.#written.get(table) ?? tables[table]);
  }

  #see(what: string): void {
    this.seen.push(what);
    this.#at += 1;
  }

  #end(tables: Tables): void {
    if (this.#failed) this.seen = ["gave up"];
    else {
      for (const [table, value] of this.#written) tables[table] = value;
      this.over = true;
    }
    this.#failed = false;
    this.#at = 0;
    this.#written.clear();
    this.#locks.clear();
  }
}
