/**
 * How encrypted values begin, so that whoever lacks the key can say which: "STE1", one byte that says whether text or bytes were encrypted,
 * one for the length of the key's id, and the id in UTF-8.
 */

const mark = Buffer.from("STE1");
const idAt = mark.length + 2;

/** What stands before the ciphertext. */
export interface SealedHead {
  readonly keyId: string;
  readonly isText: boolean;
  /** Where it ends. */
  readonly length: number;
}

/** Longest id of a key, in bytes of UTF-8. */
export const maxKeyIdBytes = 255;

/** The head of what is encrypted under this key. */
export function sealedHead(keyId: string, isText: boolean): Buffer {
  const id = Buffer.from(keyId);
  return Buffer.concat([mark, Buffer.from([isText ? 1 : 0, id.length]), id]);
}

/** The head of an encrypted value; undefined for what is none. */
export function readSealedHead(data: string | Uint8Array): SealedHead | undefined {
  if (typeof data === "string" || data.byteLength < idAt) return undefined;
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (!bytes.subarray(0, mark.length).equals(mark)) return undefined;
  const length = idAt + bytes.readUInt8(mark.length + 1);
  return {
    keyId: bytes.toString("utf8", idAt, length),
    isText: bytes.readUInt8(mark.length) === 1,
    length,
  };
}
