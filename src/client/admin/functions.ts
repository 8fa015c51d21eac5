import type { Lane } from "../../store/store.ts";
import type { Connection } from "../connection.ts";
import { hasCode, isLive } from "../lane-takers.ts";

/** A durable function that was ever dispatched or queued here, that a live worker serves, or that is registered in this process. */
export interface FunctionRecord {
  readonly name: string;
  readonly version: string | undefined;
  readonly kind: "activity" | "workflow";
  /** Live workers that have its code. */
  readonly workers: number;
}

type Named = Pick<Lane, "kind" | "name" | "version">;

/** Functions by name and version. */
export async function functions({
  store,
  registry,
}: Connection): Promise<readonly FunctionRecord[]> {
  const now = await store.now();
  const live = (await store.sessions()).filter((session) => isLive(session, now));
  const registered = registry.all().map(({ kind, functionName, options }) => ({
    kind,
    name: functionName,
    version: options.version,
  }));
  const byText = new Map<string, Named>();
  for (const { kind, name, version } of [
    ...(await store.lanes()),
    ...live.flatMap((session) => session.functions),
    ...registered,
  ])
    byText.set(JSON.stringify([name, version ?? null, kind]), { kind, name, version });
  return [...byText]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { kind, name, version }]) => ({
      name,
      version,
      kind,
      workers: live.filter((session) => hasCode(session, { kind, name, version })).length,
    }));
}
