import assert from "node:assert/strict";
import type { Backend } from "stentjs";
import { isStoreBackend, type StoreBackend } from "../../src/store/backend.ts";
import type { Transition } from "../../src/store/store.ts";

/** The same database, whose answers to commits that hold such a transition come when `until` lets them. */
export function answeringLate(
  backend: Backend,
  kind: Transition["kind"],
  until: () => Promise<unknown>,
): StoreBackend {
  assert.ok(isStoreBackend(backend));
  return {
    name: backend.name,
    identity: () => backend.identity(),
    async open(options) {
      const store = await backend.open(options);
      const commit = store.commit.bind(store);
      store.commit = async (batch) => {
        const answer = await commit(batch);
        if (batch.some((transition) => transition.kind === kind)) await until();
        return answer;
      };
      return store;
    },
  };
}
