import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { maxDurationMs, parseDuration } from "../../src/core/duration.ts";
import { InvalidDurationError } from "../../src/core/errors.ts";

const seed = 20_251;

const units = { ms: 1n, s: 1_000n, m: 60_000n, h: 3_600_000n, d: 86_400_000n, w: 604_800_000n };
const digits = 6;

const part = fc.record({
  whole: fc.integer({ min: 0, max: 99_999 }),
  fraction: fc.option(fc.stringMatching(new RegExp(`^[0-9]{1,${digits}}$`)), { nil: undefined }),
  unit: fc.constantFrom(...(Object.keys(units) as (keyof typeof units)[])),
});

const scale = 10n ** BigInt(digits);
/** Of a duration, what binary floating point may be off by: no more than that is a fraction. */
const billionth = 1_000_000_000n;

interface Part {
  readonly whole: number;
  readonly fraction?: string | undefined;
  readonly unit: keyof typeof units;
}

/** What it may come to, in whole numbers: rounded up, or left as it is where what is beyond is too little to tell. */
function exact(parts: readonly Part[]): readonly bigint[] {
  const sum = parts.reduce(
    (ms, { whole, fraction = "", unit }) =>
      ms + BigInt(`${whole}${fraction.padEnd(digits, "0")}`) * units[unit],
    0n,
  );
  const up = (sum + scale - 1n) / scale;
  return (sum % scale) * billionth <= sum ? [up, sum / scale] : [up];
}

test("a duration is the sum of its parts, to the millisecond, and what is more than a billionth of it beyond is rounded up", () => {
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
      const text = parts
        .map(
          ({ whole, fraction, unit }) =>
            `${whole}${fraction === undefined ? "" : `.${fraction}`}${unit}`,
        )
        .join("");
      const [up = 0n, ...others] = exact(parts);
      if (up > BigInt(maxDurationMs))
        assert.throws(() => parseDuration(text), InvalidDurationError);
      else assert.ok([up, ...others].includes(BigInt(parseDuration(text))), `${text} is ${up} ms`);
    }),
    { seed, numRuns: 2_000 },
  );
});
