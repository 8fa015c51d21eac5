import assert from "node:assert/strict";
import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { testStent } from "stentjs/testing";
import { databaseFile } from "../support/serving.ts";
import { parent } from "./replayed-workflows.ts";

test("stent replay takes directories of exports, with children and whatever their arguments hold", async (t) => {
  const directory = dirname(databaseFile(t));
  const stent = await testStent(t);
  await (await stent.dispatch(parent, [new Date(5)], { id: "order" })).result();
  const lines: string[] = [];
  for await (const line of stent.admin.export("order", { children: true })) lines.push(line);
  const file = join(directory, "order.ndjson");
  await writeFile(file, lines.join("\n"));

  const same = replay(directory);
  assert.equal(same.stderr, "");
  assert.equal(same.stdout, "order: the same\norder/1/1: the same\n");
  assert.equal(same.status, 0);

  await writeFile(file, lines.join("\n").replace('"name":"command keep"', '"name":"other"'));
  const other = replay(directory, "-o", "json");
  assert.equal(other.status, 1);
  assert.deepEqual(
    other.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line))
      .map(({ id, ok, path }) => [id, ok, path]),
    [
      ["order", true, undefined],
      ["order/1/1", false, "1"],
    ],
  );
});

function replay(...parameters: string[]): SpawnSyncReturns<string> {
  const command = ["--import", "tsx", "cli/main.ts", "replay", ...parameters];
  const today = join(import.meta.dirname, "replayed-workflows.ts");
  return spawnSync(process.execPath, [...command, "--import", today], {
    cwd: join(import.meta.dirname, "../.."),
    encoding: "utf8",
  });
}
