/** Where the items of a map keep what they carry and what they come to. */
import type { RunOf } from "./entry-outcome.ts";
import { entryPlace, inputPlace, itemPath, resultPlace, stepId } from "./places.ts";
import type { Place } from "./serializer.ts";
import type { StoredOptions } from "./step-options.ts";

/** A map's entry, as far as its items have to be found. */
export interface MapEntry {
  readonly path: string;
  /** Of its entry; left out: that of its run. */
  readonly cut?: number | undefined;
  /** As the journal keeps them. */
  readonly options?: string | null | undefined;
}

/** What the journal keeps of how the items of a map run. */
export function mapOptionsOf({ options }: Pick<MapEntry, "options">): StoredOptions {
  return JSON.parse(options ?? "{}") as StoredOptions;
}

/** Whether the items of a map are children, each an execution of its own. */
export function isOverWorkflow(entry: Pick<MapEntry, "options">): boolean {
  return mapOptionsOf(entry).over === "workflow";
}

/** Id of the execution that an item of a map over a workflow is. */
export function itemChildId(run: RunOf, entry: MapEntry, item: number): string {
  return stepId({ ...run, cut: entry.cut ?? run.cut }, itemPath(entry.path, item));
}

/** Where the arguments of a map's items are encoded: a child's as its own input, all others at the map. */
export function itemInputPlaces(run: RunOf, entry: MapEntry): (item: number) => Place {
  if (isOverWorkflow(entry)) return (item) => inputPlace(itemChildId(run, entry, item));
  const place = entryPlace(run.id, run.run, entry.path);
  return () => place;
}

/** Where the outcomes of a map's items are encoded: a child's as its own result, all others at the map. */
export function itemValuePlaces(run: RunOf, entry: MapEntry): (item: number) => Place {
  if (isOverWorkflow(entry)) return (item) => resultPlace(itemChildId(run, entry, item));
  const place = entryPlace(run.id, run.run, entry.path);
  return () => place;
}
