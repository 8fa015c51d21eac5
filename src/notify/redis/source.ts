import type { Cluster, Redis } from "ioredis";

/** A client of ioredis that connections are made like; it is never used itself. */
export type RedisSource = Redis | Cluster;

/** Which Redis, and where in it. */
export interface RedisTarget {
  /** For messages; no password in it. */
  readonly name: string;
  readonly channel: string;
  /** @throws DatabaseError DRIVER_MISSING */
  readonly source: () => Promise<RedisSource>;
}

/** True for a Redis or Cluster of ioredis, of any copy of it. */
export function isIoredis(value: unknown): value is RedisSource {
  return (
    typeof value === "object" &&
    value !== null &&
    "status" in value &&
    typeof value.status === "string" &&
    "duplicate" in value &&
    typeof value.duplicate === "function" &&
    "options" in value
  );
}

export function isCluster(source: RedisSource): source is Cluster {
  return source.isCluster;
}

/** What messages call it. */
export function nameOf(source: RedisSource): string {
  if (isCluster(source)) return "the Redis cluster";
  const { path, host, port, sentinels, name } = source.options;
  if (Array.isArray(sentinels)) return `Redis "${name}" behind Sentinel`;
  return `Redis at ${path ?? `${host}:${port}`}`;
}
