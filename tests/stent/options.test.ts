import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { InvalidDurationError, Stent } from "stentjs";
import { resolveStentOptions } from "../../src/stent/options.ts";
import { rejection } from "../support/serving.ts";

const backend = "sqlite::memory:";

test("what is left out is decided", () => {
  const { polling, migrate } = resolveStentOptions({ backend });
  assert.deepEqual(polling, { minMs: 100, maxMs: 5_000, factor: 2 });
  assert.equal(migrate, true);
});

test("a longer shortest interval takes the longest with it", () => {
  const { polling } = resolveStentOptions({ backend, pollMinInterval: "10s" });
  assert.deepEqual(polling, { minMs: 10_000, maxMs: 10_000, factor: 2 });
});

for (const [what, options, error] of [
  ["an unknown name", { backnd: "x" }, TypeError],
  ["a serializer that is none", { serializer: "pickle" }, TypeError],
  ["a serializer without loads", { serializer: { name: "x", dumps: () => "" } }, TypeError],
  ["an interval that is none", { pollMinInterval: "soon" }, InvalidDurationError],
  ["an interval of nothing", { pollMinInterval: 0 }, RangeError],
  [
    "a longest interval below the shortest",
    { pollMinInterval: "2s", pollMaxInterval: "1s" },
    RangeError,
  ],
  ["a backoff that shrinks", { pollBackoffFactor: 0.5 }, RangeError],
  ["a backoff that is no number", { pollBackoffFactor: "2" }, RangeError],
  ["a registry that is none", { registry: {} }, TypeError],
  ["a logger without its methods", { logger: { info: () => undefined } }, TypeError],
  ["metrics that are no object", { metrics: "x" }, TypeError],
  ["a clock without schedule", { clock: { now: () => 0 } }, TypeError],
  ["a payload limit of nothing", { maxPayloadBytes: 0 }, RangeError],
  ["notifications that are no URL of Redis", { notifications: "amqp://u:secret@h" }, TypeError],
  ["notifications that are no URL", { notifications: "redis://u:secret@h:x" }, TypeError],
  ["notifications without subscribe", { notifications: { publish() {}, close() {} } }, TypeError],
  ["dev that is neither true nor false", { dev: "yes" }, TypeError],
  ["middleware", { middleware: [function* () {}] }, TypeError],
] as const) {
  test(`${what} is refused where the client is made`, async () => {
    assert.throws(
      () => new Stent({ backend, ...options } as never),
      (thrown) => thrown instanceof error && !/secret/.test(inspect(thrown)),
    );
    assert.ok((await rejection(Stent.open({ backend, ...options } as never))) instanceof error);
  });
}

test("what is switched off may be said", () => {
  resolveStentOptions({ backend, dev: false, middleware: [], migrate: true });
});
