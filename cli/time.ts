import type { GlobalArguments } from "./global-arguments.ts";

/** Tells a time. */
export type TimeText = (time: Date | undefined) => string;

/** How times are told here. */
export function timeTextOf({ time }: Pick<GlobalArguments, "time">, now = Date.now()): TimeText {
  const how = time ?? (process.stdout.isTTY ? "relative" : "utc");
  const tell = { utc: utcText, local: localText, relative: relativeTo(now) }[how];
  return (at) => (at === undefined ? "-" : tell(at));
}

/** UTC, to the second. */
export function utcText(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace("T", " ")}Z`;
}

function localText(time: Date): string {
  const local = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19).replace("T", " ");
}

function relativeTo(now: number): (time: Date) => string {
  return (time) => {
    const ms = now - time.getTime();
    return ms >= 0 ? `${durationText(ms)} ago` : `in ${durationText(-ms)}`;
  };
}

/** How long it was between two times. */
export function spanText(from: Date | undefined, to: Date | undefined): string {
  if (from === undefined || to === undefined) return "-";
  return durationText(to.getTime() - from.getTime());
}

const units = [
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
] as const;

/** A length of time, in its two largest units. */
export function durationText(ms: number): string {
  const seconds = ms / 1_000;
  if (seconds < 120) return `${seconds.toFixed(seconds < 10 ? 2 : 0)}s`;
  let left = Math.round(seconds);
  const parts: string[] = [];
  for (const [unit, length] of units) {
    if (left >= length) parts.push(`${Math.floor(left / length)}${unit}`);
    left %= length;
  }
  if (left > 0) parts.push(`${left}s`);
  return parts.slice(0, 2).join("");
}
