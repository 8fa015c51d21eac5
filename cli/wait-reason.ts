import type { WaitReason } from "stentjs";
import { timeText } from "./time.ts";

/** Why something waits, in one line. */
export function reasonText({ kind, name, since, until, detail }: WaitReason): string {
  const end = until === undefined ? "" : `, until ${timeText(until)}`;
  const more = detail === undefined ? "" : `: ${detail}`;
  return `${kind === name ? kind : `${kind} ${name}`}, since ${timeText(since)}${end}${more}`;
}
