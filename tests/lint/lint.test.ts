import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { rules } from "../../src/lint.ts";
import { effectFunctions } from "../../src/lint/workflow-code.ts";

const root = join(import.meta.dirname, "../..");

describe("the lint rules, in oxlint", () => {
  const place = mkdtempSync(join(tmpdir(), "stent-lint-"));
  before(() => {
    // A name that the formatter and the linter of this project pass over.
    for (const name of ["wrong", "right"])
      copyFileSync(join(import.meta.dirname, `fixtures/${name}.ts.txt`), join(place, `${name}.ts`));
    writeFileSync(
      join(place, ".oxlintrc.json"),
      JSON.stringify({
        jsPlugins: [join(root, "src/lint.ts")],
        plugins: [],
        categories: { correctness: "off" },
        rules: Object.fromEntries(Object.keys(rules).map((name) => [`stent/${name}`, "error"])),
      }),
    );
  });
  after(() => rmSync(place, { recursive: true }));

  test("find what a workflow may not do, each in its line, and nothing else", () => {
    const wanted = linesOf(join(place, "wrong.ts")).flatMap((line, index) => {
      const [, rule] = / \/\/ (no-nondeterminism|no-promise|yield-star)$/.exec(line) ?? [];
      return rule === undefined ? [] : [`wrong.ts:${index + 1} stent(${rule})`];
    });
    assert.ok(wanted.length > 20);
    assert.deepEqual(findings("wrong.ts", "right.ts"), wanted);
  });

  test("put the star where it is missing", () => {
    const path = join(place, "wrong.ts");
    const bare = linesOf(path).findIndex((line) => line.includes("yield call("));
    oxlint("--fix", "wrong.ts");
    assert.match(linesOf(path)[bare] ?? "", /const hold = yield\* call\(reserve, sku\);/);
  });

  function findings(...files: readonly string[]): string[] {
    const { diagnostics } = JSON.parse(oxlint("-f", "json", ...files)) as {
      diagnostics: { filename: string; code: string; labels: { span: { line: number } }[] }[];
    };
    return diagnostics
      .map(({ filename, code, labels }) => ({ filename, code, line: labels[0]?.span.line ?? 0 }))
      .toSorted((a, b) => a.line - b.line)
      .map(({ filename, code, line }) => `${filename}:${line} ${code}`);
  }

  function oxlint(...args: readonly string[]): string {
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      [
        "--import",
        import.meta.resolve("tsx"),
        join(root, "node_modules/oxlint/bin/oxlint"),
        ...args,
      ],
      { cwd: place, encoding: "utf8" },
    );
    assert.ok(status === 0 || status === 1, stdout + stderr);
    return stdout;
  }
});

test("the lint rules know every effect that the door gives", () => {
  const door = readFileSync(join(root, "src/index.ts"), "utf8");
  const given = [...door.matchAll(/^export \{([^}]*)\} from "\.\/core\/effects\/[\w-]+\.ts";/gm)]
    .flatMap(([, names = ""]) => names.split(",").map((name) => name.trim()))
    .filter((name) => /^[a-z]\w*$/.test(name) && name !== "defineSignal");
  assert.deepEqual(given.toSorted(), [...effectFunctions].toSorted());
});

function linesOf(path: string): string[] {
  return readFileSync(path, "utf8").split("\n");
}
