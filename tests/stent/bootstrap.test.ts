import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { Stent } from "stentjs";
import { databaseFile, rejection } from "../support/serving.ts";

for (const [what, bootstrap, message] of [
  ["a misspelt option", { sevre: true }, /^bootstrap has no option "sevre"; it takes serve$/],
  ["a misspelt option left undefined", { sevre: undefined }, /^bootstrap has no option "sevre"/],
  ["what is no object", true, /^the options of bootstrap must be an object, got true$/],
  ["nothing at all", null, /^the options of bootstrap must be an object, got null$/],
  ["a serve that is none", { serve: "yes" }, /^the options of serve must be an object, got "yes"$/],
  ["a misspelt option of serve", { serve: { queue: "q" } }, /^serve has no option "queue"/],
] as const) {
  test(`${what} is refused before a database is made`, async (t) => {
    const path = databaseFile(t);
    const error = await rejection(Stent.bootstrap(`sqlite:${path}`, bootstrap as never));
    assert.ok(error instanceof TypeError);
    assert.match(error.message, message);
    assert.ok(!existsSync(path));
  });
}

test("without serve, or with one that is false or undefined, there is no worker", async (t) => {
  for (const bootstrap of [undefined, {}, { serve: false }, { serve: undefined }] as const) {
    const stent = await Stent.bootstrap("sqlite::memory:", bootstrap as never);
    t.after(() => stent.close());
    assert.deepEqual(stent.workerStatusOverview().workers, []);
  }
});
