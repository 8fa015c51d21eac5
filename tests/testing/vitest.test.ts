import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { startVitest } from "vitest/node";

const root = join(import.meta.dirname, "../..");

test("the kit works under Vitest, in the tests of kit.vitest.ts", async () => {
  // The package as it stands in the source: no build is needed.
  const alias = [
    { find: "stentjs/testing", replacement: join(root, "src/testing/index.ts") },
    { find: "stentjs", replacement: join(root, "src/index.ts") },
  ];
  const vitest = await startVitest(
    "test",
    [],
    {
      root: import.meta.dirname,
      include: ["*.vitest.ts"],
      config: false,
      cache: false,
      watch: false,
      testTimeout: 60_000,
      reporters: [{}],
    },
    { resolve: { alias } },
  );
  try {
    const modules = vitest.state.getTestModules();
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    assert.deepEqual(
      tests.flatMap((one) => one.result().errors?.map(({ message }) => message) ?? []),
      [],
    );
    assert.deepEqual(
      tests.map((one) => one.result().state),
      tests.map(() => "passed"),
    );
    assert.equal(tests.length, 6);
    assert.deepEqual(vitest.state.getUnhandledErrors(), []);
  } finally {
    await vitest.close();
  }
});
