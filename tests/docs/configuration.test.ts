import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { activity, map, redis, remote, signal, Stent, workflow } from "stentjs";
import { resolveDispatchOptions } from "../../src/core/dispatch-options.ts";
import { parseDuration } from "../../src/core/duration.ts";
import { FunctionRegistry } from "../../src/core/registry.ts";
import { checkRetry, resolveRetry } from "../../src/core/retry.ts";
import { resolveStentOptions } from "../../src/stent/options.ts";
import { postgresSettings } from "../../src/store/postgres/settings.ts";
import { resolveServeOptions } from "../../src/worker/serve-options.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/configuration.md"), "utf8");

describe("the page of the configuration", () => {
  for (const [heading, misspell] of Object.entries({
    Stent: (slip: object) => resolveStentOptions({ backend: "sqlite::memory:", ...slip }),
    "Stent.bootstrap": (slip: object) => Stent.bootstrap("sqlite::memory:", slip),
    postgres: (slip: object) => postgresSettings("postgresql://localhost/orders", slip),
    serve: (slip: object) => resolveServeOptions(slip),
    Activities: (slip: object) => activity("docs-slip", slip, async () => undefined),
    Workflows: (slip: object) =>
      workflow("docs-slip", slip, function* () {
        return undefined;
      }),
    "Retry policies": (slip: object) => checkRetry(slip, "retry"),
    remote: (slip: object) => remote("docs-slip", slip),
    dispatch: (slip: object) => resolveDispatchOptions(slip),
  })) {
    test(`has every option of ${heading}, and no other`, async () => {
      assert.deepEqual(
        tableUnder(heading)
          .map(({ option }) => option)
          .toSorted(),
        (await optionsOf(misspell)).toSorted(),
      );
    });
  }

  test("has every option of map and signal, and no other", async () => {
    const inEffects = tableUnder("Effects").map(({ option }) => option);
    const fn = activity("docs-effects", async (item: number) => item);
    const ofMap = await optionsOf((slip) => map(fn, [1], slip));
    const ofSignal = await optionsOf((slip) => signal("paid", slip));
    assert.deepEqual(inEffects.toSorted(), [...ofMap, ...ofSignal].toSorted());
  });

  test("has the channel of redis, by its default", () => {
    assert.deepEqual(
      tableUnder("redis").map(({ option }) => option),
      ["channel"],
    );
    assert.doesNotThrow(() => redis("redis://localhost", { channel: "stent" }));
  });

  test("has the defaults of serve", () => {
    const decided = resolveServeOptions();
    assert.ok(Object.keys(defaultsIn("serve")).length > 9);
    assert.deepEqual(defaultsOf("serve", decided), defaultsIn("serve"));
    assert.equal(decided.heartbeatIntervalMs, decided.leaseDurationMs / 3);
  });

  test("has the defaults of Stent", () => {
    const { polling, migrate, dev } = resolveStentOptions({
      backend: "sqlite::memory:",
      registry: new FunctionRegistry(),
    });
    const told = defaultsIn("Stent");
    assert.equal(told["pollMinInterval"], polling.minMs);
    assert.equal(told["pollMaxInterval"], polling.maxMs);
    assert.equal(told["pollBackoffFactor"], polling.factor);
    assert.deepEqual({ migrate, dev }, { migrate: true, dev: false });
  });

  test("has the defaults of retry policies and of postgres", () => {
    assert.deepEqual(
      defaultsOf("Retry policies", resolveRetry(undefined, 3)),
      defaultsIn("Retry policies"),
    );
    assert.deepEqual(
      defaultsOf("postgres", postgresSettings("postgresql://localhost/orders")),
      defaultsIn("postgres"),
    );
  });
});

interface Row {
  readonly option: string;
  readonly fallback: string;
}

/** The rows of the tables under a heading whose first column is the option. */
function tableUnder(heading: string): Row[] {
  const section = page.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  return [...section.matchAll(/^\| `(\w+)` +\|[^|]*\|([^|]*)\|/gm)].map(
    ([, option = "", fallback = ""]) => ({ option, fallback: fallback.trim() }),
  );
}

/** Defaults that are a code by themselves, numbers or durations, as numbers. */
function defaultsIn(heading: string): Record<string, number> {
  return Object.fromEntries(
    tableUnder(heading).flatMap(({ option, fallback }) => {
      const [, code] = /^`([\d.]+(?:ms|[smhdw])?)`$/.exec(fallback) ?? [];
      if (code === undefined) return [];
      return [[option, /[a-z]$/.test(code) ? parseDuration(code) : Number(code)]];
    }),
  );
}

/** The same options as the code decides them; durations are called so-and-so-Ms there. */
function defaultsOf(heading: string, decided: object): Record<string, unknown> {
  const values = new Map<string, unknown>(Object.entries(decided));
  return Object.fromEntries(
    Object.keys(defaultsIn(heading)).map((option) => [
      option,
      values.get(option) ?? values.get(`${option}Ms`),
    ]),
  );
}

/** What the message for a misspelt option names. */
async function optionsOf(misspell: (slip: object) => unknown): Promise<string[]> {
  try {
    await misspell({ misspelt: 1 });
  } catch (error) {
    const [, names] = /; it takes (.+)$/.exec(error instanceof Error ? error.message : "") ?? [];
    if (names !== undefined) return names.split(", ");
    throw error;
  }
  throw new Error("a misspelt option was taken");
}
