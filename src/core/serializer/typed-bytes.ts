/** Typed arrays, DataViews and ArrayBuffers as base64. */
import { ownConstructor } from "./object-kind.ts";

/** Bytes as text, with the class they come back as. */
export interface TypedBytes {
  readonly name: string;
  readonly base64: string;
}

/** The bytes of a view or buffer, a Buffer as a Uint8Array. @returns undefined for an instance of another class */
export function toTypedBytes(value: ArrayBufferView | ArrayBuffer): TypedBytes | undefined {
  const name = Object.prototype.toString.call(value).slice(8, -1);
  const constructor = ownConstructor(Object.getPrototypeOf(value))?.name;
  if (!bytesFrom.has(name) || (constructor !== name && constructor !== "Buffer")) return undefined;
  const bytes = ArrayBuffer.isView(value)
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    : Buffer.from(value);
  return { name, base64: bytes.toString("base64") };
}

/** The view or buffer again, over memory of its own. Throws for a class that it does not know. */
export function fromTypedBytes({ name, base64 }: TypedBytes): unknown {
  const make = bytesFrom.get(name);
  if (make === undefined) throw new Error(`unknown kind of bytes ${JSON.stringify(name)}`);
  return make(new Uint8Array(Buffer.from(base64, "base64")).buffer);
}

const bytesFrom: ReadonlyMap<string, (bytes: ArrayBuffer) => unknown> = new Map<
  string,
  (bytes: ArrayBuffer) => unknown
>([
  ["ArrayBuffer", (bytes) => bytes],
  ["DataView", (bytes) => new DataView(bytes)],
  ["Int8Array", (bytes) => new Int8Array(bytes)],
  ["Uint8Array", (bytes) => new Uint8Array(bytes)],
  ["Uint8ClampedArray", (bytes) => new Uint8ClampedArray(bytes)],
  ["Int16Array", (bytes) => new Int16Array(bytes)],
  ["Uint16Array", (bytes) => new Uint16Array(bytes)],
  ["Int32Array", (bytes) => new Int32Array(bytes)],
  ["Uint32Array", (bytes) => new Uint32Array(bytes)],
  ["Float32Array", (bytes) => new Float32Array(bytes)],
  ["Float64Array", (bytes) => new Float64Array(bytes)],
  ["BigInt64Array", (bytes) => new BigInt64Array(bytes)],
  ["BigUint64Array", (bytes) => new BigUint64Array(bytes)],
]);
