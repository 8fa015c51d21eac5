import assert from "node:assert/strict";
import { test } from "node:test";
import { activity, CancelledError, context, DatabaseError, sqlite } from "stentjs";
import { isStoreBackend, type StoreBackend } from "../../src/store/backend.ts";
import { databaseFile, stentOn } from "../support/serving.ts";

let begun: () => void = () => undefined;
const waiting = activity("job-run.waiting", async () => {
  const { signal } = context();
  begun();
  await new Promise<void>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error));
  });
});

test("a job is told of its cancel at the next look, where the database could not be asked at once; its worker lives", async (t) => {
  const stent = await stentOn(t, "", { stent: { backend: failingOnce(databaseFile(t)) } });
  const running = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const handle = await stent.dispatch(waiting, []);
  await running;
  await handle.cancel();
  await assert.rejects(handle.result({ timeout: "15s" }), CancelledError);
});

/** A database whose first answer to who asks for the row of what it holds is lost. */
function failingOnce(path: string): StoreBackend {
  const backend = sqlite(path);
  assert.ok(isStoreBackend(backend));
  return {
    ...backend,
    async open(options) {
      const store = await backend.open(options);
      const read = store.executionByKey.bind(store);
      store.executionByKey = async () => {
        store.executionByKey = read;
        throw new DatabaseError("DATABASE_UNREACHABLE", "the connection broke");
      };
      return store;
    },
  };
}
