import assert from "node:assert/strict";
import type { Backend } from "stentjs";
import { isStoreBackend, type StoreBackend } from "../../src/store/backend.ts";
import type { Store, Transition } from "../../src/store/store.ts";

/** The same database, whose answers to commits that hold such a transition come when `until` lets them. */
export function answeringLate(
  backend: Backend,
  kind: Transition["kind"],
  until: () => Promise<unknown>,
): StoreBackend {
  return changed(backend, (store) => {
    const commit = store.commit.bind(store);
    store.commit = async (batch) => {
      const answer = await commit(batch);
      if (batch.some((transition) => transition.kind === kind)) await until();
      return answer;
    };
  });
}

/** The same database, whose answers to who asks what its session holds come when `until` lets them. */
export function lookingLate(backend: Backend, until: () => Promise<unknown>): StoreBackend {
  return changed(backend, (store) => {
    const held = store.held.bind(store);
    store.held = async (session) => {
      const answer = await held(session);
      await until();
      return answer;
    };
  });
}

/** The same database, whose answers to who asks whether there is something to claim come when `until` lets them. */
export function peekingLate(backend: Backend, until: () => Promise<unknown>): StoreBackend {
  return changed(backend, (store) => {
    const peek = store.peek.bind(store);
    store.peek = async (accepts) => {
      const answer = await peek(accepts);
      await until();
      return answer;
    };
  });
}

function changed(backend: Backend, change: (store: Store) => void): StoreBackend {
  assert.ok(isStoreBackend(backend));
  return {
    name: backend.name,
    identity: () => backend.identity(),
    plan: () => backend.plan(),
    async open(options) {
      const store = await backend.open(options);
      change(store);
      return store;
    },
  };
}
