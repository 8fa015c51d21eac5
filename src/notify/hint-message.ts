/** Hints as they travel between processes: `{"from":"<sender>","topics":["queue"]}`. */
import { everything } from "./notifier.ts";

/** The longest text that is read: more than any sender of ours writes. */
const maxLength = 65_536;

/** `from` names the sender, who is not told of its own hints. */
export function encodeHints(from: string, topics: readonly string[]): string {
  return JSON.stringify({ from, topics });
}

/** Bytes of a message beside its topics as a TopicBatch counts them. */
export function envelopeBytes(from: string): number {
  return Buffer.byteLength(encodeHints(from, []));
}

/** @returns undefined for what this sender has sent itself. What cannot be read still says that something has changed. */
export function decodeHints(text: string, self: string): readonly string[] | undefined {
  const message = text.length > maxLength ? undefined : parsed(text);
  if (typeof message !== "object" || message === null) return [everything];
  if ("from" in message && message.from === self) return undefined;
  if (!("topics" in message) || !Array.isArray(message.topics)) return [everything];
  const topics: unknown[] = message.topics;
  return topics.every((topic) => typeof topic === "string") ? topics : [everything];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
