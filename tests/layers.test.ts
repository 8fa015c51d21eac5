import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { cycles, layerFaults, namelessFiles } from "./layers/faults.ts";
import { importsOf } from "./layers/imports.ts";

describe("the files of this package", () => {
  const files = filesUnder("src", "cli", "bench", "examples", "tests");

  test("were found", () => {
    assert.ok([...files.keys()].some((path) => path.startsWith("src/core/")));
  });

  test("import downhill only", () => {
    assert.deepEqual(layerFaults(files), []);
  });

  test("import each other in no ring, types included", () => {
    assert.deepEqual(cycles(files), []);
  });

  test("are named after what they hold", () => {
    assert.deepEqual(namelessFiles(files.keys()), []);
  });
});

describe("the table of layers", () => {
  const refused: Record<string, readonly [path: string, source: string]> = {
    "core importing a port": ["src/core/a.ts", `import { b } from "../store/b.ts";`],
    "core importing a type of a port": ["src/core/a.ts", `import type { B } from "../store/b.ts";`],
    "core naming a type in passing": ["src/core/a.ts", `let b: import("../store/b.ts").B;`],
    "core re-exporting": ["src/core/effects/a.ts", `export * from "../../worker/b.ts";`],
    "core importing Node": ["src/core/a.ts", `import { join } from "node:path";`],
    "core importing a package": ["src/core/a.ts", `import superjson from "superjson";`],
    "a port importing a port": ["src/notify/a.ts", `import "../store/b.ts";`],
    "runtime importing a port": ["src/runtime/a.ts", `import "../store/b.ts";`],
    "the client importing the worker": ["src/client/a.ts", `await import("../worker/b.ts");`],
    "the worker importing the client": ["src/worker/a.ts", `export { b } from "../client/b.ts";`],
    "the worker choosing a database": ["src/worker/a.ts", `import "../store/sqlite.ts";`],
    "the worker importing the facade": ["src/worker/a.ts", `import "../stent.ts";`],
    "the facade importing the door": ["src/stent.ts", `import "./index.ts";`],
    "source importing its own package": ["src/store/a.ts", `import { b } from "stentjs";`],
    "source importing what it computes": ["src/store/a.ts", "await import(`./${name}.ts`);"],
    "the interpreter's door opening more": [
      "src/interpreter.ts",
      `export { b } from "./store/b.ts";`,
    ],
    "the door holding code": ["src/index.ts", `export const b = 1;`],
    "the command line reaching inside": ["cli/a.ts", `import "../src/client/b.ts";`],
    "an example reaching inside": ["examples/a/main.ts", `import "../../src/store/b.ts";`],
    "a file in no layer": ["src/stray.ts", ""],
  };
  for (const [what, [path, source]] of Object.entries(refused)) {
    test(`refuses ${what}`, () => {
      assert.equal(layerFaults(new Map([[path, source]])).length, 1);
    });
  }

  const allowed: Record<string, readonly [path: string, source: string]> = {
    "core importing core": ["src/core/effects/a.ts", `import type { B } from "../b.ts";`],
    "the serializer importing superjson": ["src/core/serializer.ts", `import "superjson";`],
    "a port importing core": ["src/store/sqlite.ts", `import "../core/b.ts"; import "kysely";`],
    "the client importing the port": [
      "src/client/a.ts",
      `import type { B } from "../store/store.ts";`,
    ],
    "the facade choosing a database": ["src/stent.ts", `await import("./store/sqlite.ts");`],
    "the door re-exporting": [
      "src/index.ts",
      `/** The door. */\nexport type { B } from "./core/b.ts";\nexport { c, type D } from "./stent.ts";`,
    ],
    "the command line using the door": ["cli/a.ts", `import "stentjs"; import "./b.ts";`],
    "a benchmark reaching the store": ["bench/a.ts", `import "../src/store/sqlite.ts";`],
  };
  for (const [what, [path, source]] of Object.entries(allowed)) {
    test(`allows ${what}`, () => {
      assert.deepEqual(layerFaults(new Map([[path, source]])), []);
    });
  }

  test("shows a ring of type imports", () => {
    const ring = new Map([
      ["src/core/a.ts", `import type { B } from "./b.ts";`],
      ["src/core/b.ts", `export type { C } from "./c.ts";`],
      ["src/core/c.ts", `export type C = import("./a.ts").A;`],
    ]);
    assert.deepEqual(cycles(ring), [
      "src/core/a.ts → src/core/b.ts → src/core/c.ts → src/core/a.ts",
    ]);
  });

  test("shows names that name nothing", () => {
    const paths = ["src/core/utils.ts", "cli/helpers/a.ts", "src/types.ts", "src/core/type-tag.ts"];
    assert.deepEqual(namelessFiles(paths), paths.slice(0, 3));
  });
});

describe("reading imports", () => {
  test("does not take text for code", () => {
    const source = [
      "// import '1'",
      "/* import '2' */",
      `const a = 'import "3"' + "from '4'" + \`import "5" \${b("}")} from "6"\`;`,
      `const b = /import "7"/.test(c) ? d / 2 : Array.from("8");`,
      "const e = import.meta.url;",
    ].join("\n");
    assert.deepEqual(importsOf(source), []);
  });

  test("goes on after text, and within what a template computes", () => {
    const source =
      "const a = `'${await import('./b.ts')}'`;\nconst c = /[`'\"/]/;\nimport './d.ts';";
    assert.deepEqual(importsOf(source), [
      { specifier: "./b.ts", line: 1 },
      { specifier: "./d.ts", line: 3 },
    ]);
  });
});

function filesUnder(...folders: readonly string[]): Map<string, string> {
  const root = join(import.meta.dirname, "..");
  const paths = folders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
        .filter((path) => path.endsWith(".ts"))
        .map((path) => `${folder}/${path}`),
    )
    .toSorted();
  return new Map(paths.map((path) => [path, readFileSync(join(root, path), "utf8")]));
}
