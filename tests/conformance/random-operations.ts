/** Sequences of operations by chance. */
import fc from "fast-check";
import type { IfExists, Operation, Step, TurnOperation, Yield } from "./operations.ts";

const which = fc.oneof({ weight: 5, arbitrary: fc.nat(2) }, { weight: 1, arbitrary: fc.nat(15) });
const execution = fc.oneof(
  { weight: 3, arbitrary: fc.nat(3) },
  { weight: 2, arbitrary: fc.nat(15) },
);
const session = fc.nat(2);
const ifExists = fc.constantFrom<IfExists>("reject", "join", "restart-if-failed");
const delayMs = fc.constantFrom(0, 0, 0, 40);
const priority = fc.constantFrom(0, 0, 0, 1, -2);
const seldom = fc.nat(7).map((n) => n === 7);

const yields: fc.Arbitrary<Yield> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("call" as const),
      how: fc.constantFrom("queued", "queued", "taken", "here"),
      delayMs,
      priority,
      queued: seldom,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("sleep" as const), ms: fc.constantFrom(5, 60) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      name: fc.constantFrom("go", "stop"),
      ms: fc.constantFrom(undefined, undefined, 30),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("map" as const),
      items: fc.integer({ min: 1, max: 4 }),
      tolerated: fc.constantFrom(0, 0, 1, null),
      concurrency: fc.constantFrom(undefined, 1, 2),
      totalTimeout: fc.constantFrom(undefined, undefined, 50),
      children: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("child" as const),
      delayMs,
      maxDurationMs: fc.constantFrom(undefined, undefined, 70),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("send" as const), to: execution }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("start" as const), of: execution, ifExists }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom("count" as const, "set" as const, "dead letter" as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("withdraw" as const, "tell" as const),
      which: fc.nat(3),
    }),
  },
);

const next: fc.Arbitrary<TurnOperation["next"]> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("park" as const),
      afterMs: fc.constantFrom(undefined, undefined, 10),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "hold" as const,
        "hold" as const,
        "hold" as const,
        "complete" as const,
        "complete" as const,
        "fail" as const,
        "fail" as const,
        "again" as const,
        "time out" as const,
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("continue" as const), holds: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("block" as const), poison: fc.boolean() }),
  },
);

const turn: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constant("turn" as const),
  which,
  looks: fc.nat(3).map((n) => n > 0),
  blind: seldom,
  yields: fc.array(yields, { maxLength: 3 }),
  here: fc.constantFrom("goes on", "completed", "failed", "again"),
  next,
});

const dispatch: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constant("dispatch" as const),
  of: fc.array(execution, { minLength: 1, maxLength: 3 }),
  ifExists,
  adopt: fc.option(session, { nil: undefined }),
  delayMs,
  maxDurationMs: fc.constantFrom(undefined, undefined, undefined, 80),
  totalTimeoutMs: fc.constantFrom(undefined, undefined, 60),
  priority,
  queued: seldom,
  tagged: seldom,
  ownId: seldom,
  otherName: seldom,
});

const claim: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constant("claim" as const),
  session,
  limit: fc.constantFrom(100, 100, 1, 2),
  turns: fc.constantFrom(100, 100, 0, 1),
  of: fc.constantFrom("everything", "everything", "everything", "workflows", "activities"),
  suspects: fc.boolean(),
});

const task: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constant("task" as const),
  which,
  item: fc.nat(3),
  outcome: fc.constantFrom("completed", "completed", "failed", "again"),
  delayMs,
  records: seldom,
});

const others: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("signal" as const),
      to: execution,
      name: fc.constantFrom("go", "stop"),
      dedupe: fc.constantFrom(undefined, undefined, "once", "twice"),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("cancel" as const), of: execution, force: seldom }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("retry" as const),
      of: execution,
      from: fc.constantFrom("failure", "failure", "start"),
      force: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("register" as const), session }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("heartbeat" as const), session }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("reap" as const), session, died: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("expire" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("trim" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("remove" as const),
      most: fc.nat(2),
      letters: fc.boolean(),
      sessions: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("discard dead letter" as const), which: fc.nat(2) }),
  },
);

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 10, arbitrary: turn },
  { weight: 4, arbitrary: dispatch },
  { weight: 5, arbitrary: claim },
  { weight: 7, arbitrary: task },
  { weight: 6, arbitrary: others },
);

/** So many commits of one to five operations. */
export function sequences(length: number): fc.Arbitrary<Step[]> {
  const step = fc.record({
    operations: fc.oneof(
      fc.array(operation, { minLength: 1, maxLength: 1 }),
      fc.array(operation, { minLength: 2, maxLength: 5 }),
    ),
    thenMs: fc.constantFrom(1, 1, 10, 50),
  });
  // Without a bias to what is small: most of that does nothing.
  return fc.noBias(fc.array(step, { minLength: length, maxLength: length, size: "max" }));
}
