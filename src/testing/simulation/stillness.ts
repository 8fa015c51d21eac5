import { setImmediate as turn, setTimeout as pause } from "node:timers/promises";

/** How often it is looked whether the rest of the process has come to a standstill, in milliseconds. */
const lookEveryMs = 1;

/**
 * Whether anything real is still going on that an activity may wait for: a timer, a file, a socket. If not, an activity that has not ended
 * waits for nothing that will come by itself, and virtual time may pass over it.
 */
export class Stillness {
  /** What keeps the process alive anyhow: pipes of a test runner, a server. The least that was seen of each kind. */
  readonly #usual = count(process.getActiveResourcesInfo());

  /** Lets what can happen at once happen, and a little real time pass. @returns true if nothing is left to wait for. */
  async look(): Promise<boolean> {
    await turn();
    await turn();
    const active = count(process.getActiveResourcesInfo());
    for (const [kind, usual] of this.#usual)
      this.#usual.set(kind, Math.min(usual, active.get(kind) ?? 0));
    for (const [kind, number] of active) {
      if (number <= (this.#usual.get(kind) ?? 0)) continue;
      await pause(lookEveryMs);
      return false;
    }
    return true;
  }
}

function count(kinds: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}
