import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { forgottenYields } from "./forgotten-yields.ts";

const root = join(import.meta.dirname, "../..");

test("every procedure of the store that is called is run", () => {
  const paths = readdirSync(join(root, "src/store"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => join("src/store", path));
  const sources = new Map(paths.map((path) => [path, readFileSync(join(root, path), "utf8")]));
  assert.ok(sources.has("src/store/batch.ts") && sources.has("src/store/verbs/ending.ts"));
  assert.deepEqual(forgottenYields(sources), []);
});

const other = `export function* other(): Procedure<void> {}`;
const batch = `export class Batch {
  *lane(): Procedure<number> {
    BODY
  }
  *#stored(): Procedure<number> {}
}`;

const forgotten: readonly (readonly [what: string, text: string])[] = [
  ["a function of the same file", `function* act() {}\nfunction* verb() { act(); }`],
  ["an imported function", `import { other } from "./other.ts";\nfunction* verb() { other(1); }`],
  [
    "one with another name",
    `import { other as another } from "./other.ts";\nfunction* verb() { return another(); }`,
  ],
  ["one behind yield alone", `function* act() {}\nfunction* verb() { yield act(); }`],
  ["one in an arrow function", `function* act() {}\nfunction* verb() { all.map(() => act()); }`],
  ["one of which the next is run", `function* act() {}\nfunction* verb() { act(yield* act()); }`],
  [
    "one that hands on what another gives",
    `function act(batch: Batch): Procedure<void> { return other(); }\nfunction* verb() { act(batch); }`,
  ],
  ["a method of the batch", `function* verb(batch) { const lane = batch.lane(of); }`],
  ["a question", `function* verb({ sql: { tasks } }) { return tasks.byKey.get({ key }); }`],
  ["a longer one", `function* verb(batch) { batch.sql.journal.endItem.run({ item }) > 0; }`],
  ["one of a statement by itself", `function* verb({ fence }) { fence.get({ key }); }`],
];

for (const [what, text] of forgotten) {
  test(`a forgotten yield* is found: ${what}`, () => {
    const found = forgottenYields(sourcesWith(text));
    assert.equal(found.length, 1, found.join("\n"));
    assert.match(found[0] ?? "", /^src\/store\/verbs\/one\.ts:[12]: /);
  });
}

test("a forgotten yield* is found: a method of one's own", () => {
  const sources = new Map([["src/store/batch.ts", batch.replace("BODY", "this.#stored();")]]);
  assert.deepEqual(forgottenYields(sources), ["src/store/batch.ts:3: this.#stored()"]);
});

test("what is run, or handed to who runs it, is not found", () => {
  const text = `import { other } from "./other.ts";
/** It calls other() and act(). */
function* act() {}
function handsOn(batch: Batch): Procedure<number[]> {
  return batch.each(items, function* () {});
}
function* verb(batch, plan) {
  yield* handsOn(batch);
  yield* other(1);
  const first = (yield* act())?.value;
  yield* batch.each(request.tasks, (task) => other(task));
  yield* batch.each(request.tasks, ({ id }, index) => other(id, index));
  plan.push(() => other(2));
  // act();
  runThrough(act());
  this.read(() => act());
  batch.sql.tasks.remove.do({ key });
  lanes.byKey.get(1);
  react();
  one.other();
  return yield* batch.sql.tasks.byKey.get({ key: yield* batch.lane(of) });
}`;
  assert.deepEqual(forgottenYields(sourcesWith(text)), []);
});

function sourcesWith(text: string): Map<string, string> {
  return new Map([
    ["src/store/batch.ts", batch.replace("BODY", "return 1;")],
    ["src/store/verbs/other.ts", other],
    ["src/store/verbs/one.ts", text],
  ]);
}
