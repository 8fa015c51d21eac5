/**
 * Compresses what another serializer writes.
 *
 * What is short, or would not get shorter, is stored as it was given. Compressed values are bytes that begin with "STC1" and a byte that
 * says whether text or bytes were compressed; everything else is handed on as it is. So it reads what was stored before it was put to use.
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { SerializationError } from "../errors.ts";
import { knownOptions, show, wholeNumberOption } from "../option.ts";
import { describePlace, resolveSerializer, type Place, type Serializer } from "../serializer.ts";
import { readSealedHead } from "./sealed.ts";
import { WrappedSerializer, type Encoded } from "./wrapped.ts";

/** How `compressed` works. */
export interface CompressionOptions {
  /** What is shorter is left as it is. Default 1024. */
  minBytes?: number;
  /** From 1, fast, to 9, small. Default 6. */
  level?: number;
  /** Longest value before it is compressed: what is longer is neither written nor read. Default 64 MiB (67,108,864). */
  maxBytes?: number;
}

const known = ["minBytes", "level", "maxBytes"];
const defaults = { minBytes: 1_024, level: 6, maxBytes: 67_108_864 } as const;
const mark = Buffer.from("STC1");
const headLength = mark.length + 1;
/** PostgreSQL keeps bytes as base64, which is by a third longer. */
const growthOfBytes = 4 / 3;

/**
 * A serializer that compresses what another one writes; default: the one that Stent uses by default.
 * @throws TypeError, RangeError naming the option
 */
export function compressed(
  serializer?: "superjson" | "json" | Serializer,
  options: CompressionOptions = {},
): Serializer {
  knownOptions("compressed", options, known);
  const level = wholeNumberOption("level", 1, options.level) ?? defaults.level;
  if (level > 9)
    throw new RangeError(`level must be a whole number from 1 to 9, got ${show(level)}`);
  return new Compressed(resolveSerializer(serializer), {
    minBytes: wholeNumberOption("minBytes", 0, options.minBytes) ?? defaults.minBytes,
    level,
    maxBytes: wholeNumberOption("maxBytes", 1, options.maxBytes) ?? defaults.maxBytes,
  });
}

class Compressed extends WrappedSerializer {
  readonly #options: Required<CompressionOptions>;

  constructor(inner: Serializer, options: Required<CompressionOptions>) {
    super("compressed", inner);
    this.#options = options;
  }

  wrap(encoded: Encoded, place: Place): Encoded {
    const { minBytes, maxBytes, level } = this.#options;
    // What is encrypted does not get shorter.
    if (readSealedHead(encoded) !== undefined) return encoded;
    const plain = bytesOf(encoded);
    const ambiguous = isMarked(encoded);
    if (plain.length < minBytes && !ambiguous) return encoded;
    if (plain.length > maxBytes) {
      throw new SerializationError(
        `the ${describePlace(place)} is ${plain.length} bytes before it is compressed, but maxBytes of compressed() allows ${maxBytes}`,
      );
    }
    const kind = Buffer.from([typeof encoded === "string" ? 1 : 0]);
    const shorter = Buffer.concat([mark, kind, deflateRawSync(plain, { level })]);
    return ambiguous || shorter.length * growthOfBytes < plain.length ? shorter : encoded;
  }

  unwrap(stored: Encoded, place: Place): Encoded {
    if (!isMarked(stored)) return stored;
    const bytes = bytesOf(stored);
    try {
      const plain = inflateRawSync(bytes.subarray(headLength), {
        maxOutputLength: this.#options.maxBytes,
      });
      return bytes[mark.length] === 1 ? plain.toString("utf8") : plain;
    } catch (error) {
      const why =
        (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE"
          ? `it is longer than maxBytes of compressed() allows, which is ${this.#options.maxBytes}`
          : "what was compressed is damaged";
      throw new SerializationError(`the stored ${describePlace(place)} cannot be read: ${why}`, {
        cause: error,
      });
    }
  }
}

function isMarked(data: Encoded): boolean {
  return typeof data !== "string" && bytesOf(data).subarray(0, mark.length).equals(mark);
}

function bytesOf(data: Encoded): Buffer {
  return typeof data === "string"
    ? Buffer.from(data)
    : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
