/** Right and wrong uses of the effects, for the compiler: `tsc` fails where one is taken for the other. Nothing here runs. */
import { activity, remote, workflow } from "../../src/core/define.ts";
import type { Activity, Workflow } from "../../src/core/durable.ts";
import { all, allSettled, branch, race } from "../../src/core/effects/branch.ts";
import { call } from "../../src/core/effects/call.ts";
import type { Effect, Flow } from "../../src/core/effects/effect.ts";
import { run } from "../../src/core/effects/local.ts";
import { map, starmap } from "../../src/core/effects/map.ts";
import { counters, state } from "../../src/core/effects/record.ts";
import { cancelled } from "../../src/core/effects/scope.ts";
import { defineSignal, sendSignal, signal } from "../../src/core/effects/signal.ts";
import { now, sleep } from "../../src/core/effects/time.ts";
import type { CancelledError, ExpiryError } from "../../src/core/errors.ts";
import type { StandardSchema } from "../../src/core/schema.ts";

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function same<A, B>(equal: Equal<A, B>): void;

class Declined extends Error {}
declare const schema: StandardSchema<number, string>;

const price = activity("price", async (sku: string) => sku.length);
const add = activity("add", (a: number, b: number) => a + b);
const greet = activity("greet", async (name: string, title?: string) => `${title} ${name}`);
const log = activity("log", async (...lines: string[]) => void lines);
const order = workflow("order", function* (id: string) {
  return { id, price: yield* call(price, id) };
});
same<typeof price, Activity<[sku: string], number>>(true);
same<typeof add, Activity<[a: number, b: number], number>>(true);
same<typeof order, Workflow<[id: string], { id: string; price: number }>>(true);

function* calls(): Flow<void> {
  same<number, ReturnType<typeof numberOf>>(true);
  const priced: number = yield* call(price, "a");
  const greeted: string = yield* call(greet, "ada");
  yield* call(greet, "ada", "Dr");
  yield* call(log);
  yield* call(log, "a", "b");
  const child = yield* call(order, "a");
  same<typeof child, { id: string; price: number }>(true);
  const inline = yield* order("a");
  same<typeof inline, { id: string; price: number }>(true);
  const far = yield* call(remote<typeof order>("far"), "a");
  same<typeof far, { id: string; price: number }>(true);
  void [priced, greeted];

  // @ts-expect-error another type
  yield* call(price, 5);
  // @ts-expect-error one argument less
  yield* call(add, 1);
  // @ts-expect-error one argument more
  yield* call(price, "a", "b");
  // @ts-expect-error a plain function
  yield* call((sku: string) => sku.length, "a");
  // @ts-expect-error the value is no string
  const wrong: string = yield* call(price, "a");
  const bare = yield call(price, "a");
  same<typeof bare, unknown>(true);
  // @ts-expect-error a bare yield gives unknown
  bare.toFixed();
  // @ts-expect-error a promise is no effect
  yield price("a");
  // @ts-expect-error nor is a number
  yield 5;
  void wrong;
}
declare function numberOf(): number;

function* maps(): Flow<void> {
  const prices = yield* map(price, ["a", "b"]);
  same<typeof prices, number[]>(true);
  const settled = yield* map(price, new Set(["a"]), { onError: "settle", concurrency: 5 });
  same<typeof settled, PromiseSettledResult<number>[]>(true);
  const tolerated = yield* map(price, ["a"], { tolerate: "5%" });
  same<typeof tolerated, PromiseSettledResult<number>[]>(true);
  const sums = yield* starmap(add, [
    [1, 2],
    [3, 4],
  ]);
  same<typeof sums, number[]>(true);
  yield* starmap(greet, [["ada"], ["grace", "Dr"]]);
  yield* starmap(order, [["a"]], { tolerate: 3 });

  // @ts-expect-error items of another type
  yield* map(price, [1, 2]);
  // @ts-expect-error a function of two arguments takes tuples
  yield* map(add, [1, 2]);
  // @ts-expect-error tuples of another shape
  yield* starmap(add, [[1, "2"]]);
  // @ts-expect-error tuples that are too short
  yield* starmap(add, [[1]]);
  // @ts-expect-error no such way
  yield* map(price, ["a"], { onError: "ignore" });
  // @ts-expect-error a share ends in %
  yield* map(price, ["a"], { tolerate: "5" });
}

