import { registry as defaultRegistry } from "../core/registry.ts";
import { Stent } from "../stent.ts";
import type { StentOptions } from "../stent/options.ts";
import type { ServeOptions } from "../worker/serve-options.ts";
import { freshDatabase } from "./fresh-database.ts";
import { Mocks, type Mock } from "./mock.ts";
import { MockedRegistry } from "./mocked-registry.ts";

/** What of a test's context is needed: node:test has the one, Vitest the other. */
export type TestContext =
  { after(fn: () => unknown): void } | { onTestFinished(fn: () => unknown): void };

/** How a Stent for a test works: as any other, but for the database, stand-ins, `dev`, which is true, and a worker, which there is. */
export type TestStentOptions = Partial<StentOptions> & {
  /** Default true. */
  serve?: boolean | ServeOptions;
  /** Stand-ins by reference. They run as what they stand in for: with its options, in its queue. */
  mocks?: readonly Mock[];
};

/**
 * A Stent on a fresh SQLite file, or with TEST_DATABASE_URL in a fresh schema of that PostgreSQL database; serving, in development mode;
 * closed and removed when the test ends. A `backend` of your own is yours to remove. @throws as `Stent.bootstrap`
 */
export async function testStent(
  t: TestContext,
  { serve = true, mocks = [], ...options }: TestStentOptions = {},
): Promise<Stent> {
  const standIns = new Mocks(mocks);
  if (mocks.some(({ closure }) => closure === true))
    throw new TypeError(
      "closures run for real in a Stent: mockClosure is for simulate and explore",
    );
  const registry = options.registry ?? defaultRegistry;
  const database = options.backend === undefined ? await freshDatabase() : undefined;
  const end: { stent?: Stent } = {};
  atEnd(t, async () => {
    await end.stent?.close();
    await database?.remove();
  });
  end.stent = await Stent.bootstrap(
    {
      dev: true,
      ...options,
      backend: options.backend ?? database?.backend ?? "",
      registry: mocks.length === 0 ? registry : new MockedRegistry(registry, standIns),
    },
    { serve },
  );
  return end.stent;
}

function atEnd(t: TestContext, fn: () => unknown): void {
  // Vitest's is a function.
  const isContext = (typeof t === "object" || typeof t === "function") && t !== null;
  if (isContext && "after" in t && typeof t.after === "function") t.after(fn);
  else if (isContext && "onTestFinished" in t && typeof t.onTestFinished === "function")
    t.onTestFinished(fn);
  else
    throw new TypeError(
      "testStent takes the context of a test first: test(name, async (t) => { const stent = await testStent(t); … })",
    );
}
