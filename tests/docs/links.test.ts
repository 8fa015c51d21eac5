import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, test } from "node:test";

const root = join(import.meta.dirname, "../..");
const pages = [
  "README.md",
  "examples/README.md",
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    // What typedoc writes is nobody's page.
    .filter((name) => name.endsWith(".md") && !name.startsWith("api"))
    .map((name) => `docs/${name}`),
];

/** Made by a command, and not committed. */
const made = new Set(["docs/api", "bench/.compiled"]);

describe("the documents", () => {
  test("were found", () => {
    assert.ok(pages.length > 25);
  });

  test("lead to files and headings that are there", () => {
    const broken = pages.flatMap((page) => linksOf(page).filter((link) => !leads(page, link)));
    assert.deepEqual(broken, []);
  });

  test("are each reached from the README", () => {
    const reached = new Set(["README.md"]);
    for (const page of reached) {
      for (const link of linksOf(page)) {
        const [file = ""] = link.split(" → ").at(-1)?.split("#") ?? [];
        const target = relative(root, join(root, dirname(page), file));
        if (pages.includes(target)) reached.add(target);
      }
    }
    assert.deepEqual(
      pages.filter((page) => !reached.has(page)),
      [],
    );
  });

  test("name files and folders that are there", () => {
    const missing = pages.flatMap((page) =>
      [...textOf(page).matchAll(/`((?:src|cli|tests|bench|examples|docs)\/[\w/.-]*)`/g)]
        .map(([, path = ""]) => path)
        .filter((path) => !made.has(path) && !existsSync(join(root, path)))
        .map((path) => `${page} → ${path}`),
    );
    assert.deepEqual(missing, []);
  });

  test("name tests that are there, by their titles", () => {
    const missing = pages.flatMap((page) =>
      namedTests(textOf(page)).filter(({ file, titles }) => !holds(file, titles)),
    );
    assert.deepEqual(missing, []);
  });
});

/** Relative links, as "page → target". */
function linksOf(page: string): string[] {
  return [...withoutCode(textOf(page)).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => `${page} → ${target}`);
}

function leads(page: string, link: string): boolean {
  const [file = "", heading] = link.slice(`${page} → `.length).split("#");
  const path = file === "" ? join(root, page) : join(root, dirname(page), file);
  if (!existsSync(path)) return false;
  return heading === undefined || anchorsOf(readFileSync(path, "utf8")).includes(heading);
}

/** As GitHub makes them: lower case, spaces as dashes, without other punctuation. */
function anchorsOf(text: string): string[] {
  return [...withoutCode(text).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{Letter}\p{Number}\- ]/gu, "")
      .replaceAll(" ", "-"),
  );
}

/** Paths in `tests/`, each with the titles in quotes that follow it. */
function namedTests(text: string): { file: string; titles: string[] }[] {
  const named = /`(tests\/[\w/.-]+)`(:\s+"[^"]+"(?:,\s+"[^"]+")*)?/g;
  return [...text.matchAll(named)].map(([, file = "", quoted = ""]) => ({
    file,
    titles: [...quoted.matchAll(/"([^"]+)"/g)].map(([, title = ""]) =>
      title.replaceAll(/\s+/g, " "),
    ),
  }));
}

function holds(file: string, titles: readonly string[]): boolean {
  const path = join(root, file);
  if (!existsSync(path)) return false;
  if (titles.length === 0) return true;
  const source = readFileSync(path, "utf8");
  return titles.every((title) => source.includes(`"${title}"`));
}

function textOf(page: string): string {
  return readFileSync(join(root, page), "utf8");
}

function withoutCode(text: string): string {
  return text.replaceAll(/^```.*?^```$/gms, "").replaceAll(/`[^`\n]*`/g, "");
}
