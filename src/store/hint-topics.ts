/**
 * Hints as topics for other processes: "ready", "woken:<key of an execution>", "ended:<id of an execution>", "stopped:<key of a task>".
 * "ended:*" is any of its kind, "*" anything. Keys and ids, never payloads.
 */
import { anything, type ForeignHints, type Some } from "./foreign-changes.ts";
import type { Hints } from "./store.ts";

/** @returns none where a commit concerns nobody else. */
export function topicsOf({ ready, woken, ended, stopped }: Hints): string[] {
  const topics: string[] = ready ? ["ready"] : [];
  for (const key of woken) topics.push(`woken:${key}`);
  for (const { id } of ended) topics.push(`ended:${id}`);
  for (const key of stopped) topics.push(`stopped:${key}`);
  return topics;
}

/** What topics say. They come from outside: what is unknown here may be of a later version, and says nothing. */
export function hintsOf(topics: readonly string[]): ForeignHints {
  if (topics.includes("*")) return anything;
  return {
    ready: topics.includes("ready"),
    woken: keys(named(topics, "woken:")),
    ended: named(topics, "ended:"),
    stopped: keys(named(topics, "stopped:")),
  };
}

function named(topics: readonly string[], kind: string): Some<string> {
  const names = topics
    .filter((topic) => topic.startsWith(kind))
    .map((topic) => topic.slice(kind.length));
  return names.includes("*") ? "any" : names;
}

function keys(names: Some<string>): Some<number> {
  if (names === "any") return names;
  return names.map(Number).filter((key) => Number.isSafeInteger(key));
}
