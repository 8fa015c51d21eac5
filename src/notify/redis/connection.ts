import type { Cluster, Redis, RedisOptions } from "ioredis";
import { isCluster, type RedisSource } from "./source.ts";

/** How long a connection may take until it is ready. */
export const openLimitMs = 5_000;

/** One connection that does nothing by itself: whoever made it decides when to try again, and what is sent once more. */
const oneShot = {
  lazyConnect: true,
  connectTimeout: openLimitMs,
  retryStrategy: () => null,
  sentinelRetryStrategy: () => null,
  reconnectOnError: null,
  enableOfflineQueue: false,
  enableReadyCheck: false, // it asks INFO, which not every user may
  maxRetriesPerRequest: 0,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  enableAutoPipelining: false,
  failoverDetector: false,
  disconnectTimeout: 50, // its timer keeps the process alive
  monitor: false,
  keyPrefix: "",
} as const satisfies RedisOptions;

/** Connects like `source`; in a cluster to any node, since each passes on what is published to all. Disconnects when `signal` fires. */
export async function connectLike(source: RedisSource, signal: AbortSignal): Promise<Redis> {
  const model = isCluster(source) ? await anyNode(source) : source;
  const connectionName = model.options.connectionName ?? "stent";
  const connection = model.duplicate({ ...oneShot, connectionName });
  let failure: Error | undefined;
  connection.on("error", (error: Error) => (failure ??= error));
  signal.addEventListener("abort", () => disconnect(connection), { once: true });
  try {
    signal.throwIfAborted();
    await connection.connect();
  } catch (error) {
    throw failure ?? error; // "Connection is closed" says less than what closed it
  }
  if (failure !== undefined) {
    disconnect(connection);
    throw failure; // the number of the database, say
  }
  connection.stream.unref(); // hints alone keep no process alive
  return connection;
}

/** Ends it at once. An ended one is left alone: its disconnect() would start a timer that nothing stops. */
export function disconnect(connection: Redis): void {
  if (connection.status === "end") return;
  connection.disconnect();
  streamOf(connection)?.destroy(); // rather than wait for the other end
}

/** There is none until it begins to connect, whatever the types say. */
function streamOf({ stream }: { readonly stream?: Redis["stream"] }): Redis["stream"] | undefined {
  return stream;
}

/** Resolves with the reason when the connection has ended. */
export function endOf(connection: Redis): Promise<unknown> {
  return new Promise((resolve) => {
    connection.once("error", resolve);
    connection.once("close", () => resolve(new Error("the connection was closed")));
  });
}

async function anyNode(cluster: Cluster): Promise<Redis> {
  if (cluster.status === "wait") await cluster.connect();
  const masters = cluster.nodes("master");
  const node = masters[Math.floor(Math.random() * masters.length)];
  if (node === undefined) throw new Error(`the cluster knows no node (${cluster.status})`);
  return node;
}
