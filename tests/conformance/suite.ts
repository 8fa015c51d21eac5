import type { ConformanceBackend } from "./backend.ts";
import { claimConformance } from "./claims.ts";
import { dispatchConformance } from "./dispatch.ts";
import { mapConformance } from "./maps.ts";
import { turnConformance } from "./turns.ts";

/** Everything that the storage port promises, for one backend. */
export function storeConformance(backend: ConformanceBackend): void {
  dispatchConformance(backend);
  turnConformance(backend);
  claimConformance(backend);
  mapConformance(backend);
}
