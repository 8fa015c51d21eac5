import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  AlwaysOffSampler,
  BasicTracerProvider,
  InMemorySpanExporter,
  ParentBasedSampler,
  SimpleSpanProcessor,
  type ReadableSpan,
} from "@opentelemetry/sdk-trace-base";
import {
  activity,
  call,
  dispatch,
  map,
  NonRetryableError,
  run,
  sleep,
  starmap,
  workflow,
  type Tracing,
} from "stentjs";
import { otel } from "stentjs/otel";
import { MemoryLogger } from "./support/memory-logger.ts";
import { databaseFile, patience, serving, stentOn, until } from "./support/serving.ts";

const long = { timeout: 10_000 * patience };
const tracer = trace.getTracer("users");
const within = (name: string): void => tracer.startSpan(name).end();

const charge = activity("otel.charge", { queue: "cards" }, async (cents: number) => {
  if (cents < 0) throw new NonRetryableError("less than nothing");
  within("asks the bank");
  return cents;
});
const ship = workflow("otel.ship", function* () {
  return (yield* map(charge, [1, 2])).length;
});
const mail = workflow("otel.mail", function* () {
  yield* run("note", () => within("writes a note"));
});
const order = workflow("otel.order", function* (cents: number) {
  yield* call(charge, cents);
  yield* sleep("30ms");
  yield* call(ship);
  yield* starmap(ship, [[]]);
  return yield* dispatch(mail, []);
});
const failing = workflow("otel.failing", function* () {
  yield* call(charge, -1);
});
const traced = activity("otel.traced", async () => 1);

describe("spans for OpenTelemetry", () => {
  const spans = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
  before(() => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    trace.setGlobalTracerProvider(provider);
  });
  after(() => {
    trace.disable();
    context.disable();
  });

  test("link what a request dispatches, its turns, its activities in other workers, its children and what those dispatch in one trace", async (t) => {
    spans.reset();
    const path = databaseFile(t);
    const tracing = (): { stent: { tracing: Tracing } } => ({
      stent: { tracing: otel({ tracerProvider: provider }) },
    });
    const web = await stentOn(t, path, { serve: false, ...tracing() });
    const handle = await tracer.startActiveSpan("POST /orders", async (request) => {
      const dispatched = await web.dispatch(order, [5], { id: "order-1" });
      request.end();
      return dispatched;
    });
    await stentOn(t, path, { serve: { queues: ["default"], workerId: "flows" }, ...tracing() });
    await stentOn(t, path, { serve: { queues: ["cards"], workerId: "cards" }, ...tracing() });
    const mailed = await handle.result(long);
    await web.waitFor(mailed, long);
    await until("the last turn is there", () => named(spans, "writes a note").length === 1);
    await until("its span is there", () => named(spans, "turn otel.mail").length === 2);

    const all = spans.getFinishedSpans();
    const request = one(all, "POST /orders");
    const dispatched = one(all, "dispatch otel.order");
    assert.deepEqual(
      all.filter((span) => traceOf(span) !== traceOf(request)).map(({ name }) => name),
      [],
    );
    assert.equal(parentOf(dispatched), idOf(request));
    assert.equal(dispatched.kind, SpanKind.PRODUCER);
    assert.equal(dispatched.attributes["stent.execution.id"], "order-1");

    const turns = named(spans, "turn otel.order");
    assert.ok(turns.length >= 4, `${turns.length} turns`);
    for (const turn of turns) {
      assert.equal(parentOf(turn), idOf(dispatched));
      assert.equal(turn.attributes["stent.execution.id"], "order-1");
      assert.equal(turn.attributes["stent.worker.id"], "flows");
    }
    const orderTurns = new Set(turns.map(idOf));
    const charges = named(spans, "activity otel.charge");
    assert.equal(charges.length, 5);
    for (const each of charges) {
      assert.equal(each.attributes["stent.worker.id"], "cards");
      assert.equal(each.attributes["stent.queue"], "cards");
    }
    const own = charges.filter((each) => each.attributes["stent.execution.id"] === "order-1");
    assert.equal(own.length, 1);
    assert.ok(orderTurns.has(parentOf(own[0]) ?? ""));
    const inBank = named(spans, "asks the bank");
    const chargeIds = new Set(charges.map(idOf));
    assert.ok(inBank.length === 5 && inBank.every((span) => chargeIds.has(parentOf(span) ?? "")));
    const shipped = named(spans, "turn otel.ship");
    assert.ok(shipped.length >= 2 && shipped.every((span) => orderTurns.has(parentOf(span) ?? "")));
    const mailTurns = named(spans, "turn otel.mail");
    assert.ok(mailTurns.every((span) => orderTurns.has(parentOf(span) ?? "")));
    assert.ok(mailTurns.map(idOf).includes(parentOf(one(all, "writes a note")) ?? ""));
    // Nothing of a sleep is in any of them.
    for (const turn of turns) assert.ok(turn.duration[0] < 5);
  });

  test("go on in the trace they began in after another worker has taken over", async (t) => {
    spans.reset();
    const path = databaseFile(t);
    const first = await stentOn(t, path, { stent: { tracing: otel() } });
    const handle = await tracer.startActiveSpan("request", (request) => {
      request.end();
      return first.dispatch(order, [5]);
    });
    await until("it has made a turn", () => named(spans, "turn otel.order").length > 0);
    await first.close();
    const second = await stentOn(t, path, { stent: { tracing: otel() } });
    await second.waitFor(handle.id, long);
    const request = one(spans.getFinishedSpans(), "request");
    for (const turn of named(spans, "turn otel.order"))
      assert.equal(traceOf(turn), traceOf(request));
  });

  test("show what failed, by its name and message", async (t) => {
    spans.reset();
    const stent = await serving(t, { stent: { tracing: otel() } });
    await assert.rejects(stent.run(failing, []));
    const [failed] = named(spans, "activity otel.charge");
    assert.equal(failed?.status.code, SpanStatusCode.ERROR);
    assert.equal(failed.status.message, "NonRetryableError: less than nothing");
    await stent.dispatch(traced, [], { id: "twice" });
    await assert.rejects(stent.dispatch(traced, [], { id: "twice" }));
    const refused = named(spans, "dispatch otel.traced").map(({ status }) => status.code);
    assert.deepEqual(refused, [SpanStatusCode.UNSET, SpanStatusCode.ERROR]);
  });

  test("follow the decision of whoever began the trace not to record it", async (t) => {
    spans.reset();
    const path = databaseFile(t);
    const off = new BasicTracerProvider({
      sampler: new AlwaysOffSampler(),
      spanProcessors: [new SimpleSpanProcessor(spans)],
    });
    const parentBased = new BasicTracerProvider({
      sampler: new ParentBasedSampler({ root: new AlwaysOffSampler() }),
      spanProcessors: [new SimpleSpanProcessor(spans)],
    });
    const client = await stentOn(t, path, {
      serve: false,
      stent: { tracing: otel({ tracerProvider: off }) },
    });
    const handle = await client.dispatch(traced, []);
    await stentOn(t, path, { stent: { tracing: otel({ tracerProvider: parentBased }) } });
    assert.equal(await handle.result(long), 1);
    assert.deepEqual(spans.getFinishedSpans(), []);
  });

  test("begin a trace of their own where nothing was traced before, and not in that of another request", async (t) => {
    spans.reset();
    const path = databaseFile(t);
    const untraced = await stentOn(t, path, { serve: false });
    const handle = await untraced.dispatch(traced, []);
    await tracer.startActiveSpan("another request", async (request) => {
      const stent = await stentOn(t, path, { stent: { tracing: otel() } });
      await stent.waitFor(handle.id, long);
      request.end();
    });
    const [span] = named(spans, "activity otel.traced");
    assert.equal(span?.parentSpanContext, undefined);
  });

  test("are named for a wrong provider", () => {
    assert.throws(
      () => otel({ tracerProvider: {} as never }),
      /tracerProvider must have getTracer/,
    );
    assert.throws(() => otel({ provider } as never), /otel has no option "provider"/);
  });

  const named = (from: InMemorySpanExporter, name: string): ReadableSpan[] =>
    from.getFinishedSpans().filter((span) => span.name === name);
});

