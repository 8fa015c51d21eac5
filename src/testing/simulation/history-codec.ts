import { unseen, type HistoryEntry } from "../../client/history.ts";
import { asError, mapValue, outcomeOf, valuePlace } from "../../core/entry-outcome.ts";
import type { Outcome } from "../../core/journal.ts";
import { itemInputPlaces, itemValuePlaces } from "../../core/map-items.ts";
import { inputPlace, signalPlace, stepId } from "../../core/places.ts";
import { entryStatus } from "../../core/status.ts";
import { optionsOf } from "./entry-codec.ts";
import type { MemoryRow } from "./memory-journal.ts";
import type { MemoryRun } from "./memory-run.ts";

/** All that the runs of an execution have asked for, in the order in which it was reached; as `stent.history` shows one run. */
export function historyOf(runs: readonly MemoryRun[]): readonly HistoryEntry[] {
  return runs.flatMap((run) =>
    run.journal.rows.filter(({ kind }) => !unseen.has(kind)).map((row) => historyEntry(run, row)),
  );
}

function historyEntry(memory: MemoryRun, row: MemoryRow): HistoryEntry {
  const { path, kind, name, delivery, scheduledAt, endedAt } = row;
  const args = argsOfRow(memory, row);
  const outcome = outcomeOfRow(memory, row);
  return {
    run: memory.setting.run.run,
    path,
    ...(delivery === null ? {} : { delivery }),
    effect: {
      kind: kind === "child" ? "call" : kind,
      ...(name === null ? {} : { name }),
      ...(args === undefined ? {} : { args }),
    },
    ...(outcome === undefined ? {} : { outcome: told(outcome) }),
    scheduledAt: new Date(scheduledAt),
    ...(delivery === null || endedAt === undefined ? {} : { deliveredAt: new Date(endedAt) }),
  };
}

function told(outcome: Outcome): NonNullable<HistoryEntry["outcome"]> {
  return outcome.ok ? outcome : { ok: false, error: asError(outcome.error) };
}

/** What the effect carried, where the journal keeps it. */
function argsOfRow(memory: MemoryRun, row: MemoryRow): unknown {
  const { codec, run } = memory.setting;
  const { kind, path, input, seq, name } = row;
  if (kind === "map") {
    const placeOf = itemInputPlaces(run, row);
    return memory.journal
      .itemsOf(seq)
      .map(({ item, input: args }) => codec.decode(args, placeOf(item)));
  }
  if (input === null) return undefined;
  if (kind === "child") return codec.decode(input, inputPlace(stepId(run, path)));
  if (kind === "continueAsNew") return codec.decode(input, inputPlace(run.id));
  const { execution = "" } = optionsOf(row);
  if (kind === "dispatch") return codec.decode(input, inputPlace(execution));
  if (kind === "sendSignal")
    return [execution, codec.decode(input, signalPlace(execution, name ?? ""))];
  return codec.decode(input, valuePlace(run, row));
}

function outcomeOfRow(memory: MemoryRun, row: MemoryRow): Outcome | undefined {
  const { codec, run } = memory.setting;
  const { status, delivery, kind, seq, value } = row;
  if (delivery === null || status === entryStatus.pending || status === entryStatus.withdrawn)
    return undefined;
  if (kind === "map" && status === entryStatus.completed) {
    const settling = optionsOf(row).tolerated !== undefined;
    const items = memory.journal.itemsOf(seq);
    return { ok: true, value: mapValue(codec, itemValuePlaces(run, row), items, settling) };
  }
  return outcomeOf(codec, status, value ?? undefined, valuePlace(run, row));
}
