/**
 * What the engine stores of values and errors: the serializer's answer, checked and bounded.
 *
 *   P1  What `encode` accepts is at most `maxPayloadBytes` long; what it refuses, and what `decode` cannot read, is a SerializationError.
 *   P2  `encodeFailure` never throws: an error that is too long is shortened, one that the serializer refuses is replaced.
 *   P3  Errors go through the same serializer as values, so one that encrypts covers them. Nothing of a refused error is stored unencrypted.
 */
import { SerializationError } from "./errors.ts";
import { fromFailure, parseFailure, toFailure, type Failure } from "./failure.ts";
import {
  describePlace,
  jsonSerializer,
  rootOf,
  superjsonSerializer,
  type Place,
  type Serializer,
} from "./serializer.ts";
import { WrappedSerializer } from "./serializer/wrapped.ts";
import { shortenFailure } from "./shorten-failure.ts";

/** An encoded value or error. */
export type Payload = string | Uint8Array;

/** Whether what is stored of an error shows its message to whoever can read the database; then it may stand beside it in clear as well. */
export function showsMessage(payload: Payload, error: unknown): boolean {
  const message = error instanceof Error ? error.message : String(error);
  // It may be stored shortened.
  const begin = JSON.stringify(message.slice(0, 100)).slice(1, -1);
  return typeof payload === "string" && payload.includes(begin);
}

/** Longest encoded value by default: 1 MiB. */
export const defaultMaxPayloadBytes = 1_048_576;

/** Encodes and decodes what is stored, through one serializer, with one limit. */
export class PayloadCodec {
  readonly #serializer: Serializer;
  readonly #maxPayloadBytes: number;

  /** @throws RangeError if the limit is no whole number from 1 */
  constructor(serializer: Serializer, maxPayloadBytes: number = defaultMaxPayloadBytes) {
    if (!Number.isSafeInteger(maxPayloadBytes) || maxPayloadBytes < 1) {
      throw new RangeError(
        `maxPayloadBytes must be a whole number from 1, got ${String(maxPayloadBytes)}`,
      );
    }
    this.#serializer = serializer;
    this.#maxPayloadBytes = maxPayloadBytes;
  }

