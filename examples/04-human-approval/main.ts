/**
 * A human in the loop: an expense waits for a decision that somebody sends over HTTP, is remembered after two days, and expires after a
 * week. While it waits it holds no memory, no connection and no worker.
 *
 *   npx tsx examples/04-human-approval/main.ts
 *
 * The program asks its own server, and ends. The handlers are the same under fastify or express: they only call `stent`.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import {
  ExecutionFinishedError,
  ExecutionNotFoundError,
  Stent,
  ValidationError,
  activity,
  call,
  defineSignal,
  race,
  signal,
  sleep,
  state,
  workflow,
  type Flow,
  type StandardSchema,
} from "stentjs";

interface Decision {
  readonly approved: boolean;
  readonly by: string;
}

/** Applied by who sends, before anything is stored. A schema of zod, valibot or arktype goes here as it is. */
const decisionSchema: StandardSchema<Decision> = {
  "~standard": {
    version: 1,
    vendor: "by hand",
    validate: (value: unknown) => {
      const { approved, by } = (value ?? {}) as Partial<Decision>;
      return typeof approved === "boolean" && typeof by === "string"
        ? { value: { approved, by } }
        : { issues: [{ message: "it takes { approved: boolean, by: string }" }] };
    },
  },
};
const decision = defineSignal("decision", { schema: decisionSchema });

const mail = activity("mail", async (to: string, text: string) => {
  console.log(`mail to ${to}: ${text}`);
});

export const expense = workflow("expense", function* (who: string, cents: number): Flow<string> {
  const asks = `${who} asks for ${cents} cents`;
  yield* state.set("phase", "waits for a decision");
  yield* call(mail, "the manager", asks);
  const reminded = yield* race({ decided: signal(decision), silence: sleep("2d") });
  if (reminded.winner === "decided") return yield* settle(who, reminded.value);

  yield* call(mail, "the manager", `still: ${asks}`);
  const late = yield* race({ decided: signal(decision), silence: sleep("5d") });
  return yield* settle(who, late.winner === "decided" ? late.value : undefined);
});

function* settle(who: string, made: Decision | undefined): Flow<string> {
  const outcome = made === undefined ? "expired" : made.approved ? "approved" : "refused";
  yield* state.set("phase", outcome);
  yield* call(mail, who, `your expense was ${outcome}`);
  return made === undefined ? outcome : `${outcome} by ${made.by}`;
}

await using stent = await Stent.bootstrap("sqlite:expenses.db", { serve: true });

async function answer(request: IncomingMessage): Promise<[status: number, body: object]> {
  const [, id = "", act] = /^\/expenses\/([\w-]+)(\/decision)?$/.exec(request.url ?? "") ?? [];
  if (request.method === "PUT" && act === undefined) {
    // The client names the expense, so a request that is sent again makes no second one.
    const { who, cents } = (await json(request)) as { who: string; cents: number };
    await stent.dispatch(expense, [who, cents], { id, ifExists: "join" });
    return [202, { id }];
  }
  if (request.method === "POST" && act !== undefined) {
    const made = (await json(request)) as Decision;
    // A second click is the same decision, not another one.
    await stent.sendSignal(id, decision, made, { dedupeKey: `${made.by}: ${made.approved}` });
    return [202, { id }];
  }
  const { state: status, customState, result } = await stent.stateOf<string>(id);
  return [200, { status, phase: customState["phase"], outcome: result?.unwrapOr(undefined) }];
}

function refusal(error: unknown): [status: number, body: object] {
  if (error instanceof ValidationError) return [400, { error: error.message }];
  if (error instanceof ExecutionNotFoundError) return [404, { error: error.message }];
  if (error instanceof ExecutionFinishedError) return [409, { error: "it was decided before" }];
  return [500, { error: "internal" }];
}

const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  void answer(request)
    .catch(refusal)
    .then(([status, body]) => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
}).listen(0, "127.0.0.1");
await once(server, "listening");

const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/expenses/taxi-17`;
const send = async (method: string, path: string, body?: object): Promise<void> => {
  const response = await fetch(url + path, { method, body: body ? JSON.stringify(body) : null });
  console.log(`${method} ${path || "/"} ${response.status} ${await response.text()}`);
};
await send("PUT", "", { who: "Ada", cents: 4_200 });
await send("POST", "/decision", { approved: "perhaps" });
await send("POST", "/decision", { approved: true, by: "Grace" });
await stent.execution("taxi-17").result();
await send("GET", "");
await send("POST", "/decision", { approved: false, by: "Bob" });
server.close();
