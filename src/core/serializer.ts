/**
 * How values become text or bytes, and values again.
 *
 * What the built-in serializers write: JSON text where JSON gives the value back exactly; the word "undefined" for nothing; and, only by
 * the default one, "superjson:" followed by superjson's JSON for everything else. No JSON text begins with either of the two letters, so
 * the default reads whatever "json" has written.
 */
import { SerializationError } from "./errors.ts";
import { fromFailure, parseFailure, toFailure } from "./failure.ts";
import { isJsonValue } from "./serializer/json-values.ts";
import { isStackOverflow } from "./serializer/object-kind.ts";
import { richValues } from "./serializer/rich-values.ts";
import { readSealedHead } from "./serializer/sealed.ts";
import { findNonJson, Refusal } from "./serializer/storable-tree.ts";

/** Where a value is kept: the same for `dumps` and `loads`, for encryption to bind to. */
export interface Place {
  readonly kind: "input" | "entry" | "signal" | "state" | "result" | "stored-result";
  /** Id of the execution, or the key of a stored result. */
  readonly owner: string;
  readonly path?: string;
}

/** Turns values into text or bytes and back, synchronously; `place` is where the value is kept. */
export interface Serializer {
  readonly name: string;
  dumps(value: unknown, place: Place): string | Uint8Array;
  loads(data: string | Uint8Array, place: Place): unknown;
}

/** A serializer of Stent's own, which can be told what to call the value in messages. */
export interface BuiltInSerializer extends Serializer {
  /** @throws SerializationError naming the part that cannot be stored, its path beginning with `root`; default: the word for the place. */
  dumps(value: unknown, place: Place, root?: string): string;
}

/** The default: JSON, plus Date, Map, Set, bigint, URL, undefined, NaN, ±Infinity, -0, RegExp, Error, Result, typed arrays and ArrayBuffer. */
export const superjsonSerializer: BuiltInSerializer = {
  name: "superjson",
  dumps: (value, place, root) =>
    encode(value, place, root, (rest) => richTag + JSON.stringify(rich.encode(rest))),
  loads(data, place) {
    const text = toText(data, place);
    return parse(place, () =>
      text.startsWith(richTag)
        ? rich.decodeInPlace(JSON.parse(text.slice(richTag.length)) as never)
        : parseJson(text),
    );
  },
};

/** Strict JSON, and undefined as absence at the top; everything that JSON would not give back exactly is refused. */
export const jsonSerializer: BuiltInSerializer = {
  name: "json",
  dumps: (value, place, root) =>
    encode(value, place, root, (rest) => {
      const refusal = findNonJson(rest);
      if (refusal !== undefined) throw refusal;
      return JSON.stringify(rest);
    }),
  loads(data, place) {
    const text = toText(data, place);
    return parse(place, () => parseJson(text));
  },
};

/** The serializer that an option names, or the given one, checked. @throws TypeError */
export function resolveSerializer(
  serializer: "superjson" | "json" | Serializer | undefined,
): Serializer {
  if (serializer === undefined || serializer === "superjson") return superjsonSerializer;
  if (serializer === "json") return jsonSerializer;
  if (
    typeof serializer !== "object" ||
    serializer === null ||
    typeof serializer.dumps !== "function" ||
    typeof serializer.loads !== "function" ||
    typeof serializer.name !== "string"
  ) {
    throw new TypeError(
      'serializer must be "superjson", "json", or an object with name, dumps and loads',
    );
  }
  return serializer;
}

/** The place in words: "input of execution 0197…". */
export function describePlace({ kind, owner, path }: Place): string {
  const at = path === undefined ? "" : ` ${path}`;
  switch (kind) {
    case "input":
      return `input of execution ${owner}`;
    case "result":
      return `result of execution ${owner}`;
    case "entry":
      return `step${at} of execution ${owner}`;
    case "signal":
      return `signal${at} to execution ${owner}`;
    case "state":
      return `state${at} of execution ${owner}`;
    case "stored-result":
      return `stored result of key ${owner}`;
    default:
      return kind satisfies never;
  }
}

/** What a value at this place is called in a path: "args", "result", "payload" or "value". */
export function rootOf({ kind }: Place): string {
  switch (kind) {
    case "input":
      return "args";
    case "result":
    case "stored-result":
      return "result";
    case "signal":
      return "payload";
    case "state":
    case "entry":
      return "value";
    default:
      return kind satisfies never;
  }
}

const nothing = "undefined";
const richTag = "superjson:";

const rich = richValues({
  toData: (error) => toFailure(error),
  fromData(data) {
    const failure = parseFailure(data);
    if (failure === undefined) throw new Error("a tagged error holds no failure");
    return fromFailure(failure);
  },
});

function encode(
  value: unknown,
  place: Place,
  root: string | undefined,
  encodeRest: (value: unknown) => string,
): string {
  if (value === undefined) return nothing;
  try {
    return isJsonValue(value) ? JSON.stringify(value) : encodeRest(value);
  } catch (error) {
    throw refused(error, place, root ?? rootOf(place));
  }
}

function refused(error: unknown, place: Place, root: string): SerializationError {
  const where = describePlace(place);
  if (error instanceof Refusal) {
    const path = root + error.path;
    return new SerializationError(`${path} ${error.why} (${where})`, { path });
  }
  const why = isStackOverflow(error)
    ? "is nested too deeply to be stored here; flatten it"
    : "cannot be stored: reading it failed";
  return new SerializationError(`${root} ${why} (${where})`, { path: root, cause: error });
}

function parse(place: Place, decode: () => unknown): unknown {
  try {
    return decode();
  } catch (error) {
    throw new SerializationError(
      `the stored ${describePlace(place)} cannot be read: ${error instanceof Error ? error.message : "it is corrupt"}. ` +
        `Check that this process uses the serializer, and at least the version of Stent, that wrote it.`,
      { cause: error },
    );
  }
}

function parseJson(text: string): unknown {
  return text === nothing ? undefined : (JSON.parse(text) as unknown);
}

/** @throws SerializationError naming the key of what is encrypted */
function toText(data: string | Uint8Array, place: Place): string {
  if (typeof data === "string") return data;
  const sealed = readSealedHead(data);
  if (sealed !== undefined) {
    throw new SerializationError(
      `the stored ${describePlace(place)} cannot be read: it is encrypted with key "${sealed.keyId}", and this process has no keys. ` +
        `Set the option serializer to encrypted({ keys }).`,
    );
  }
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("utf8");
}
