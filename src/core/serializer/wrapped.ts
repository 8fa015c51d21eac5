import type { Place, Serializer } from "../serializer.ts";

/** What a serializer has made of a value. */
export type Encoded = string | Uint8Array;

/** A serializer over another one: what that has written is changed once more, and changed back before it reads. */
export abstract class WrappedSerializer implements Serializer {
  readonly name: string;
  /** What has been wrapped. */
  readonly inner: Serializer;

  constructor(name: string, inner: Serializer) {
    this.name = `${name}(${inner.name})`;
    this.inner = inner;
  }

  /** `root`: what the value is called in messages, for serializers of Stent's own; others are given the value and the place. */
  dumps(value: unknown, place: Place, root?: string): Encoded {
    const { inner } = this;
    const given: unknown =
      root === undefined
        ? inner.dumps(value, place)
        : (inner as WrappedSerializer).dumps(value, place, root);
    if (typeof given !== "string" && !(given instanceof Uint8Array)) {
      if (given instanceof Promise) given.catch(() => undefined);
      throw new TypeError(
        `serializer "${inner.name}" must answer dumps with a string or a Uint8Array, synchronously`,
      );
    }
    return this.wrap(given, place);
  }

  loads(data: Encoded, place: Place): unknown {
    return this.inner.loads(this.unwrap(data, place), place);
  }

  /** What is stored of what the inner serializer has written. */
  abstract wrap(encoded: Encoded, place: Place): Encoded;

  /** What the inner serializer has written, from what is stored. */
  abstract unwrap(stored: Encoded, place: Place): Encoded;
}
