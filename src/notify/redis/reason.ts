import { isCluster, type RedisSource } from "./source.ts";

/** What went wrong, as a text without a password: errors of ioredis carry the commands that failed, AUTH included. */
export function reasonOf(error: unknown, source: RedisSource | undefined): string {
  // Servers repeat what they do not understand, HELLO and AUTH among it.
  return secretsOf(source).reduce(
    (shown, secret) => shown.replaceAll(secret, "***"),
    textOf(error),
  );
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.message !== "") return error.message;
  return "code" in error ? String(error.code) : error.name; // a name with several addresses gives no message
}

function secretsOf(source: RedisSource | undefined): string[] {
  if (source === undefined) return [];
  const options = isCluster(source) ? source.options.redisOptions : source.options;
  return [options?.password, options?.sentinelPassword].filter(
    (secret): secret is string => typeof secret === "string" && secret !== "",
  );
}
