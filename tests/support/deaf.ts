import assert from "node:assert/strict";
import type { Backend } from "stentjs";
import { isStoreBackend, type StoreBackend } from "../../src/store/backend.ts";

/**
 * The same database for those who may not look by themselves at what others do: no change is seen, and what is held is never looked
 * through. What they notice all the same they have been told.
 */
export function deaf(backend: Backend): StoreBackend {
  assert.ok(isStoreBackend(backend));
  return {
    name: backend.name,
    identity: () => backend.identity(),
    plan: () => backend.plan(),
    async open(options) {
      const store = await backend.open(options);
      const unseen = { foreignChange: undefined, held: () => new Promise(() => undefined) };
      return Object.assign(store, unseen) as typeof store;
    },
  };
}

/** The same database for a process that stands for a dead one: it neither sees nor hears of others. */
export function cutOff(backend: Backend): StoreBackend {
  const silent = deaf(backend);
  return {
    ...silent,
    async open(options) {
      const store = await silent.open(options);
      return Object.defineProperty(store, "connections", { value: undefined });
    },
  };
}
