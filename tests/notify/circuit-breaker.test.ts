import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CircuitBreaker } from "../../src/notify/circuit-breaker.ts";

const policy = { failures: 3, retryMs: 100, open: { firstMs: 1_000, maxMs: 30_000 } };

describe("a circuit breaker", () => {
  test("opens after so many failures in a row, and waits twice as long after each attempt up to a limit", () => {
    const breaker = new CircuitBreaker(policy, () => 1);
    const pauses = Array.from({ length: 10 }, () => breaker.failed());
    assert.deepEqual(
      pauses,
      [100, 100, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000],
    );
    assert.equal(breaker.isOpen, true);
  });

  test("spreads its pauses by chance, down to a half", () => {
    const breaker = new CircuitBreaker(policy, () => 0);
    const pauses = Array.from({ length: 4 }, () => breaker.failed());
    assert.deepEqual(pauses, [100, 100, 500, 1_000]);
  });

  test("closes at one success, and counts from none", () => {
    const breaker = new CircuitBreaker(policy, () => 1);
    for (let count = 0; count < 5; count += 1) breaker.failed();
    breaker.succeeded();
    assert.equal(breaker.isOpen, false);
    assert.deepEqual([breaker.failed(), breaker.failed(), breaker.failed()], [100, 100, 1_000]);
  });

  test("never waits for ever", () => {
    const breaker = new CircuitBreaker(policy, () => 1);
    for (let count = 0; count < 2_000; count += 1) breaker.failed();
    assert.equal(breaker.failed(), 30_000);
  });
});
