/**
 * Values beyond JSON: Date, Map, Set, bigint, URL, undefined, NaN, RegExp, bytes, errors, Results.
 *
 * superjson does the encoding. Alone it loses or breaks some of them (a Buffer, an error's class, invalid dates, shared values in a Set,
 * keys such as "constructor"), so it is given a tree of what it gives back exactly: see storable-tree.ts. When decoding, nothing is
 * written to a prototype.
 */
import { SuperJSON } from "superjson";
import { Result } from "../result.ts";
import { Tagged, toLenientTree, toTree, type ErrorToData, type Trail } from "./storable-tree.ts";
import { fromTypedBytes } from "./typed-bytes.ts";

/** A value as JSON, with what JSON cannot say beside it. */
export interface RichData {
  readonly json: unknown;
  readonly meta?: unknown;
}

/** How errors inside of values become JSON and errors again. */
export interface ErrorCodec {
  readonly toData: ErrorToData;
  readonly fromData: (data: unknown) => Error;
}

/** Encodes and decodes values beyond JSON. */
export interface RichValues {
  /** @throws Refusal naming the part that cannot be stored. */
  encode(value: unknown): RichData;
  /** Puts a readable text in place of each part that cannot be stored, and of what is too deep or too much. Never throws. */
  encodeLeniently(value: unknown, trail: Trail): RichData;
  /** Leaves `data` as it is. Throws on corrupt data. */
  decode(data: RichData): unknown;
  /** As `decode`, and may take parts of `data` into the value. */
  decodeInPlace(data: RichData): unknown;
}

/** A codec whose errors go through `errors`. */
export function richValues(errors: ErrorCodec): RichValues {
  const superjson = new SuperJSON();
  superjson.registerCustom<Tagged, never>(
    {
      isApplicable: (value: unknown): value is Tagged => value instanceof Tagged,
      serialize: (tagged) => tagged as never,
      deserialize: (tagged) => untag(tagged, errors) as never,
    },
    "stent",
  );
  const serialize = (tree: unknown): RichData => {
    const { json, meta } = superjson.serialize(tree);
    // The tree shares nothing; what superjson takes for shared are equal bigints and NaNs, and putting those back would break Maps.
    return meta?.values === undefined
      ? { json }
      : { json, meta: { values: meta.values, v: meta.v } };
  };
  return {
    encode: (value) => serialize(toTree(value, errors.toData)),
    encodeLeniently: (value, trail) => serialize(toLenientTree(value, errors.toData, trail)),
    decode: (data) => superjson.deserialize(data as never),
    decodeInPlace: (data) => superjson.deserialize(data as never, { inPlace: true }),
  };
}

function untag(tagged: readonly unknown[], errors: ErrorCodec): unknown {
  const [kind, first, second, third] = tagged;
  switch (kind) {
    case "error":
      return errors.fromData(JSON.parse(String(first)));
    case "result":
      return first === true ? Result.Ok(second) : Result.Error(second);
    case "object":
      return fromEntries({}, first);
    case "bare":
      return fromEntries(Object.create(null) as object, first);
    case "invalid-date":
      return new Date(Number.NaN);
    case "regexp":
      return Object.assign(new RegExp(String(first), String(second)), { lastIndex: Number(third) });
    case "bytes":
      return fromTypedBytes({ name: String(first), base64: String(second) });
    default:
      throw new Error(`unknown tag ${JSON.stringify(kind)}: it was written by a newer version`);
  }
}

function fromEntries(target: object, entries: unknown): object {
  if (!Array.isArray(entries)) throw new Error("a tagged object holds no entries");
  for (const [key, value] of entries as readonly [string, unknown][]) {
    Object.defineProperty(target, key, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  return target;
}
