/** What fragments in the documents may use without importing it: the names that the pages speak of. */
import type { Activity, ExecutionHandle, Stent } from "stentjs";

declare global {
  const stent: Stent;
  const handle: ExecutionHandle<string>;
  const reserve: Activity<[sku: string], string>;
  const charge: Activity<[hold: string, cents: number], string>;
  const release: Activity<[hold: string], void>;
}
