import assert from "node:assert/strict";
import type { Serializer } from "stentjs";

/** Refuses what it has not written for this very place, as encryption that is bound to it does. */
export const binding: Serializer = {
  name: "binding",
  dumps: (value, place) => JSON.stringify({ place, value: value ?? null }),
  loads(data, place) {
    const { place: written, value } = JSON.parse(String(data)) as { place: object; value: unknown };
    assert.deepEqual(written, JSON.parse(JSON.stringify(place)));
    return value;
  },
};
