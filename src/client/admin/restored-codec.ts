import { itemInputPlaces, itemValuePlaces } from "../../core/map-items.ts";
import type { Payload, PayloadCodec } from "../../core/payload.ts";
import { entryPlace, inputPlace, resultPlace, signalPlace, statePlace } from "../../core/places.ts";
import type { Place } from "../../core/serializer.ts";
import { entryStatus, isFinal, type EntryStatus } from "../../core/status.ts";
import type { RestoredEntry, RestoredExecution } from "../../store/restored.ts";
import type { HistoryEntry } from "../history.ts";
import type { BlockReason } from "../row-codec.ts";
import type { BundleHead } from "./bundle-codec.ts";

/** An exported execution as it is to stand here: finished as it was, or blocked where it had not ended. */
export function restored(
  codec: PayloadCodec,
  head: BundleHead,
  history: readonly HistoryEntry[],
  { renamed, now }: { readonly renamed: (id: string) => string; readonly now: number },
): RestoredExecution {
  const id = renamed(head.id);
  const { kind, workflow: name, version, queue, priority, tags, run, attempt } = head;
  const ended = isFinal(head.state);
  const { completedAt, outcome } = head;
  return {
    id,
    kind,
    name,
    version,
    queue,
    priority,
    tags,
    run,
    attempt,
    state: ended ? head.state : "running",
    input: codec.encode(head.args, inputPlace(id)),
    result: ended ? payloadOf(codec, outcome, resultPlace(id)) : undefined,
    parentId: head.parent === undefined ? undefined : renamed(head.parent),
    createdAt: head.createdAt.getTime(),
    startedAt: head.startedAt?.getTime(),
    endedAt: ended ? (completedAt?.getTime() ?? now) : undefined,
    blocked: ended ? undefined : JSON.stringify(blockReason(head, now)),
    entries: kind === "activity" ? [] : history.map((entry) => entryOf(codec, id, entry)),
    counters: Object.entries(head.counters).map(([each, value]) => ({ name: each, value })),
    values: Object.entries(head.customState).map(([each, value]) => ({
      name: each,
      value: codec.encode(value, statePlace(id, each)),
    })),
  };
}

/** As poison is: no worker tries it by itself. */
function blockReason({ state }: BundleHead, now: number): BlockReason {
  return {
    kind: "poison",
    message: `it was imported while it was ${state} elsewhere, and may go on there. Nothing begins it here but a retry`,
    since: now,
  };
}

function payloadOf(
  codec: PayloadCodec,
  outcome: HistoryEntry["outcome"],
  place: Place,
): Payload | undefined {
  if (outcome === undefined) return undefined;
  return outcome.ok
    ? codec.encode(outcome.value, place)
    : codec.encodeFailure(outcome.error, place);
}

function entryOf(codec: PayloadCodec, id: string, entry: HistoryEntry): RestoredEntry {
  const { run, path, delivery, effect, outcome, scheduledAt, deliveredAt } = entry;
  const place = entryPlace(id, run, path);
  const items = effect.kind === "map" ? itemsOf(codec, id, entry) : undefined;
  const { input, options } = carriedBy(codec, id, entry);
  return {
    path,
    kind: effect.kind,
    name: effect.name,
    input,
    options: items?.options ?? options,
    status: statusOf(outcome),
    value:
      items !== undefined && outcome?.ok === true ? undefined : payloadOf(codec, outcome, place),
    delivery,
    scheduledAt: scheduledAt.getTime(),
    endedAt: deliveredAt?.getTime(),
    items: items?.rows ?? [],
    message:
      effect.kind === "signal" && outcome?.ok === true
        ? codec.encode(outcome.value, signalPlace(id, effect.name ?? ""))
        : undefined,
  };
}

function statusOf(outcome: HistoryEntry["outcome"]): EntryStatus {
  if (outcome === undefined) return entryStatus.pending;
  return outcome.ok ? entryStatus.completed : entryStatus.failed;
}

/** What stands beside an entry, at the place at which history reads it. */
function carriedBy(
  codec: PayloadCodec,
  id: string,
  { run, path, effect }: HistoryEntry,
): Pick<RestoredEntry, "input" | "options"> {
  const { kind, name = "", args } = effect;
  const nothing = { input: undefined, options: undefined };
  // To whom a dispatch went, by whose id its arguments would be kept, its history does not say.
  if (args === undefined || kind === "map" || kind === "dispatch") return nothing;
  if (kind === "sendSignal") {
    const [execution, payload] = args as readonly [string, unknown];
    const options = JSON.stringify({ execution });
    return { input: codec.encode(payload, signalPlace(execution, name)), options };
  }
  const place = kind === "continueAsNew" ? inputPlace(id) : entryPlace(id, run, path);
  return { input: codec.encode(args, place), options: undefined };
}

interface Items {
  readonly rows: RestoredEntry["items"];
  readonly options: string | undefined;
}

function itemsOf(
  codec: PayloadCodec,
  id: string,
  { run, path, effect, outcome }: HistoryEntry,
): Items {
  const args = Array.isArray(effect.args) ? (effect.args as unknown[]) : [];
  const values = outcome?.ok === true ? (outcome.value as readonly unknown[]) : undefined;
  const settling =
    values !== undefined && values.length > 0 && values.every((each) => isSettled(each));
  const options = settling ? JSON.stringify({ tolerated: null }) : undefined;
  const of = { id, run, cut: 0 };
  const entry = { kind: "map", path, cut: 0, options };
  const inputs = itemInputPlaces(of, entry);
  const results = itemValuePlaces(of, entry);
  const rows = args.map((input, item) => {
    const value = values?.[item];
    const end: HistoryEntry["outcome"] =
      values === undefined ? undefined : settling ? settledOf(value) : { ok: true, value };
    return {
      input: codec.encode(input, inputs(item)),
      status: statusOf(end),
      value: payloadOf(codec, end, results(item)),
    };
  });
  return { rows, options };
}

function isSettled(value: unknown): value is PromiseSettledResult<unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    "status" in value &&
    ((value.status === "fulfilled" && "value" in value) ||
      (value.status === "rejected" && "reason" in value))
  );
}

function settledOf(value: unknown): HistoryEntry["outcome"] {
  const settled = value as PromiseSettledResult<unknown>;
  return settled.status === "fulfilled"
    ? { ok: true, value: settled.value }
    : { ok: false, error: settled.reason as Error };
}
