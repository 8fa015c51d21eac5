import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { snippetsOf, type Snippet } from "./snippets.ts";

const root = join(import.meta.dirname, "../..");
const snippets = snippetsOf(root);
const runnable = snippets.filter(({ runs }) => runs !== undefined);

describe("the TypeScript in the documents", () => {
  const place = mkdtempSync(join(tmpdir(), "stent-docs-"));
  before(() => writeProject(place));
  after(() => rmSync(place, { recursive: true }));

  test("was found", () => {
    assert.ok(snippets.some(({ document }) => document === "README.md"));
    assert.ok(snippets.length > 20);
    assert.ok(runnable.length > 4);
  });

  test("compiles", () => {
    const compiler = join(root, "node_modules/typescript/bin/tsc");
    const { stdout } = spawnSync(process.execPath, [compiler, "--pretty", "false"], {
      cwd: place,
      encoding: "utf8",
    });
    assert.equal(stdout, "");
  });

  for (const snippet of runnable) {
    test(`${snippet.document}:${snippet.line} runs and prints what it says`, () => {
      const folder = join(place, folderOf(snippet));
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [
          ...(snippet.runs === "test" ? ["--test"] : []),
          "--import",
          import.meta.resolve("tsx"),
          snippet.fileName,
        ],
        {
          cwd: folder,
          encoding: "utf8",
          // A runner that is started by another would tell that one, and nobody else.
          env: {
            ...process.env,
            NODE_TEST_CONTEXT: undefined,
            TSX_TSCONFIG_PATH: join(place, "tsconfig.json"),
          },
        },
      );
      assert.equal(status, 0, stderr + stdout);
      // What a test runner prints is not the page's.
      if (snippet.runs === "test") assert.match(stdout, /pass [1-9]/);
      else assert.equal(stdout, printedBy(snippet));
    });
  }
});

/** A folder for each page, a file for each block. */
function writeProject(place: string): void {
  const configuration = {
    extends: join(root, "tsconfig.json"),
    compilerOptions: {
      noUnusedLocals: false,
      paths: {
        stentjs: [join(root, "src/index.ts")],
        "stentjs/testing": [join(root, "src/testing/index.ts")],
        "stentjs/*": [join(root, "src/*.ts")],
      },
      typeRoots: [join(root, "node_modules/@types")],
    },
    include: ["./**/*.ts"],
  };
  writeFileSync(join(place, "tsconfig.json"), JSON.stringify(configuration));
  writeFileSync(join(place, "package.json"), JSON.stringify({ type: "module" }));
  symlinkSync(join(root, "node_modules"), join(place, "node_modules"));
  copyFileSync(join(import.meta.dirname, "prelude.ts"), join(place, "prelude.ts"));
  for (const snippet of snippets) {
    const folder = join(place, folderOf(snippet));
    mkdirSync(folder, { recursive: true });
    // Without an import or export it would be a script, whose names are everybody's.
    writeFileSync(join(folder, snippet.fileName), `${snippet.code}\nexport {};\n`);
  }
}

function folderOf({ document }: Snippet): string {
  return document.replace(/^docs\//, "").replace(/\.md$/, "");
}

/** What stands behind each `console.log(…); //`. */
function printedBy({ code }: Snippet): string {
  return [...code.matchAll(/^console\.log\(.*\); \/\/ (.*)$/gm)]
    .map(([, comment = ""]) => `${comment}\n`)
    .join("");
}
