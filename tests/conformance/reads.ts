/** What a store reads for clients and workers, in words that two databases have in common. */
import type { Store } from "../../src/store/store.ts";
import type { Names, Paired, PairedRows, Side } from "./paired-rows.ts";

const most = 1_000;
/** Than every time of a test. */
const later = 10_000_000_000_000;
const wide = { limit: most };

/** Everything that can be read of what is there. */
export async function readsOf(
  store: Store,
  rows: PairedRows,
  side: Side,
  names: Names,
): Promise<unknown> {
  const executions = rows.stent_executions.map((pair) => pair[side]);
  const states = ["pending", "running", "cancelling"] as const;
  const read = {
    peek: await store.peek(() => true),
    deadlines: await store.deadlines(),
    finished: (await store.finishedBefore(later, { endedAt: -1, key: 0 }, most)).map(({ key }) =>
      names.executions.get(key),
    ),
    left: await store.anyLeftRun(),
    list: await store.executions(wide),
    open: await store.executions({ ...wide, states, kind: "workflow" }),
    children: await store.executions({ ...wide, idPrefix: "a/", parentId: "a" }),
    failed: await store.countExecutions({ error: "error", name: "job" }),
    ended: await store.ended([...executions.map(({ id }) => id), "nobody"]),
    tasks: await store.tasks(wide),
    running: await store.tasks({ ...wide, running: true }),
    begun: await store.begunEntries({ execution: -1, seq: -1 }, most),
    depth: [await store.queueDepth(undefined), await store.queueDepth("q")],
    lanes: await store.lanes(),
    sessions: await store.sessions(),
    letters: await store.deadLetters(wide),
    of: await Promise.all(executions.map((row) => readsOfOne(store, row))),
    maps: await Promise.all(rows.stent_fanouts.map((pair) => readsOfMap(store, pair, side))),
    held: await Promise.all(rows.stent_workers.map((pair) => store.held(pair[side].key))),
  };
  return inWords(read, names);
}

async function readsOfOne(
  store: Store,
  { key, id, run }: { readonly key: number; readonly id: string; readonly run: number },
): Promise<unknown> {
  return {
    outcome: await store.outcome(id),
    entries: await store.entries(key, run),
    newest: await store.newestSteps(key, run, 2),
    journal: await store.journal(key, run),
    pending: await store.pendingEntries(key, run, most),
    arrivals: await store.arrivals(key),
    inbox: await store.inbox(key, "go", most),
    inboxNames: await store.inboxNames(key, ["go", "stop", "mail"]),
    counters: await store.counters(key),
    state: await store.state(key),
    marks: await store.marks(key, run),
    children: await store.children(key, ["pending", "running", "failed"], most),
    tasks: await store.tasks({ execution: key, limit: most }),
  };
}

async function readsOfMap(
  store: Store,
  pair: Paired<"stent_fanouts">,
  side: Side,
): Promise<unknown> {
  const { execution, run, seq } = pair[side];
  return {
    progress: await store.mapProgress(execution, run, seq),
    items: await store.items(execution, run, seq),
    page: await store.itemPage(execution, run, seq, { after: 0, limit: 2 }),
  };
}

/** Keys as what they stand for; and lists sorted, since most come in the order of keys, and these are given out in any order. */
function inWords(value: unknown, names: Names): unknown {
  if (Array.isArray(value)) return value.map((one) => inWords(one, names)).toSorted(byText);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, part]) => {
      if (name === "key") return [];
      // By how much it was raised may differ, and rows have been compared.
      if (name === "wakeSeq") return [];
      if (name === "execution") return [[name, names.executions.get(part)]];
      if (name === "worker" || name === "session") return [[name, names.sessions.get(part)]];
      if (name === "lane") return [[name, names.lanes.get(part)]];
      return [[name, inWords(part, names)]];
    }),
  );
}

function byText(a: unknown, b: unknown): number {
  const [one, other] = [JSON.stringify(a) ?? "", JSON.stringify(b) ?? ""];
  return one < other ? -1 : Number(one > other);
}
