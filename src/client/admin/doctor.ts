import { unqueued } from "../../core/step-options.ts";
import type { Lane, SessionRow } from "../../store/store.ts";
import type { Connection } from "../connection.ts";
import { hasCode, isLive, takesFrom } from "../lane-takers.ts";
import { blockReasonOf } from "../row-codec.ts";

/** Something that is wrong. */
export interface Finding {
  /** Stable, in capitals. */
  readonly code: string;
  readonly severity: "error" | "warning";
  readonly message: string;
  /** What to do about it. */
  readonly hint: string;
}

/** Of more than this the rest is not named. */
const mostNamed = 5;
/** How far two clocks may be apart. */
const clockToleranceMs = 2_000;
/** What is ready may wait this long for a worker before it is told. */
const patienceMs = 10_000;

/** What is wrong with what a database holds, most severe first; empty when all is well. */
export async function doctor(connection: Connection): Promise<readonly Finding[]> {
  const findings = [
    ...(await strandedOnes(connection)),
    ...(await heldByNobody(connection)),
    ...(await clocks(connection)),
    ...durability(connection),
    ...(await silentSessions(connection)),
    ...(await unserved(connection)),
    ...(await blockedOnes(connection)),
  ];
  return findings.toSorted(
    (a, b) => Number(a.severity > b.severity) - Number(a.severity < b.severity),
  );
}

/** I8. */
async function strandedOnes({ store }: Connection): Promise<Finding[]> {
  const found = await store.survey.stranded(mostNamed + 1);
  if (found.length === 0) return [];
  return [
    {
      code: "ORPHANED",
      severity: "error",
      message: `${named(found)}: unfinished, and neither held nor due, nor waiting for anything that is there`,
      hint: "this should not be: report it with what stent executions export says of one, then cancel it with force",
    },
  ];
}

async function heldByNobody({ store }: Connection): Promise<Finding[]> {
  const found = await store.survey.heldByNobody(mostNamed + 1);
  if (found.length === 0) return [];
  return [
    {
      code: "HELD_BY_NOBODY",
      severity: "error",
      message: `${named(found)}: held by a worker session that is marked dead`,
      hint: "this should not be: report it; cancel with force ends what is held so",
    },
  ];
}

async function clocks({ store, clock }: Connection): Promise<Finding[]> {
  const before = clock.now();
  const now = await store.now();
  const after = clock.now();
  const apart = now < before ? before - now : now > after ? now - after : 0;
  const newest = (await store.survey.newestAt()) ?? 0;
  return [
    ...(apart > clockToleranceMs
      ? [
          {
            code: "CLOCK_SKEW",
            severity: "warning" as const,
            message: `this machine's clock and the database's are ${Math.round(apart / 1_000)} s apart`,
            hint: "due times are by the database's clock; set both by the same time service",
          },
        ]
      : []),
    ...(newest > now + clockToleranceMs
      ? [
          {
            code: "CLOCK_WENT_BACK",
            severity: "warning" as const,
            message: `the newest execution was made ${Math.round((newest - now) / 1_000)} s from now`,
            hint: "the clock by which due times are told went back, or a machine's is wrong: what is due may begin late by as much",
          },
        ]
      : []),
  ];
}

function durability({ warnings }: Connection): Finding[] {
  return warnings.map((message) => ({
    code: "DURABILITY",
    severity: "warning",
    message,
    hint: "what was acknowledged may be lost as long as this stays so",
  }));
}

async function silentSessions({ store }: Connection): Promise<Finding[]> {
  const now = await store.now();
  const held = await store.survey.held();
  const silent = (await store.sessions()).filter(
    (session) => session.state === "live" && !isLive(session, now),
  );
  return silent.map(({ key, name, host, pid, seenAt }) => {
    const count = held
      .filter(({ session }) => session === key)
      .reduce((sum, each) => sum + each.count, 0);
    return {
      code: "SILENT_WORKER",
      severity: "warning",
      message: `worker ${name} (${host}, process ${pid}) was last seen ${Math.round((now - seenAt) / 1_000)} s ago, and holds ${count} executions and tasks`,
      hint: "a live worker takes over what it holds once it has watched its lease run out: start one",
    };
  });
}

async function unserved({ store }: Connection): Promise<Finding[]> {
  const now = await store.now();
  const live = (await store.sessions()).filter((session) => isLive(session, now));
  const laneOf = new Map((await store.lanes()).map((lane) => [lane.key, lane]));
  const waiting = new Map<Lane, { count: number; since: number }>();
  for (const { lane: key, ready, firstDueAt } of await store.survey.depths(now)) {
    const lane = laneOf.get(key);
    if (lane === undefined || ready === 0) continue;
    const { count, since } = waiting.get(lane) ?? { count: 0, since: firstDueAt };
    waiting.set(lane, { count: count + ready, since: Math.min(since, firstDueAt) });
  }
  return [...waiting].flatMap(([lane, { count, since }]) =>
    now - since < patienceMs ? [] : lacking(lane, count, live),
  );
}

function lacking(lane: Lane, count: number, live: readonly SessionRow[]): Finding[] {
  const { name, queue, tags, kind, version } = lane;
  const placed = live.filter((session) => takesFrom(session, lane));
  const code = version === undefined ? name : `${name} (version ${version})`;
  if (placed.length === 0) {
    const tagged = tags.length === 0 ? "" : ` with tags ${tags.join(", ")}`;
    return [
      {
        code: "QUEUE_UNSERVED",
        severity: "warning",
        message: `${count} of ${kind} ${code} wait in queue ${queue ?? unqueued}${tagged}, from which no live worker takes`,
        hint: `start a worker that does: stent worker <module> --queue ${queue ?? unqueued}`,
      },
    ];
  }
  if (placed.some((session) => hasCode(session, lane))) return [];
  return [
    {
      code: "FUNCTION_UNSERVED",
      severity: "warning",
      message: `${count} of ${kind} ${code} wait, and none of the ${placed.length} live workers of queue ${queue ?? unqueued} has its code`,
      hint: "start a worker whose modules define it",
    },
  ];
}

async function blockedOnes({ store }: Connection): Promise<Finding[]> {
  const found = await store.survey.blocked(mostNamed + 1);
  if (found.length === 0) return [];
  const [first] = found;
  const why = first === undefined ? "" : blockReasonOf(first.blocked).message;
  return [
    {
      code: "BLOCKED",
      severity: "warning",
      message: `${named(found)}: blocked; the first: ${why}`,
      hint: "stent why says of each what to do",
    },
  ];
}

function named(found: readonly { readonly id: string }[]): string {
  const ids = found.slice(0, mostNamed).map(({ id }) => id);
  return `execution${found.length === 1 ? "" : "s"} ${ids.join(", ")}${found.length > mostNamed ? ", and more" : ""}`;
}
