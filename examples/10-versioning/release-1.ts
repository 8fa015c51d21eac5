/** What is deployed first. */
import { activity, call, signal, workflow } from "stentjs";

const charge = activity("charge", async (id: string) => `charged ${id}`);
const send = activity("send", async (id: string, how: string) => `sent ${id} ${how}`);

export const order = workflow("order", function* (id: string) {
  yield* signal("confirmed");
  return [yield* call(charge, id)];
});

export const invoice = workflow("invoice", { version: "1" }, function* (id: string) {
  yield* signal("confirmed");
  return [yield* call(send, id, "by post")];
});
