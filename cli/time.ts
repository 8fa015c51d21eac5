/** A time for a reader: UTC, to the second. */
export function timeText(time: Date | undefined): string {
  return time === undefined ? "-" : `${time.toISOString().slice(0, 19).replace("T", " ")}Z`;
}

/** How long it was between two times. */
export function spanText(from: Date | undefined, to: Date | undefined): string {
  if (from === undefined || to === undefined) return "-";
  const seconds = (to.getTime() - from.getTime()) / 1_000;
  return seconds < 120
    ? `${seconds.toFixed(seconds < 10 ? 2 : 0)}s`
    : `${Math.round(seconds / 60)}m`;
}
