import type { CustomTypesConfig } from "pg";

type Parser = (text: string) => unknown;

/** PostgreSQL's numbers of its types. */
const oid = {
  bool: 16,
  bytea: 17,
  int8: 20,
  int2: 21,
  int4: 23,
  float4: 700,
  float8: 701,
  numeric: 1700,
} as const;

/** Keys and times are 8-byte integers, and sums of them are numeric: all are numbers here, exact up to 2^53. */
const parsers: ReadonlyMap<number, Parser> = new Map<number, Parser>([
  [oid.bool, (text) => text === "t"],
  [oid.bytea, bytes],
  [oid.int8, wholeNumber],
  [oid.int2, Number],
  [oid.int4, Number],
  [oid.float4, Number],
  [oid.float8, Number],
  [oid.numeric, Number],
]);

/** The parsers of Stent's own connections; every other type stays text. The driver's global ones are the application's. */
export const typeParsers: CustomTypesConfig = {
  getTypeParser: (type: number, format?: string) => {
    if (format === "binary") throw new Error("Stent reads text results only");
    return parsers.get(type) ?? asItIs;
  },
};

function asItIs(text: string): string {
  return text;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new RangeError(`the database holds ${text} where a number below 2^53 was expected`);
}

/** "\x" and hexadecimal digits, as the session's bytea_output has it. */
function bytes(text: string): Uint8Array {
  return Buffer.from(text.slice(2), "hex");
}
