import type { ConformanceBackend } from "./backend.ts";
import { cancelConformance } from "./cancel.ts";
import { claimConformance } from "./claims.ts";
import { dispatchConformance } from "./dispatch.ts";
import { giveUpConformance } from "./give-up.ts";
import { mapChildrenConformance } from "./map-children.ts";
import { mapConformance } from "./maps.ts";
import { readingConformance } from "./reading.ts";
import { retryConformance } from "./retries.ts";
import { separateConformance } from "./separate.ts";
import { sessionConformance } from "./sessions.ts";
import { signalConformance } from "./signals.ts";
import { transactionConformance } from "./transactions.ts";
import { turnConformance } from "./turns.ts";

/** Everything that the storage port promises, for one backend. */
export function storeConformance(backend: ConformanceBackend): void {
  dispatchConformance(backend);
  turnConformance(backend);
  claimConformance(backend);
  mapConformance(backend);
  mapChildrenConformance(backend);
  separateConformance(backend);
  transactionConformance(backend);
  signalConformance(backend);
  cancelConformance(backend);
  giveUpConformance(backend);
  retryConformance(backend);
  sessionConformance(backend);
  readingConformance(backend);
}
