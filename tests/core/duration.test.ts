import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { maxDurationMs, parseDuration, type Duration } from "../../src/core/duration.ts";
import { InvalidDurationError } from "../../src/core/errors.ts";

test("durations mean so many milliseconds", () => {
  const cases: readonly [Duration, number][] = [
    ["250ms", 250],
    ["30s", 30_000],
    ["1h30m", 5_400_000],
    ["2d8h", 201_600_000],
    ["1w", 604_800_000],
    ["1.5s", 1_500],
    ["0.5d", 43_200_000],
    ["0s", 0],
    ["1m1m", 120_000],
    ["1ms1m", 60_001],
    [0, 0],
    [1_500, 1_500],
    [{ hours: 1, minutes: 30 }, 5_400_000],
    [{ weeks: 1, days: 1, hours: 1, minutes: 1, seconds: 1, milliseconds: 1 }, 694_861_001],
    [{ seconds: 0.5 }, 500],
    ["36525d", maxDurationMs],
  ];
  for (const [duration, ms] of cases)
    assert.equal(parseDuration(duration), ms, JSON.stringify(duration));
});

test("fractions of a millisecond are rounded up, but not those that only floating point makes", () => {
  assert.equal(parseDuration(0.1), 1);
  assert.equal(parseDuration("1.5ms"), 2);
  assert.equal(parseDuration("1.1s"), 1_100);
  assert.equal(parseDuration("0.07s"), 70);
  assert.equal(parseDuration({ days: 1.1 }), 95_040_000);
});

test("what is no duration is refused with its text", () => {
  const cases: readonly unknown[] = [
    "",
    " ",
    "1",
    "s",
    "1 s",
    " 1s",
    "1s ",
    "1s 2m",
    "-1s",
    "+1s",
    "1S",
    "1y",
    "1M",
    "1e3s",
    ".5s",
    "5.s",
    "1..5s",
    "1,5s",
    "NaNs",
    "1s\n",
    "١s",
    Number.NaN,
    -1,
    -0.1,
    Number.POSITIVE_INFINITY,
    maxDurationMs + 1,
    "36526d",
    "9".repeat(60) + "w",
    {},
    { hour: 1 },
    { hours: -1 },
    { hours: Number.NaN },
    { hours: "1" },
    { hours: null },
    { weeks: 1e9 },
    null,
    undefined,
    true,
    [],
    [1],
    () => 1,
    1n,
    Symbol("1s"),
  ];
  for (const duration of cases) {
    assert.throws(
      () => parseDuration(duration as Duration),
      InvalidDurationError,
      String(duration),
    );
  }
  assert.throws(() => parseDuration("5 minutes"), /"5 minutes"/);
  assert.throws(() => parseDuration({ hour: 1 } as Duration), /"hour" is none of/);
});

test("a text of more than 64 characters is refused before it is read", () => {
  assert.equal(parseDuration("1s".repeat(32)), 32_000);
  assert.throws(() => parseDuration("1s".repeat(33)), /longer than 64/);
  assert.throws(
    () => parseDuration("1".repeat(1_000_000)),
    (error: Error) => error.message.length < 300,
  );
});

test("any text is a duration or refused, never anything else", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9.smhdw ]{0,70}$/)), (text) => {
      try {
        const ms = parseDuration(text);
        return Number.isSafeInteger(ms) && ms >= 0 && ms <= maxDurationMs;
      } catch (error) {
        return error instanceof InvalidDurationError;
      }
    }),
  );
});
