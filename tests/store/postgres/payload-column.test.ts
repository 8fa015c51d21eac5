import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  fromColumn,
  fromText,
  toColumn,
  toText,
} from "../../../src/store/postgres/payload-column.ts";
import { postgresClient } from "./open.ts";

/** Any UTF-16, with those units often that mean something here. */
const anyText = fc
  .array(
    fc.oneof(
      fc.constantFrom("\0", "\u001A", "=", "0", "b", "\uD83D", "\uDE00", "😀", "\\", "é"),
      fc.string({ unit: "binary" }),
      fc.integer({ min: 0, max: 0xff_ff }).map((unit) => String.fromCharCode(unit)),
    ),
  )
  .map((parts) => parts.join(""));
const anyBytes = fc.uint8Array({ maxLength: 300 });

describe("a text in a column", () => {
  test("comes back as it was, through a server", async (t) => {
    const client = await postgresClient(t);
    await client.query('create temporary table kept (text text collate "C")');
    await fc.assert(
      fc.asyncProperty(fc.array(anyText, { maxLength: 50 }), async (texts) => {
        await client.query("truncate kept");
        const { rows } = await client.query<{ text: string }>(
          `with added as (insert into kept select * from unnest($1::text[]) returning text)
           select added.text from added`,
          [texts.map(toText)],
        );
        assert.deepEqual(
          rows.map((row) => fromText(row.text)),
          texts,
        );
      }),
    );
  });

  test("stands as another text than every other one", () => {
    fc.assert(
      fc.property(anyText, anyText, (a, b) => assert.equal(a === b, toText(a) === toText(b))),
    );
  });

  test("stands as it is where PostgreSQL takes it", () => {
    const plain = `{"name":"Größe 😀","path":"C:\\\\temp","control":"\\u0000"}\n\t\u007F\uFFFF`;
    assert.equal(toText(plain), plain);
  });

  test("that is JSON stands as it is", () => {
    fc.assert(
      fc.property(fc.json({ stringUnit: "binary" }), (json) => assert.equal(toText(json), json)),
    );
  });
});

describe("a payload in a column", () => {
  test("of text or bytes comes back as it was, through a server", async (t) => {
    const client = await postgresClient(t);
    await fc.assert(
      fc.asyncProperty(fc.oneof(anyText, anyBytes), async (payload) => {
        const { rows } = await client.query<{ column: string }>("select $1::text as column", [
          toColumn(payload),
        ]);
        assert.deepEqual(asPlain(fromColumn(rows[0]?.column ?? "")), asPlain(payload));
      }),
    );
  });

  test("of bytes is told from a text that looks like it", () => {
    fc.assert(
      fc.property(anyText, anyBytes, (text, bytes) =>
        assert.notEqual(toColumn(text), toColumn(bytes)),
      ),
    );
    assert.equal(fromColumn(toColumn("\u001A=AAAA")), "\u001A=AAAA");
  });
});

function asPlain(payload: string | Uint8Array): string | number[] {
  return typeof payload === "string" ? payload : [...payload];
}
