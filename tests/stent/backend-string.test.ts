import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { sqlite, Stent } from "stentjs";
import { backendOf } from "../../src/stent/backend-string.ts";
import { rejection } from "../support/serving.ts";

for (const [text, name] of [
  ["orders.db", "sqlite:orders.db"],
  ["./orders.db", "sqlite:./orders.db"],
  ["/var/orders.db", "sqlite:/var/orders.db"],
  [":memory:", "sqlite::memory:"],
  ["sqlite::memory:", "sqlite::memory:"],
  ["sqlite:orders.db", "sqlite:orders.db"],
  ["SQLite:orders.db", "sqlite:orders.db"],
  ["sqlite:/var/orders.db", "sqlite:/var/orders.db"],
  ["sqlite:///orders.db", "sqlite:orders.db"],
  ["sqlite:////var/orders.db", "sqlite:/var/orders.db"],
  ["sqlite:a b%20c?x=1#y.db", "sqlite:a b%20c?x=1#y.db"],
  ["sqlite:file:x.db", "sqlite:file:x.db"],
  ["./a:b.db", "sqlite:./a:b.db"],
  ["C:\\data\\orders.db", "sqlite:C:\\data\\orders.db"],
  ["bestellungen-größe-日本.db", "sqlite:bestellungen-größe-日本.db"],
] as const) {
  test(`${JSON.stringify(text)} names ${name}`, () => {
    assert.equal(backendOf(text).name, name);
  });
}

for (const [text, message] of [
  ["", /no path/],
  ["sqlite:", /no path/],
  ["sqlite:///", /no path/],
  ["sqlite://orders.db", /two slashes/],
  ["sqlite: orders.db", /white space/],
  ["orders.db\n", /white space/],
  ["sqlite:a\0b", /NUL/],
  ["mysql://ada:secret@host/db", /"mysql:" is no backend of Stent; use "sqlite:orders.db"/],
  ["http://host", /"http:" is no backend/],
  ["orders:2024.db", /"orders:" is no backend.*"\.\/orders:…"/],
] as const) {
  test(`${JSON.stringify(text)} is refused`, () => {
    assert.throws(() => backendOf(text), TypeError);
    assert.throws(() => backendOf(text), message);
  });
}

for (const [text, name] of [
  ["postgres://ada:secret@host/orders", "postgresql://host:5432/orders"],
  ["postgresql://ada:secret@host:6543/orders?sslmode=disable", "postgresql://host:6543/orders"],
  ["PostgreSQL://host/orders", "postgresql://host:5432/orders"],
] as const) {
  test(`${JSON.stringify(text)} names ${name}, and its password is shown to nobody`, () => {
    assert.equal(backendOf(text).name, name);
  });
}

test("another scheme's password is shown to nobody", () => {
  assert.throws(
    () => backendOf("mysql://ada:secret@host/db"),
    (error: Error) => !error.message.includes("secret"),
  );
});

test("a file is opened under its very name, odd characters and all", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "stent-backend-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of [
    "a b.db",
    "a%20b.db",
    "a?mode=memory.db",
    "a#b.db",
    "größe.db",
    "'a\"b.db",
    ".db",
    "a:b",
  ]) {
    const path = join(folder, name);
    for (const backend of [path, `sqlite:${path}`, `sqlite:///${path}`, sqlite(path)]) {
      const stent = await Stent.open({ backend });
      await stent.close();
      assert.ok(existsSync(path), name);
    }
  }
});

test("sqlite needs a path", () => {
  for (const path of ["", undefined, 7]) assert.throws(() => sqlite(path as never), TypeError);
});

test("what is no backend is refused", async () => {
  for (const backend of [undefined, null, 7, {}, { name: "x" }]) {
    assert.match(
      String(await rejection(Stent.open({ backend } as never))),
      /TypeError: backend must be/,
    );
  }
});
