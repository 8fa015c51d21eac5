/**
 * Encrypts what another serializer writes: AES-256-GCM, every value under a random nonce of its own.
 *
 *   K1  Nothing is readable, and nothing altered is read, without the key whose id stands before the ciphertext.
 *   K2  A value is bound to its place, execution and path included: copied to another row, it is refused.
 *   K3  The first key writes, all of them read; so keys can be exchanged while old values are there.
 *   K4  No message and no inspection shows a key.
 */
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  randomBytes,
  type KeyObject,
} from "node:crypto";
import { SerializationError } from "../errors.ts";
import { knownOptions, show } from "../option.ts";
import { describePlace, resolveSerializer, type Place, type Serializer } from "../serializer.ts";
import { maxKeyIdBytes, readSealedHead, sealedHead } from "./sealed.ts";
import { WrappedSerializer, type Encoded } from "./wrapped.ts";

/** A key and the name under which values remember it. */
export interface EncryptionKey {
  /** Stands in clear before each value, and in messages. Never to be given to another key. */
  id: string;
  /** 32 random bytes: as they are, as 64 hexadecimal digits, or as base64. */
  key: Uint8Array | string;
}

/** How `encrypted` works. */
export interface EncryptionOptions {
  /** The first one writes, all of them read. */
  keys: readonly EncryptionKey[];
  /** What is encrypted is what this one writes. Default: the one that Stent uses by default. */
  serializer?: "superjson" | "json" | Serializer;
  /** Read values that are not encrypted too, from the time before. Default false: they are refused, since anybody could have written them. */
  acceptUnencrypted?: boolean;
}

const known = ["keys", "serializer", "acceptUnencrypted"];
const algorithm = "aes-256-gcm";
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

/** A serializer that encrypts what another one writes. @throws TypeError, RangeError naming the option, and no key */
export function encrypted(options: EncryptionOptions): Serializer {
  knownOptions("encrypted", options, known);
  const { acceptUnencrypted = false } = options;
  if (typeof acceptUnencrypted !== "boolean") {
    throw new TypeError(`acceptUnencrypted must be true or false, got ${show(acceptUnencrypted)}`);
  }
  return new Encrypted(
    resolveSerializer(options.serializer),
    keyRing(options.keys),
    acceptUnencrypted,
  );
}

class Encrypted extends WrappedSerializer {
  readonly #keys: ReadonlyMap<string, KeyObject>;
  readonly #writes: readonly [id: string, key: KeyObject];
  readonly #acceptUnencrypted: boolean;

  constructor(inner: Serializer, keys: KeyRing, acceptUnencrypted: boolean) {
    super("encrypted", inner);
    this.#keys = keys.byId;
    this.#writes = keys.first;
    this.#acceptUnencrypted = acceptUnencrypted;
  }

  wrap(encoded: Encoded, place: Place): Encoded {
    const [id, key] = this.#writes;
    const isText = typeof encoded === "string";
    const head = sealedHead(id, isText);
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes });
    cipher.setAAD(boundTo(head, place));
    const plain = isText ? Buffer.from(encoded) : encoded;
    return Buffer.concat([head, nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }

  unwrap(stored: Encoded, place: Place): Encoded {
    const head = readSealedHead(stored);
    if (head === undefined || typeof stored === "string") {
      if (this.#acceptUnencrypted) return stored;
      throw unreadable(
        place,
        "it is not encrypted. If it is from the time before encryption, set acceptUnencrypted of encrypted()",
      );
    }
    const key = this.#keys.get(head.keyId);
    if (key === undefined) {
      throw unreadable(
        place,
        `it is encrypted with key "${head.keyId}", which this process does not have (it has "${[...this.#keys.keys()].join('", "')}"). ` +
          `Add that key to the keys of encrypted()`,
      );
    }
    const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
    try {
      const plain = open(bytes, head.length, key, place);
      return head.isText ? plain.toString("utf8") : plain;
    } catch (error) {
      throw unreadable(
        place,
        `it is not what key "${head.keyId}" has encrypted for this place: it was altered, was copied from elsewhere, ` +
          `or there is another key under that id`,
        error,
      );
    }
  }
}

/** @throws Error if it is not whole, or not of this place. */
function open(bytes: Buffer, headLength: number, key: KeyObject, place: Place): Buffer {
  const begin = headLength + nonceBytes;
  const end = bytes.length - tagBytes;
  if (end < begin) throw new Error("it is cut off");
  const nonce = bytes.subarray(headLength, begin);
  const decipher = createDecipheriv(algorithm, key, nonce, { authTagLength: tagBytes });
  decipher.setAAD(boundTo(bytes.subarray(0, headLength), place));
  decipher.setAuthTag(bytes.subarray(end));
  return Buffer.concat([decipher.update(bytes.subarray(begin, end)), decipher.final()]);
}

/** What has to be the same when it is read, and is not stored with it (by K2). */
function boundTo(head: Uint8Array, { kind, owner, path }: Place): Buffer {
  return Buffer.concat([head, Buffer.from(JSON.stringify([kind, owner, path ?? null]))]);
}

function unreadable(place: Place, why: string, cause?: unknown): SerializationError {
  return new SerializationError(
    `the stored ${describePlace(place)} cannot be read: ${why}.`,
    cause === undefined ? {} : { cause },
  );
}

interface KeyRing {
  readonly byId: ReadonlyMap<string, KeyObject>;
  readonly first: readonly [id: string, key: KeyObject];
}

function keyRing(keys: readonly EncryptionKey[]): KeyRing {
  if (!Array.isArray(keys))
    throw new TypeError("keys of encrypted() must be a list of { id, key }");
  const byId = new Map<string, KeyObject>();
  for (const [index, given] of keys.entries()) {
    const at = `keys[${index}] of encrypted()`;
    const { id, key } = (given ?? {}) as Partial<EncryptionKey>;
    if (typeof id !== "string" || id === "" || Buffer.byteLength(id) > maxKeyIdBytes) {
      throw new TypeError(`${at} must have an id, a text of at most ${maxKeyIdBytes} bytes`);
    }
    if (byId.has(id)) throw new TypeError(`${at} has the id "${id}" of another key`);
    byId.set(id, keyObject(key, `${at}, "${id}",`));
  }
  const [first] = byId;
  if (first === undefined) throw new TypeError("keys of encrypted() must hold at least one key");
  return { byId, first };
}

function keyObject(key: unknown, at: string): KeyObject {
  const bytes =
    typeof key === "string"
      ? Buffer.from(key, /^[\da-f]{64}$/i.test(key) ? "hex" : "base64")
      : key instanceof Uint8Array
        ? Buffer.from(key)
        : undefined;
  if (bytes?.length === keyBytes) return createSecretKey(bytes);
  throw new TypeError(
    `${at} must be ${keyBytes} bytes: a Uint8Array, 64 hexadecimal digits, or base64` +
      (bytes === undefined ? "" : `; it has ${bytes.length}`),
  );
}
