import { sql, type RawBuilder } from "kysely";
import { build, given } from "./statement.ts";

const execution = given<number>("execution");
const upTo = sql`limit ${given<number>("limit")}`;

/** What belongs to an execution beside its work, table by table, and what tells its rows apart. */
const belongings = {
  entries: ["stent_journal", "run, seq"],
  items: ["stent_items", "run, seq, item"],
  signals: ["stent_signals", "key"],
  letters: ["stent_dead_letters", "key"],
  marks: ["stent_marks", "run, seq, item, session"],
  counters: ["stent_counters", "name"],
  states: ["stent_state", "name"],
} as const;

/** What may belong to an execution in great numbers. */
export type Belonging = keyof typeof belongings;

/** Every kind of it. */
export const allBelongings: readonly Belonging[] = Object.keys(belongings) as Belonging[];

function some([table, columns]: (typeof belongings)[Belonging]): RawBuilder<never> {
  const [rows, key] = [sql.table(table), sql.raw(columns)];
  return sql<never>`
    delete from ${rows} where execution = ${execution} and (${key}) in (
      select ${key} from ${rows} where execution = ${execution} order by ${key} ${upTo})`;
}

function count([table]: (typeof belongings)[Belonging]): RawBuilder<number> {
  return sql<number>`(select count(*) from (select 1 from ${sql.table(table)} where execution = ${execution} ${upTo}) counted)`;
}

/** Statements that remove what is over: executions with all that belongs to them, in pieces where that is much. */
export const removalStatements = {
  /** Finished executions in the order in which they ended: roots, those without a parent any more, and children of earlier runs. */
  finishedBefore: build
    .selectFrom("stent_executions as e")
    .leftJoin("stent_executions as p", "p.key", "e.parent")
    .select(["e.key as key", sql<number>`e.ended_at`.as("ended_at")])
    .where("e.ended_at", "is not", null)
    .where("e.ended_at", "<=", given<number>("time"))
    .where(
      sql<boolean>`(e.ended_at, e.key) > (${given<number>("afterEnd")}, ${given<number>("afterKey")})`,
    )
    .where((eb) => eb.or([eb("p.key", "is", null), eb("p.run", ">", eb.ref("e.parent_run"))]))
    .orderBy("e.ended_at")
    .orderBy("e.key")
    .limit(given<number>("limit")),
  openChild: build
    .selectFrom("stent_executions")
    .select("key")
    .where("parent", "=", given<number>("parent"))
    .where("ended_at", "is", null)
    .limit(1),
  children: build
    .selectFrom("stent_executions")
    .select("key")
    .where("parent", "=", given<number>("parent"))
    .limit(given<number>("limit")),

  /** How many rows belong to it; of each table not more than are asked for. */
  weight: sql<Record<Belonging, number>>`select
    ${count(belongings.entries)} as entries, ${count(belongings.items)} as items, ${count(belongings.signals)} as signals,
    ${count(belongings.letters)} as letters, ${count(belongings.marks)} as marks, ${count(belongings.counters)} as counters,
    ${count(belongings.states)} as states`,
  entries: some(belongings.entries),
  items: some(belongings.items),
  signals: some(belongings.signals),
  letters: some(belongings.letters),
  marks: some(belongings.marks),
  counters: some(belongings.counters),
  states: some(belongings.states),

  oldLetters: sql<never>`
    delete from stent_dead_letters where key in (
      select key from stent_dead_letters where moved_at < ${given("before")} order by key ${upTo})`,
  deadSessions: sql<never>`
    delete from stent_workers where key in (
      select key from stent_workers where state = 'dead' and seen_at < ${given("before")} order by key ${upTo})`,
  /** Asked once more of the row that is locked: a claim may have reserved it anew meanwhile. One that is waited for is there until all have been called. */
  expiredResults: sql<never>`
    delete from stent_results where expires_at <= ${given("now")} and key in (
      select r.key from stent_results r where r.expires_at is not null and r.expires_at <= ${given("now")}
        and not exists (select 1 from stent_waits w where w.gate = -r.key)
      order by r.expires_at ${upTo})`,
  /** Gates in the order of their keys. By whoever looks which of them nobody uses: what others are changing is passed over. */
  gates: build
    .selectFrom("stent_gates")
    .select(["key", "per", "at"])
    .where("key", ">", given<number>("after"))
    .orderBy("key")
    .limit(given<number>("limit")),
  idleGate: build
    .deleteFrom("stent_gates")
    .where("key", "=", given<number>("key"))
    .where(sql<boolean>`not exists (select 1 from stent_slots s where s.gate = ${given("key")})`)
    .where(sql<boolean>`not exists (select 1 from stent_waits w where w.gate = ${given("key")})`),

  duty: build
    .selectFrom("stent_duties")
    .select("session")
    .where("name", "=", given<string>("name")),
  takeDuty: build
    .insertInto("stent_duties")
    .values({ name: given<string>("name"), session: given<number>("session") })
    .onConflict((conflict) =>
      conflict.column("name").doUpdateSet({ session: sql<number>`excluded.session` }),
    ),
};
