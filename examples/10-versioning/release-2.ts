/** What is deployed next, while executions of the first release are under way. */
import { activity, all, call, patched, signal, workflow } from "stentjs";

const charge = activity("charge", async (id: string) => `charged ${id}`);
const checkFraud = activity("check fraud", async (id: string) => `checked ${id}`);
const send = activity("send", async (id: string, how: string) => `sent ${id} ${how}`);

/**
 * A step more. Executions that had passed this place with the old code do not have it, and all others do. It can go, and the `if` with
 * it, once no execution from before is left.
 */
export const order = workflow("order", function* (id: string) {
  const done: string[] = [];
  if (yield* patched("fraud check")) done.push(yield* call(checkFraud, id));
  yield* signal("confirmed");
  return [...done, yield* call(charge, id)];
});

/** The old definition stays for those that began with it. It can go once `listExecutions` finds none of them under way. */
workflow("invoice", { version: "1" }, function* (id: string) {
  yield* signal("confirmed");
  return [yield* call(send, id, "by post")];
});

/** Written anew: nothing of the old one binds it. Who dispatches this definition dispatches version 2. */
export const invoice = workflow("invoice", { version: "2" }, function* (id: string) {
  yield* signal("confirmed");
  return yield* all([call(send, id, "by mail"), call(charge, id)]);
});
