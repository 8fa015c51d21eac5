import type { WaitReason } from "stentjs";
import type { TimeText } from "./time.ts";

/** Why something waits, in one line. */
export function reasonText(
  { kind, name, since, until, detail }: WaitReason,
  time: TimeText,
): string {
  const end = until === undefined ? "" : `, until ${time(until)}`;
  const more = detail === undefined ? "" : `: ${detail}`;
  return `${kind === name ? kind : `${kind} ${name}`}, since ${time(since)}${end}${more}`;
}