describe("tracing that fails", () => {
  const fail = (): never => {
    throw new Error("the collector is down");
  };
  const failing = {
    "where a span begins": { start: fail },
    "in what it says of a span": {
      start: () => ({
        get trace(): string {
          return fail();
        },
        run: fail,
        end: fail,
      }),
    },
    "before it runs what it should": {
      start: () => ({ trace: "x", run: fail, end: () => undefined }),
    },
    "after it has run what it should": {
      start: () => ({
        trace: undefined,
        run: (fn: () => unknown) => {
          fn();
          return fail();
        },
        end: fail,
      }),
    },
    "to run it once": {
      start: () => ({
        trace: "00-x",
        run: (fn: () => unknown) => {
          fn();
          return fn();
        },
        end: () => undefined,
      }),
    },
    "to give back what came of it": {
      start: () => ({ trace: undefined, run: () => undefined, end: () => undefined }),
    },
  };
  for (const [how, tracing] of Object.entries(failing)) {
    test(`${how} has no effect on the work, and is told of once`, async (t) => {
      const logger = new MemoryLogger();
      runs = 0;
      const stent = await serving(t, { stent: { tracing: tracing as never, logger } });
      assert.deepEqual(await stent.run(counted, []), [1, "noted"]);
      assert.equal(runs, 1);
      await assert.rejects(stent.run(failingJob, []), /its own error/);
      const told = logger.lines.filter(({ message }) => message.includes("tracing failed"));
      assert.ok(told.length <= 1);
    });
  }

  let runs = 0;
  const count = activity("otel.count", async () => (runs += 1));
  const counted = workflow("otel.counted", function* () {
    return [yield* call(count), yield* run("note", () => "noted")];
  });
  const failingJob = activity("otel.failingJob", { retry: { maxAttempts: 1 } }, async () => {
    throw new Error("its own error");
  });
});

function one(spans: readonly ReadableSpan[], name: string): ReadableSpan {
  const [found, ...more] = spans.filter((span) => span.name === name);
  assert.ok(
    found !== undefined && more.length === 0,
    `${name}: ${spans.map((span) => span.name).join(", ")}`,
  );
  return found;
}

function idOf(span: ReadableSpan): string {
  return span.spanContext().spanId;
}

function traceOf(span: ReadableSpan): string {
  return span.spanContext().traceId;
}

function parentOf(span: ReadableSpan | undefined): string | undefined {
  return span?.parentSpanContext?.spanId;
}
