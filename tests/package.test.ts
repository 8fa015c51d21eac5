import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";

const root = join(import.meta.dirname, "..");
const manifest = readJson("package.json") as Manifest;
const doors = Object.entries(manifest.exports).flatMap(([door, target]) =>
  typeof target === "string" ? [] : [{ name: join(manifest.name, door), file: target.default }],
);
/** What a door needs that is for those alone who come by it. */
const peersOfDoors = ["@opentelemetry/api", "prom-client"];
const drivers = ["better-sqlite3", "pg", "ioredis", "redis"];

describe("the package as users get it", () => {
  const place = mkdtempSync(join(tmpdir(), "stent-package-"));
  before(() => buildInto(place));
  after(() => rmSync(place, { recursive: true, force: true }));

  for (const { name } of doors) {
    test(`${name} loads no database driver`, () => {
      assert.equal(evaluate(`await import("${name}"); console.log("loaded")`, place), "loaded\n");
    });
  }

  for (const driver of drivers) {
    test(`${driver} would be noticed if it were loaded`, () => {
      const required = `import { createRequire } from "node:module";
        createRequire(import.meta.url)("${driver}")`;
      assert.equal(evaluate(`await import("${driver}")`, place), `${driver}\n`);
      assert.equal(evaluate(required, place), `${driver}\n`);
    });
  }

  test("holds what was built, the documents and the licence, and nothing else", () => {
    const paths = packedPaths(place);
    for (const { file } of doors) assert.ok(paths.includes(join(file)), `${file} is missing`);
    for (const path of ["README.md", "LICENSE", "package.json", manifest.bin.stent]) {
      assert.ok(paths.includes(path), `${path} is missing`);
    }
    assert.ok(paths.some((path) => path.startsWith("docs/")));
    const allowed = /^(?:dist\/(?:src|cli)\/|docs\/|README\.md$|LICENSE$|package\.json$)/;
    assert.deepEqual(
      paths.filter((path) => !allowed.test(path)),
      [],
    );
  });
});

test("each door resolves to its source while developing", () => {
  const { compilerOptions } = readJson("tsconfig.json") as CompilerConfiguration;
  const expected = doors.map(({ name, file }) => [
    name,
    [file.replace("./dist/", "./").replace(/\.js$/, ".ts")],
  ]);
  assert.deepEqual(compilerOptions.paths, Object.fromEntries(expected));
});

interface Manifest {
  readonly name: string;
  readonly bin: { readonly stent: string };
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

interface CompilerConfiguration {
  readonly compilerOptions: { readonly paths: Readonly<Record<string, readonly string[]>> };
}

/** A copy of the package, built, whose drivers are stand-ins that tell when they are loaded. */
function buildInto(place: string): void {
  const leftOut = new Set(["node_modules", "dist", "coverage", ".git"]);
  cpSync(root, place, { recursive: true, filter: (path) => !leftOut.has(basename(path)) });
  // Built from here, where the types of the drivers are; the shared dist/ is left alone.
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const project = join(root, "src/tsconfig.build.json");
  const options = ["--project", project, "--outDir", join(place, "dist")];
  run(process.execPath, [compiler, ...options], root);

  for (const name of [...Object.keys(manifest.dependencies), ...peersOfDoors]) {
    const link = join(place, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(root, "node_modules", name), link);
  }
  for (const driver of drivers) {
    const folder = join(place, "node_modules", driver);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "index.js"), `console.log("${driver}");`);
  }
}

function evaluate(code: string, place: string): string {
  return run(process.execPath, ["--input-type=module", "--eval", code], place);
}

function packedPaths(place: string): string[] {
  const output = run("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], place);
  const [packed] = JSON.parse(output) as [{ readonly files: readonly { readonly path: string }[] }];
  return packed.files.map(({ path }) => path);
}

function run(command: string, parameters: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, parameters, { cwd, encoding: "utf8" });
  assert.equal(status, 0, `${command} ${parameters.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(join(root, path), "utf8"));
}