  /**
   * The value as it is stored; `root` is what it is called in messages (default: "args", "result", "payload" or "value", by the place).
   * @throws SerializationError naming the part that cannot be stored; also for what is longer than `maxPayloadBytes`
   */
  encode(value: unknown, place: Place, root?: string): Payload {
    const payload = this.#dumps(value, place, root);
    const bytes = bytesAbove(payload, this.#maxPayloadBytes);
    if (bytes === undefined) return payload;
    throw new SerializationError(
      `${root ?? rootOf(place)} is ${bytes} bytes when encoded, but maxPayloadBytes allows ${this.#maxPayloadBytes} ` +
        `(${describePlace(place)}). Keep it elsewhere and pass a reference, or raise maxPayloadBytes.`,
      { path: root ?? rootOf(place) },
    );
  }

  /** The value that was stored. @throws SerializationError naming the place if it cannot be read */
  decode(payload: Payload, place: Place): unknown {
    try {
      return this.#serializer.loads(payload, place);
    } catch (error) {
      if (error instanceof SerializationError && isBuiltIn(this.#serializer)) throw error;
      throw new SerializationError(
        `the stored ${describePlace(place)} cannot be read: serializer "${this.#serializer.name}" threw ${oneLine(error)}`,
        { cause: error },
      );
    }
  }

  /** Encodes a value and decodes it again: what a workflow is given the first time is what it is given on replay. @throws SerializationError */
  roundTrip(
    value: unknown,
    place: Place,
    root?: string,
  ): { readonly payload: Payload; readonly value: unknown } {
    const payload = this.encode(value, place, root);
    const same = isBuiltIn(this.#serializer) && isPrimitive(value);
    return { payload, value: same ? value : this.decode(payload, place) };
  }

  /** What was thrown, as it is stored: shortened if it is too long, stack first. Never throws. */
  encodeFailure(error: unknown, place: Place): Payload {
    const failure = toFailure(error);
    try {
      return this.#dumpsShortened(failure, place);
    } catch (refusal) {
      return replacementTag + JSON.stringify(replacement(failure, this.#serializer.name, refusal));
    }
  }

  /** The error that was stored. @throws SerializationError naming the place if it cannot be read */
  decodeFailure(payload: Payload, place: Place): Error {
    const isReplacement = typeof payload === "string" && payload.startsWith(replacementTag);
    const data = isReplacement
      ? superjsonSerializer.loads(payload.slice(replacementTag.length), place)
      : this.decode(payload, place);
    const failure = parseFailure(data);
    if (failure === undefined) {
      throw new SerializationError(
        `the stored ${describePlace(place)} cannot be read: it should hold an error, and does not`,
      );
    }
    return fromFailure(failure);
  }

  #dumps(value: unknown, place: Place, root?: string): Payload {
    const serializer = this.#serializer;
    if (isBuiltIn(serializer)) return serializer.dumps(value, place, root ?? rootOf(place));
    let payload: unknown;
    try {
      payload = serializer.dumps(value, place);
    } catch (error) {
      throw new SerializationError(
        `${root ?? rootOf(place)} cannot be stored: serializer "${serializer.name}" threw ${oneLine(error)} (${describePlace(place)})`,
        { cause: error },
      );
    }
    if (typeof payload === "string" || payload instanceof Uint8Array) return payload;
    if (payload instanceof Promise) payload.catch(() => undefined);
    throw new SerializationError(
      `serializer "${serializer.name}" must answer dumps with a string or a Uint8Array, synchronously, but gave ` +
        `${payload instanceof Promise ? "a promise" : typeof payload} (${describePlace(place)})`,
    );
  }

  /** A serializer may lengthen what it is given (encryption, base64): halve the room until its answer fits. */
  #dumpsShortened(failure: Failure, place: Place): Payload {
    let payload = this.#dumps(failure, place);
    for (
      let room = this.#maxPayloadBytes;
      room >= smallestRoom && this.#isTooLong(payload);
      room /= 2
    ) {
      payload = this.#dumps(shortenFailure(failure, room), place);
    }
    return this.#isTooLong(payload)
      ? this.#dumps(shortenFailure(failure, smallestRoom), place)
      : payload;
  }

  #isTooLong(payload: Payload): boolean {
    return bytesAbove(payload, this.#maxPayloadBytes) !== undefined;
  }
}

const smallestRoom = 512;

/** Before an error that stands in for one that the serializer refused. */
const replacementTag = "stent-failure:";

function replacement(failure: Failure, serializerName: string, refusal: unknown): Failure {
  const error = new SerializationError(
    `a ${failure.name} was thrown, but serializer "${serializerName}" could not encode it: ${oneLine(refusal)}`.slice(
      0,
      1_000,
    ),
  );
  return { ...toFailure(error), stack: `${error.name}: ${error.message}` };
}

/** Whether it is Stent's own, or Stent's own wrappers around such a one: their errors are clear, and say what the value is called. */
function isBuiltIn(
  serializer: Serializer,
): serializer is typeof superjsonSerializer | WrappedSerializer {
  if (serializer instanceof WrappedSerializer) return isBuiltIn(serializer.inner);
  return serializer === superjsonSerializer || serializer === jsonSerializer;
}

/** What the built-in serializers give back as it was; the others say for themselves. */
function isPrimitive(value: unknown): boolean {
  return (
    typeof value === "string" ||
    typeof value === "boolean" ||
    typeof value === "number" ||
    value === null ||
    value === undefined
  );
}

/** The length in bytes, if it is above the limit. A character is at most three bytes of UTF-8, so most texts need no counting. */
function bytesAbove(payload: Payload, limit: number): number | undefined {
  if (typeof payload === "string" && payload.length * 3 <= limit) return undefined;
  const bytes = typeof payload === "string" ? Buffer.byteLength(payload) : payload.byteLength;
  return bytes > limit ? bytes : undefined;
}

function oneLine(error: unknown): string {
  const { name, message } = toFailure(error);
  return `${name}: ${message.slice(0, 500)}`;
}
