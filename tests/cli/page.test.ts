import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { formattedPage } from "./formatted-page.ts";

test("docs/cli.md says what the commands say", async () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/cli.md"), "utf8");
  assert.equal(
    page,
    await formattedPage(),
    "write it anew: node --import tsx tests/cli/write-page.ts",
  );
});
