import { unqueued, type Placement, type StoredOptions } from "../../core/step-options.ts";
import { tagsOf } from "../batch.ts";

/** Where the items of a map run: what its entry says, else what its execution has. */
export function itemPlacement(
  options: StoredOptions,
  of: { readonly queue: string | null; readonly rank: number; readonly tags: string | null },
): Placement {
  return {
    queue: options.queue === unqueued ? undefined : (options.queue ?? of.queue ?? undefined),
    priority: options.priority ?? -of.rank,
    tags: options.tags ?? tagsOf(of.tags),
  };
}