function* branches(): Flow<void> {
  const list = yield* all([
    call(price, "a"),
    sleep(1),
    part("x"),
    branch(part, "y"),
    call(order, "a"),
  ]);
  same<typeof list, [number, void, boolean, boolean, { id: string; price: number }]>(true);
  const named = yield* all({ price: call(price, "a"), part: part("x") });
  same<typeof named, { price: number; part: boolean }>(true);
  const many = yield* all(["a", "b"].map((sku) => call(price, sku)));
  same<typeof many, number[]>(true);
  const empty = yield* all([]);
  same<typeof empty, []>(true);
  const how = yield* allSettled([call(price, "a"), part("x")]);
  same<typeof how, [PromiseSettledResult<number>, PromiseSettledResult<boolean>]>(true);

  const won = yield* race({ paid: signal(paid), late: sleep("1d"), part: branch(part, "x") });
  if (won.winner === "paid") same<typeof won.value, Paid>(true);
  else if (won.winner === "late") same<typeof won.value, void>(true);
  else same<typeof won.value, boolean>(true);
  // @ts-expect-error no such branch
  void (won.winner === "lost");

  // @ts-expect-error a promise is no branch
  yield* all([Promise.resolve(1)]);
  // @ts-expect-error a value is no branch
  yield* all({ a: 5 });
  // @ts-expect-error branches stand in brackets
  yield* all(call(price, "a"), call(price, "b"));
  // @ts-expect-error a race has named branches
  yield* race([call(price, "a")]);
  // @ts-expect-error arguments of another type
  yield* branch(part, 5);
  // @ts-expect-error an argument less
  yield* branch(part);
  // @ts-expect-error an async function is no branch
  yield* branch(async (sku: string) => sku, "a");
  // @ts-expect-error by name, all are run or none
  yield* allSettled({ a: call(price, "a") });
}

interface Paid {
  cents: number;
}
const paid = defineSignal<Paid>("paid");
const parsed = defineSignal("parsed", { schema });

function* signals(): Flow<void> {
  const message = yield* signal(paid, { timeout: "1h" });
  same<typeof message, Paid>(true);
  same<Out<typeof number>, number>(true);
  const untyped = yield* signal("untyped");
  same<typeof untyped, unknown>(true);
  const typed = yield* signal<number>("typed");
  same<typeof typed, number>(true);
  yield* sendSignal("E-1", paid, { cents: 5 });
  yield* sendSignal("E-1", parsed, "what the sender gives");
  yield* sendSignal("E-1", "untyped", [1, 2]);

  // @ts-expect-error a payload of another type
  yield* sendSignal("E-1", paid, { euros: 5 });
  // @ts-expect-error the sender gives what goes into the schema, not what it puts out
  yield* sendSignal("E-1", parsed, 5);
  // @ts-expect-error no such option
  yield* signal(paid, { within: "1h" });
}
const number = signal(parsed);
type Out<E> = E extends Effect<infer A> ? A : never;

function* values(): Flow<void> {
  const at: Date = yield* now();
  const local = yield* run("local", async () => at.getTime());
  same<typeof local, number>(true);
  const count = yield* counters.get("n");
  same<typeof count, number>(true);
  const kept = yield* state.get<string>("k");
  same<typeof kept, string | undefined>(true);
  const reason = yield* cancelled();
  same<typeof reason, CancelledError | ExpiryError | undefined>(true);

  // @ts-expect-error a counter is changed by a number
  yield* counters.add("n", "1");
  // @ts-expect-error a duration is no date
  yield* sleep(new Date());
}

const options = [
  price.with({
    queue: "q",
    retry: { maxAttempts: 2, retryFor: [Declined, TypeError] },
    timeout: "1m",
  }),
  order.with({ maxDuration: "1d", tags: ["a"] }),
  // @ts-expect-error a predicate cannot travel with a call
  price.with({ retry: { retryFor: () => true } }),
  // @ts-expect-error an activity has no maxDuration
  price.with({ maxDuration: "1d" }),
  // @ts-expect-error a workflow has no heartbeat
  order.with({ heartbeatTimeout: "1d" }),
  // @ts-expect-error arguments are checked where it is defined
  order.with({ input: schema }),
  // @ts-expect-error no such option
  price.with({ que: "q" }),
];
const withOptions = price.with({ queue: "q" });
same<typeof withOptions, Activity<[sku: string], number>>(true);

function* part(sku: string): Flow<boolean> {
  return (yield* call(price, sku)) > 1;
}

export const uses = [calls, maps, branches, signals, values, options];
