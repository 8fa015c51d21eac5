import { plantedInStore } from "./in-store.ts";
import { plantedInWorker } from "./in-worker.ts";
import type { PlantedBug } from "./planted-bug.ts";

/** Every mistake that the tests are known to notice. */
export const planted: readonly PlantedBug[] = [...plantedInStore, ...plantedInWorker];
