import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { postgres } from "../../../src/store/postgres.ts";
import { postgresSettings } from "../../../src/store/postgres/settings.ts";

const at = "postgresql://ada:secret@db.example:6543/orders";

describe("the name of a PostgreSQL database", () => {
  for (const [url, name] of [
    [at, "postgresql://db.example:6543/orders"],
    ["postgres://db.example/orders", "postgresql://db.example:5432/orders"],
    [`${at}?sslmode=disable&application_name=x`, "postgresql://db.example:6543/orders"],
    ["postgresql://ada:s%40cret%2F@h/o", "postgresql://h:5432/o"],
    ["postgresql://ada:s@cret@h/o", "postgresql://h:5432/o"],
    ["postgresql://h/o?user=ada&password=secret", "postgresql://h:5432/o"],
    ["postgresql://ada:secret@[::1]:6543/o", "postgresql://[::1]:6543/o"],
    [
      "postgresql://ada:secret@/o?host=/var/run/postgresql",
      "postgresql://%2Fvar%2Frun%2Fpostgresql:5432/o",
    ],
    ["postgresql://ada:secret@%2Ftmp/o", "postgresql://%2Ftmp:5432/o"],
    ["postgresql:///o?host=/tmp&port=6543", "postgresql://%2Ftmp:6543/o"],
  ] as const) {
    test(`${url} is ${name}`, () => {
      assert.equal(postgres(url).name, name);
    });
  }

  test("has the schema where it is not the usual one", () => {
    assert.equal(postgres(at, { schema: "stent" }).name, "postgresql://db.example:6543/orders");
    assert.equal(
      postgres(at, { schema: "two words" }).name,
      "postgresql://db.example:6543/orders?schema=two%20words",
    );
  });
});

describe("a URL that cannot be read", () => {
  for (const url of [
    "",
    "orders",
    "mysql://ada:secret@h/o",
    "postgresql:orders",
    "postgresql://ada:sec/ret@h/o",
    "postgresql://ada:1/secret@h/o",
    "postgresql://ada:1?secret@h/o",
    "postgresql://ada:1#secret@h/o",
    "postgresql://ada:secret@h:port/o",
    "postgresql://ada:secret@a:1,b:2/o",
    " postgresql://ada:secret@h/o",
    "postgresql://ada:secret@h/o\n",
    "postgresql://ada:sec\0ret@h/o",
    undefined,
    7,
  ]) {
    test(`is refused, and nothing of it is shown: ${JSON.stringify(url)}`, () => {
      assert.throws(
        () => postgres(url as string),
        (error: Error) =>
          error instanceof TypeError &&
          !/sec|ret/.test(inspect(error).split("\n    at")[0] ?? "") &&
          error.cause === undefined,
      );
    });
  }

  test("that names several hosts is told so", () => {
    assert.throws(() => postgres("postgresql://ada:secret@a,b/o"), /several hosts/);
  });
});

describe("options", () => {
  test("have defaults", () => {
    const { schema, poolSize } = postgresSettings(at);
    assert.deepEqual({ schema, poolSize }, { schema: "stent", poolSize: 10 });
  });

  test("the schema may stand in the URL, which the driver is not given; an option goes before it", () => {
    const { schema, url, name } = postgresSettings(`${at}?schema=two%20words&sslmode=disable`);
    assert.equal(schema, "two words");
    assert.equal(url, `${at}?sslmode=disable`);
    assert.equal(postgres(name).name, name);
    assert.equal(postgresSettings(`${at}?schema=a`, { schema: "b" }).schema, "b");
    assert.throws(() => postgresSettings(`${at}?schema=pg_mine`), /^TypeError: schema /);
  });

  for (const schema of [
    "",
    7,
    "a\0b",
    "\uD83D",
    "x".repeat(64),
    "é".repeat(32),
    "pg_mine",
    "information_schema",
  ]) {
    test(`schema ${JSON.stringify(schema)} is refused`, () => {
      assert.throws(
        () => postgresSettings(at, { schema: schema as string }),
        /^TypeError: schema /,
      );
    });
  }

  for (const poolSize of [0, -1, 1.5, Number.NaN, "10"]) {
    test(`poolSize ${String(poolSize)} is refused`, () => {
      assert.throws(
        () => postgresSettings(at, { poolSize: poolSize as number }),
        /^RangeError: poolSize must be a whole number from 1/,
      );
    });
  }

  test("that are not there are refused", () => {
    assert.throws(() => postgresSettings(at, { pool: 3 } as object), /has no option "pool"/);
  });
});
