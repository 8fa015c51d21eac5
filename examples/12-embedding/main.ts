/**
 * A worker of one's own: drives a workflow with `stentjs/interpreter` against a journal in memory. The interpreter decides what happens;
 * this program keeps the journal, the clock and the inbox, and runs the activities. After every turn it forgets the running workflow and
 * goes on from the journal, as after a crash.
 *
 *   npx tsx examples/12-embedding/main.ts
 */
import { activity, call, counters, race, signal, sleep, workflow } from "stentjs";
import {
  Coroutine,
  type Delivery,
  type Entry,
  type Facts,
  type Outcome,
  type Turn,
} from "stentjs/interpreter";

const reserve = activity("reserve", async (sku: string) => `hold-${sku}`);
const charge = activity(
  "charge",
  async (hold: string, cents: number) => `${hold} paid with ${cents}`,
);
const release = activity("release", async (hold: string) => `${hold} released`);

const order = workflow("order", function* (sku: string) {
  const hold = yield* call(reserve, sku);
  const decision = yield* race({
    approved: signal<{ cents: number }>("approval"),
    late: sleep("2d"),
  });
  yield* counters.add(decision.winner);
  if (decision.winner === "late") return yield* call(release, hold);
  return yield* call(charge, hold, decision.value.cents);
});

const hour = 3_600_000;
console.log(
  await runOrder("book", [{ at: 5 * hour, name: "approval", payload: { cents: 1_200 } }]),
);
console.log(await runOrder("boat", []));

interface Message {
  readonly at: number;
  readonly name: string;
  readonly payload: unknown;
}

async function runOrder(sku: string, inbox: Message[]): Promise<string> {
  const journal = new Map<string, string>();
  const tallies = new Map<string, number>();
  let clock = 0;
  const facts: Facts = {
    now: () => clock,
    random: () => 0.5,
    uuid: () => "none",
    encode: (value) => JSON.stringify(value),
    decode: (text) => JSON.parse(String(text)) as unknown,
  };
  let arrived: Delivery[] = [];
  for (;;) {
    // As after a crash: all that is left is the journal. A worker would keep the coroutine, and do this only when it has none.
    const entries = [...journal.values()].map(toEntry);
    const coroutine = Coroutine.resume(order, [sku], entries, { counters: tallies });

    // Give it what has arrived, let it decide, and store all of that before anything is done about it.
    const turn = coroutine.advance(arrived, facts);
    store(journal, tallies, turn);
    console.log(
      `${clock / hour} h: ${turn.scheduled.map(({ path, kind, name }) => `${path} ${name ?? kind}`).join(", ") || "nothing to do"}`,
    );
    if (turn.done !== undefined)
      return `${JSON.stringify(turn.done)} after ${journal.size} entries, ${JSON.stringify([...tallies])}`;

    // Do what waits, and say what came of it; if there is nothing to do, let time pass until there is.
    arrived = await perform(coroutine);
    if (arrived.length > 0) continue;
    const nextMessage = inbox[0]?.at ?? Infinity;
    clock = Math.min(turn.wakeAt ?? Infinity, nextMessage);
    if (clock === Infinity) return "it waits for ever";
    arrived = [
      ...coroutine.due(clock),
      ...(clock === nextMessage ? receive(coroutine, inbox) : []),
    ];
  }
}

/** Runs the activities that wait. Whatever has been stored as an entry may run twice if this process dies here, so activities are told their path. */
async function perform(coroutine: Coroutine): Promise<Delivery[]> {
  const deliveries: Delivery[] = [];
  for (const { path, effect } of coroutine.pending()) {
    if (effect.kind !== "call") continue;
    deliveries.push({
      kind: "outcome",
      path,
      outcome: await attempt(() => effect.fn(...effect.args) as unknown),
    });
  }
  return deliveries;
}

async function attempt(act: () => unknown): Promise<Outcome> {
  try {
    return { ok: true, value: await act() };
  } catch (error) {
    return { ok: false, error };
  }
}

/** The first message goes to the path that has waited longest for its name. */
function receive(coroutine: Coroutine, inbox: Message[]): Delivery[] {
  const message = inbox.shift();
  const [path] = coroutine.signalWaits.get(message?.name ?? "") ?? [];
  return path === undefined
    ? []
    : [{ kind: "outcome", path, outcome: { ok: true, value: message?.payload } }];
}

/** All of a turn, or none of it: in a database this is one transaction. */
function store(journal: Map<string, string>, tallies: Map<string, number>, turn: Turn): void {
  for (const entry of turn.entries) journal.set(entry.path, toText(entry));
  for (const { path, outcome, delivery } of turn.delivered) {
    journal.set(path, toText({ ...toEntry(journal.get(path) ?? ""), outcome, delivery }));
  }
  for (const { kind, name = "", change } of turn.changes) {
    if (kind === "counters.add") tallies.set(name, (tallies.get(name) ?? 0) + Number(change));
  }
}

/** What is kept is text: what the workflow later does to its values cannot reach it. */
function toText({ path, kind, name, input, dueAt, reached, delivery, outcome }: Entry): string {
  const told = outcome?.ok === false ? { ok: false, error: String(outcome.error) } : outcome;
  return JSON.stringify({ path, kind, name, input, dueAt, reached, delivery, outcome: told });
}

function toEntry(text: string): Entry {
  const entry = JSON.parse(text) as Entry;
  return entry.outcome?.ok === false
    ? { ...entry, outcome: { ok: false, error: new Error(String(entry.outcome.error)) } }
    : entry;
}
