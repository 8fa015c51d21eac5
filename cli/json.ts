import { escapedJson } from "./printable.ts";

/** A value as JSON: what JSON has no word for is told in a readable way. */
export function toJson(value: unknown): string {
  return escapedJson(JSON.stringify(plain(value)) ?? "null");
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value;
  if (value instanceof URL) return value;
  if (value instanceof Error) return plainError(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (value instanceof Map) return [...value].map(plain);
  if (value instanceof Set) return [...value].map(plain);
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
}

function plainError(error: Error): object {
  const code = "code" in error ? { code: plain(error.code) } : {};
  const cause = error.cause === undefined ? {} : { cause: plain(error.cause) };
  return { name: error.name, message: error.message, ...code, ...cause };
}
