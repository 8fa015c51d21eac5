import { createHash } from "node:crypto";
import { GuardedNotifications } from "../notify/guarded.ts";
import type { NotificationBackend } from "../notify/notifier.ts";
import { isOpenable } from "../notify/openable.ts";
import type { HintLog } from "../notify/outage-log.ts";
import { postgresNotifications } from "../notify/postgres.ts";
import type { StoreBackend } from "../store/backend.ts";
import { ForeignWatch } from "../store/foreign-watch.ts";
import type { PostgresConnections } from "../store/postgres/connection.ts";
import type { Store } from "../store/store.ts";
import { ForeignSources } from "./foreign-sources.ts";
import { ToldChanges } from "./told-changes.ts";

/** What hearing of other processes needs: the database, opened, and the option notifications. */
export interface ForeignNeeds {
  readonly store: Store;
  readonly backend: StoreBackend;
  readonly notifications: NotificationBackend | undefined;
  readonly log: HintLog;
}

/** Begins to notice what other processes do, and to tell them. @throws DatabaseError DRIVER_MISSING for the option notifications */
export async function openForeign(needs: ForeignNeeds): Promise<ForeignSources> {
  const beside = besideOf(needs);
  const watch = watchOf(needs.store);
  // A missing package is a mistake of the deployment: it is told at once, not after weeks of polling.
  await Promise.all([beside?.begin(), watch?.begin()]);
  return new ForeignSources(
    watch,
    [ownOf(needs), beside].filter((each) => each !== undefined),
  );
}

/** Where a look is cheap, commits of others are seen by looking. */
function watchOf(store: Store): ForeignWatch | undefined {
  const look = store.foreignChange?.bind(store);
  return look === undefined ? undefined : new ForeignWatch(look);
}

/** What the database itself carries. */
function ownOf({ store, log }: ForeignNeeds): ToldChanges | undefined {
  if (!isOnPostgres(store)) return undefined;
  const { name, schema } = store.connections;
  return new ToldChanges(
    postgresNotifications({
      name: `LISTEN and NOTIFY of ${name}`,
      channel: channelOf(schema),
      connect: () => store.connections.connectClient({ purpose: "hints" }),
      log,
    }),
  );
}

/** What was asked for. A backend of ours gets connections for this Stent alone, and a name under which no other one hears it. */
function besideOf({ notifications, backend, log }: ForeignNeeds): ToldChanges | undefined {
  if (notifications === undefined) return undefined;
  const namespace = hashOf(backend.identity());
  return new ToldChanges(
    isOpenable(notifications)
      ? notifications.open({ namespace, log })
      : new GuardedNotifications(notifications, log),
  );
}

function isOnPostgres(
  store: Store,
): store is Store & { readonly connections: PostgresConnections } {
  return "connections" in store && store.connections !== undefined;
}

/** A schema may have any name; a channel may not. */
function channelOf(schema: string): string {
  return /^[a-z_][a-z0-9_]{0,40}$/.test(schema)
    ? `stent_hints_${schema}`
    : `stent_hints_of_${hashOf(schema)}`;
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, hashLength);
}

const hashLength = 20;
