/**
 * New ids.
 *
 *   D1  Execution ids are UUIDs of version 7 (RFC 9562): they begin with the time, so that new rows land side by side in an index.
 *   D2  Ids of one process rise, as text too, whatever the clock does: within a millisecond by a counter, and a clock that is set back
 *       counts as standing still until it has caught up.
 *   D3  Ids of several processes differ by chance: 48 random bits each, and a counter that starts at random in every millisecond.
 */
import { randomBytes, randomUUID } from "node:crypto";

/** Where new ids come from. */
export interface IdSource {
  /** A UUIDv7, above all that this source gave before. */
  readonly newExecutionId: () => string;
  /** A UUIDv4. */
  readonly newUuid: () => string;
}

/** The milliseconds since 1970 and the chance that ids are made of. */
export interface IdIngredients {
  now(): number;
  /** So many random bytes as hexadecimal text. */
  randomHex(bytes: number): string;
}

// 12 bits beside the time and 14 beside the variant. It starts in the lower half: room for 33 million ids a millisecond.
const counterBits = 26;
const counterLimit = 2 ** counterBits;

// 4,096 bytes asked for at once cost a tenth of six bytes asked for each time.
const pooledBytes = 4_092;
const tailLength = 12;

/** Makes a source of its own: ids of two sources in one process need not rise. */
export function createIdSource(ingredients: IdIngredients): IdSource {
  let atMs = -1;
  let prefix = "";
  let counter = 0;
  let pool = "";
  let poolUsed = 0;

  return { newExecutionId, newUuid: randomUUID };

  function newExecutionId(): string {
    const now = ingredients.now();
    if (now > atMs) startMillisecond(Math.floor(now));
    else if (++counter === counterLimit) startMillisecond(atMs + 1); // ahead of the clock, as the RFC allows
    const high = (counter >>> 14).toString(16).padStart(3, "0");
    const low = (0x8000 | (counter & 0x3fff)).toString(16);
    return `${prefix}${high}-${low}-${nextRandom()}`;
  }

  function startMillisecond(ms: number): void {
    atMs = ms;
    const time = ms.toString(16).padStart(12, "0");
    prefix = `${time.slice(0, 8)}-${time.slice(8)}-7`;
    counter = Number.parseInt(nextRandom(), 16) % (counterLimit / 2);
  }

  function nextRandom(): string {
    if (poolUsed >= pool.length) {
      pool = ingredients.randomHex(pooledBytes);
      poolUsed = 0;
    }
    poolUsed += tailLength;
    return pool.slice(poolUsed - tailLength, poolUsed);
  }
}

/** The one state of this module, by D2: what this process has given out. */
const ofThisProcess = createIdSource({
  now: () => Date.now(),
  randomHex: (bytes) => randomBytes(bytes).toString("hex"),
});

/** A UUIDv7 for an execution, above all that this process has given out before. */
export function newExecutionId(): string {
  return ofThisProcess.newExecutionId();
}

/** A UUIDv4. */
export function newUuid(): string {
  return ofThisProcess.newUuid();
}
