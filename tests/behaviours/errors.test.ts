import assert from "node:assert/strict";
import Database from "better-sqlite3";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  activity,
  call,
  counters,
  DatabaseError,
  defineSignal,
  DuplicateFunctionError,
  ExpiryError,
  FunctionRegistry,
  NoContextError,
  registerError,
  RemoteError,
  Result,
  SchemaMismatchError,
  SerializationError,
  signal,
  sleep,
  state,
  Stent,
  ValidationError,
  workflow,
  type Flow,
  type StandardSchema,
} from "stentjs";
import {
  databaseFile,
  Gate,
  rejection,
  serving,
  stentOn,
  until,
  sqliteOnly,
} from "../support/serving.ts";

const limit = { timeout: "10s" };

// ── errors over the boundary ──

class Known extends Error {
  readonly code = "KNOWN";
  readonly amount: number;
  constructor(message: string, amount: number, options?: ErrorOptions) {
    super(message, options);
    this.name = "Known";
    this.amount = amount;
  }
}
registerError(Known, "errors.Known");
class Foreign extends Error {
  override readonly name = "Foreign";
  readonly code = "E_FOREIGN";
  readonly detail = { at: new Date(5), list: [1, 2] };
}

const kinds = {
  known: () => new Known("known", 7, { cause: new RangeError("the cause") }),
  foreign: () => new Foreign("foreign", { cause: new Foreign("deeper") }),
  type: () => new TypeError("type"),
  aggregate: () => new AggregateError([new Known("in it", 1), new TypeError("too")], "several"),
  stent: () => new ExpiryError("WAIT_EXPIRED", "mine"),
  string: () => "a string",
  number: () => 5,
  undefined: () => undefined,
  object: () => ({ reason: "an object" }),
  result: () => Result.Error(new Known("in a result", 2)),
} as const;
type Kind = keyof typeof kinds;
const throws = activity("errors.throws", { retry: { maxAttempts: 1 } }, async (kind: Kind) => {
  throw kinds[kind](); // oxlint-disable-line typescript/only-throw-error -- users do
});
type How = "pass" | "describe" | "child" | "own";
const throwsOn = workflow("errors.throwsOn", function* (kind: Kind, how: How): Flow<unknown> {
  if (how === "child") return yield* call(passesOn, kind);
  yield* sleep(1);
  if (how === "own") throw kinds[kind](); // oxlint-disable-line typescript/only-throw-error -- users do
  if (how === "pass") return yield* call(throws, kind);
  try {
    return yield* call(throws, kind);
  } catch (error) {
    yield* sleep(1);
    return describe(error);
  }
});
const passesOn = workflow("errors.passesOn", function* (kind: Kind): Flow<unknown> {
  return yield* call(throws, kind);
});
function describe(error: unknown): object {
  if (!(error instanceof Error)) return { thrown: typeof error, text: String(error) };
  const { name, message, cause } = error;
  return {
    ...(error as object),
    is: error.constructor.name,
    name,
    message,
    cause: cause === undefined ? undefined : describe(cause),
    errors: undefined,
  };
}

for (const how of ["pass", "child", "own"] as const) {
  test(`a registered error comes back as itself (${how})`, async (t) => {
    const stent = await serving(t);
    const error = await rejection(stent.run(throwsOn, ["known", how]));
    assert.ok(error instanceof Known, String(error.stack));
    assert.equal(error.message, "known");
    assert.equal(error.code, "KNOWN");
    assert.equal(error.amount, 7);
    assert.ok(error.cause instanceof RangeError);
    assert.equal(error.cause.message, "the cause");
    assert.match(error.stack ?? "", /errors\.test/);
  });

  test(`another comes back as RemoteError with everything it had (${how})`, async (t) => {
    const stent = await serving(t);
    const error = await rejection(stent.run(throwsOn, ["foreign", how]));
    assert.ok(error instanceof RemoteError);
    assert.equal(error.originalName, "Foreign");
    assert.equal(error.message, "foreign");
    assert.equal(error.code, "E_FOREIGN");
    assert.deepEqual((error as unknown as Foreign).detail, { at: new Date(5), list: [1, 2] });
    assert.ok(error.cause instanceof RemoteError);
    assert.equal((error.cause as Error).message, "deeper");
  });

  test(`the language's and Stent's own need no registration (${how})`, async (t) => {
    const stent = await serving(t);
    assert.ok((await rejection(stent.run(throwsOn, ["type", how]))) instanceof TypeError);
    const several = await rejection(stent.run(throwsOn, ["aggregate", how]));
    assert.ok(several instanceof AggregateError);
    assert.ok(several.errors[0] instanceof Known && several.errors[1] instanceof TypeError);
    const expired = await rejection(stent.run(throwsOn, ["stent", how]));
    assert.ok(expired instanceof ExpiryError);
    assert.equal(expired.code, "WAIT_EXPIRED");
  });

  test(`what is no error is thrown all the same (${how})`, async (t) => {
    const stent = await serving(t);
    for (const kind of ["string", "number", "undefined", "object", "result"] as const) {
      const handle = await stent.dispatch(throwsOn, [kind, how]);
      const result = await handle.wait(limit);
      assert.equal(result.ok, false, kind);
      assert.equal((await handle.state()).state, "failed");
    }
    assert.match((await rejection(stent.run(throwsOn, ["string", how]))).message, /a string/);
  });
}

test("a catch block sees the same error in the live run and in replay", async (t) => {
  const stent = await serving(t);
  const replayed = await serving(t, { serve: { maxCachedWorkflows: 0 } });
  for (const kind of Object.keys(kinds) as Kind[]) {
    const [live, again] = [
      await stent.run(throwsOn, [kind, "describe"]),
      await replayed.run(throwsOn, [kind, "describe"]),
    ];
    assert.deepEqual(again, live, kind);
  }
});

// ── results as values ──

const results = activity("errors.results", async (ok: boolean) =>
  ok ? Result.Ok({ n: 1 }) : Result.Error(new Known("no", 3)),
);
const passes = workflow("errors.passes", function* (given: Result<number>): Flow<unknown> {
  const good = yield* call(results, true);
  const bad = yield* call(results, false);
  yield* sleep(1);
  return [
    good instanceof Result,
    bad instanceof Result,
    good.unwrapOr(0),
    !bad.ok && bad.error instanceof Known,
    given.map((n) => n + 1),
    bad,
  ];
});

test("a Result that is passed or returned is still a Result on the other side", async (t) => {
  const stent = await serving(t);
  const [good, bad, value, known, given, returned] = (await stent.run(passes, [
    Result.Ok(4),
  ])) as unknown[];
  assert.deepEqual([good, bad, value, known], [true, true, { n: 1 }, true]);
  assert.ok(given instanceof Result && given.unwrap() === 5);
  assert.ok(returned instanceof Result);
  assert.throws(() => returned.unwrap(), Known);
});

// ── what cannot be stored ──

const echo = activity(
  "errors.echo",
  { retry: { initialDelay: 1 } },
  async (value: unknown) => value,
);
class Point {
  readonly x = 1;
}
const cycle: Record<string, unknown> = { a: {} };
(cycle["a"] as Record<string, unknown>)["back"] = cycle;
let deep: unknown = 1;
for (let i = 0; i < 10_000; i += 1) deep = [deep];
const unstorable: [string, () => unknown, RegExp][] = [
  ["a function", () => ({ list: [1, { fn: () => 1 }] }), /list\[1\]\.fn/],
  ["a symbol", () => ({ s: Symbol("s") }), /\bs\b/],
  ["a class instance", () => ({ point: new Point() }), /point/],
  ["a promise", () => ({ p: Promise.resolve(1) }), /\bp\b/],
  ["a WeakMap", () => ({ w: new WeakMap() }), /\bw\b/],
];
const asks = workflow("errors.asks", function* (which: number, where: string): Flow<unknown> {
  const value = (unstorable[which] as (typeof unstorable)[0])[1]();
  try {
    if (where === "argument") yield* call(echo, value);
    if (where === "child") yield* call(takes, value);
    if (where === "state") yield* state.set("key", value);
    if (where === "result") yield* call(returnsBad, which);
    if (where === "own result") return value;
    return "nothing";
  } catch (error) {
    yield* counters.add("caught");
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
});
const takes = workflow("errors.takes", function* (value: unknown): Flow<unknown> {
  return value;
});
let returns = 0;
const returnsBad = activity(
  "errors.returnsBad",
  { retry: { initialDelay: 1 } },
  async (which: number) => {
    returns += 1;
    return (unstorable[which] as (typeof unstorable)[0])[1]();
  },
);

for (const [which, [what, value, path]] of unstorable.entries()) {
  test(`${what} is a SerializationError that names its path, wherever it is given`, async (t) => {
    const stent = await serving(t);
    const error = await rejection(stent.dispatch(echo, [value()]));
    assert.ok(error instanceof SerializationError, String(error.stack));
    assert.match(error.message, path);
    assert.equal((await stent.listExecutions()).items.length, 0);
    returns = 0;
    for (const where of ["argument", "child", "state", "result"]) {
      const handle = await stent.dispatch(asks, [which, where]);
      const text = String(await handle.result(limit));
      assert.match(text, /^SerializationError: /, where);
      assert.match(text, path, where);
      assert.deepEqual((await handle.state()).counters, { caught: 1 });
    }
    assert.equal(returns, 1);
    const own = await rejection(stent.run(asks, [which, "own result"]));
    assert.ok(own instanceof SerializationError);
    assert.match(own.message, path);
    assert.equal(await stent.run(takes, ["fine"]), "fine");
  });
}

const odd: [string, unknown][] = [
  ["a cycle", cycle],
  ["10,000 levels", deep],
  ["NUL", "a\0b"],
  ["a lone surrogate", "\ud800x"],
  ["__proto__ as a key", JSON.parse(`{"__proto__":{"a":1}}`)],
  ["constructor as a key", { constructor: { prototype: 1 }, prototype: 2 }],
  ["-0, NaN and Infinity", [-0, NaN, Infinity]],
  ["undefined in places", { a: undefined, b: [undefined, 1] }],
  ["a sparse array", [1, , 3]], // oxlint-disable-line no-sparse-arrays
  [
    "many types",
    {
      date: new Date(0),
      map: new Map([[{ a: 1 }, new Set([1n])]]),
      bytes: new Uint8Array([1, 2]),
      url: new URL("https://a.b/c"),
    },
  ],
  ["null without a prototype", Object.assign(Object.create(null) as object, { a: 1 })],
];
for (const [what, value] of odd) {
  test(`${what}: an exact round trip or a clear error, and never a stuck execution`, async (t) => {
    const stent = await serving(t);
    const dispatched = await stent.dispatch(takes, [value]).catch((error: unknown) => error);
    if (dispatched instanceof Error) {
      assert.ok(dispatched instanceof SerializationError, String(dispatched.stack));
      return;
    }
    const result = await (dispatched as { wait(options: object): Promise<Result<unknown>> }).wait(
      limit,
    );
    if (result.ok) assert.deepEqual(result.value, value);
    else assert.ok(result.error instanceof SerializationError);
  });
}

test("a value over the limit is a SerializationError that names limit and size; an error is shortened instead", async (t) => {
  const stent = await serving(t, { stent: { maxPayloadBytes: 2_000 } });
  const big = "x".repeat(3_000);
  for (const ask of [
    () => stent.dispatch(echo, [big]),
    () => stent.run(bigResult, []),
    () => stent.run(bigState, []),
    async () => {
      const handle = await stent.dispatch(waits, []);
      await handle.signal("go", big);
    },
  ]) {
    const error = await rejection(ask());
    assert.ok(error instanceof SerializationError, String(error.stack));
    assert.match(error.message, /2,?000/);
  }
  const error = await rejection(stent.run(bigError, []));
  assert.equal(error.name, "RangeError");
  assert.match(error.message, /^x+/);
});
const bigResult = activity("errors.bigResult", async () => "x".repeat(3_000));
const bigState = workflow("errors.bigState", function* (): Flow<void> {
  yield* state.set("big", "x".repeat(3_000));
});
const bigError = activity("errors.bigError", { retry: { maxAttempts: 1 } }, async () => {
  throw new RangeError("x".repeat(10_000));
});
const waits = workflow("errors.waits", function* (): Flow<unknown> {
  return yield* signal("go");
});

// ── wrong uses ──

const numbers: StandardSchema<[unknown]> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value: unknown) => {
      const [text] = value as [string];
      return /^\d+$/.test(text)
        ? { value: [Number(text)] }
        : { issues: [{ message: "no number", path: [0] }] };
    },
  },
};
const checked = workflow(
  "errors.checked",
  { input: numbers },
  function* (n: unknown): Flow<unknown> {
    return typeof n;
  },
);
const callsChecked = workflow("errors.callsChecked", function* (): Flow<unknown> {
  try {
    return yield* call(checked, "x");
  } catch (error) {
    return (error as ValidationError).issues;
  }
});

test("arguments are checked by the sender, before anything is written, and stored as the schema gives them", async (t) => {
  const stent = await serving(t);
  const error = await rejection(stent.dispatch(checked, ["x"]));
  assert.ok(error instanceof ValidationError);
  assert.equal((await stent.listExecutions()).items.length, 0);
  assert.equal(await stent.run(checked, ["12"]), "number");
  assert.deepEqual(await stent.run(callsChecked, []), [{ message: "no number", path: [0] }]);
});

const yieldsWrong = workflow("errors.yieldsWrong", function* (which: string): Flow<unknown> {
  const wrong: Record<string, unknown> = {
    promise: which === "promise" ? Promise.reject(new Error("left")) : 0,
    number: 5,
    undefined,
    string: "x",
    activity: echo,
    array: [call(echo, 1)],
    generator: takes(1),
  };
  try {
    yield wrong[which] as never;
    return "went on";
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
});

test("yielding what is no effect throws at that yield, and says what to write", async (t) => {
  const stent = await serving(t);
  for (const which of [
    "promise",
    "number",
    "undefined",
    "string",
    "activity",
    "array",
    "generator",
  ]) {
    const text = String(await stent.run(yieldsWrong, [which]));
    assert.match(text, /^TypeError: /, which);
    assert.ok(text.length > 30);
  }
  assert.match(String(await stent.run(yieldsWrong, ["promise"])), /promise/i);
});

test("an effect outside a workflow does nothing, and cannot be awaited by mistake", async () => {
  const effect = call(echo, 1);
  assert.equal(effect.kind, "call");
  await assert.rejects(Promise.resolve(effect), NoContextError);
});

const noGenerator = workflow("errors.noGenerator", (() => 5) as never);
const throwsEarly = workflow("errors.throwsEarly", (() => {
  throw new RangeError("before it is a generator");
}) as never);

test("a workflow that is no generator function fails clearly, and blocks nobody", async (t) => {
  const stent = await serving(t);
  const error = await rejection(
    stent.dispatch(noGenerator, []).then((handle) => handle.result(limit)),
  );
  assert.ok(error instanceof TypeError, String(error));
  assert.match(error.message, /generator/);
  const early = await rejection(
    stent.dispatch(throwsEarly, []).then((handle) => handle.result(limit)),
  );
  assert.match(early.message, /before it is a generator/);
});

test("two functions under one name are a DuplicateFunctionError", () => {
  activity("errors.twice", async () => 1);
  assert.throws(() => activity("errors.twice", async () => 2), DuplicateFunctionError);
  assert.throws(() => workflow("errors.twice", function* () {}), DuplicateFunctionError);
  const registry = new FunctionRegistry();
  registry.register(echo);
  registry.register(echo);
  assert.throws(() => registry.register(echo.with({ priority: 1 })), DuplicateFunctionError);
  assert.throws(() => defineSignal(""), TypeError);
});

// ── databases ──

test("a file that is no database is a DatabaseError that says so", async (t) => {
  const file = databaseFile(t);
  writeFileSync(file, "This is a letter and no database. ".repeat(100));
  const error = await rejection(Stent.open(file));
  assert.ok(error instanceof DatabaseError, String(error.stack));
  assert.equal(error.code, "DATABASE_CORRUPT");
  assert.match(error.message, /stent\.db/);
});

test("a directory that is not there is a DatabaseError", async (t) => {
  const file = join(databaseFile(t), "nowhere", "x.db");
  const error = await rejection(Stent.open(file));
  assert.ok(error instanceof DatabaseError, String(error.stack));
  assert.ok(["DATABASE_MISSING", "DATABASE_UNREACHABLE"].includes(error.code));
});

/** The connections that are opened from now on: how full a database may become is said on each. */
function connections(t: { after(fn: () => unknown): void }): Set<Database.Database> {
  const opened = new Set<Database.Database>();
  // oxlint-disable-next-line typescript/unbound-method -- called with its own connection below
  const { pragma } = Database.prototype;
  Database.prototype.pragma = function (this: Database.Database, ...args) {
    opened.add(this);
    return pragma.apply(this, args);
  };
  t.after(() => {
    Database.prototype.pragma = pragma;
  });
  return opened;
}

test(
  "a full disk is a DatabaseError for the client; what is under way waits for room and loses nothing",
  sqliteOnly,
  async (t) => {
    const opened = connections(t);
    const stent = await stentOn(t, databaseFile(t));
    const held = await stent.dispatch(pays, ["x".repeat(50_000)]);
    await until("it runs", () => payments === 1);
    for (const connection of opened) connection.pragma("max_page_count = 1"); // as many as there are
    const error = await until("a dispatch is refused", () =>
      stent.dispatch(echo, ["x".repeat(20_000)]).then(
        () => undefined,
        (refused: unknown) => refused,
      ),
    );
    assert.ok(error instanceof DatabaseError);
    assert.equal(error.code, "DATABASE_FULL");
    paying.open("y".repeat(50_000));
    await assert.rejects(held.result({ timeout: 300 }), ExpiryError);
    assert.equal((await held.state()).state, "running");
    for (const connection of opened) connection.pragma("max_page_count = 1000000");
    assert.equal(await held.result(limit), 50_000);
    assert.equal(payments, 1);
    assert.equal(await stent.run(echo, [1]), 1);
  },
);
let payments = 0;
const paying = new Gate<string>();
const pay = activity("errors.pay", async () => {
  payments += 1;
  return paying.passed;
});
const pays = workflow("errors.pays", function* (_text: string): Flow<number> {
  const receipt = yield* call(pay);
  return receipt.length;
});

test(
  "a read-only file is a DatabaseError",
  { skip: process.getuid?.() === 0 ? "root writes everywhere" : false },
  async (t) => {
    const directory = mkdtempSync(join(tmpdir(), "stent-behaviours-"));
    t.after(() => rmSync(directory, { recursive: true, force: true }));
    const file = join(directory, "x.db");
    await (await Stent.open(file)).close();
    chmodSync(file, 0o444);
    chmodSync(directory, 0o555);
    const error = await rejection(Stent.open(file).then((stent) => stent.dispatch(echo, [1])));
    chmodSync(directory, 0o755);
    assert.ok(error instanceof DatabaseError);
    assert.equal(error.code, "DATABASE_READ_ONLY");
  },
);

test(
  "a schema newer than the code is a SchemaMismatchError, and so is an old one without migrate",
  sqliteOnly,
  async (t) => {
    const file = databaseFile(t);
    const error = await rejection(Stent.open({ backend: file, migrate: false }));
    assert.ok(
      error instanceof SchemaMismatchError || error instanceof DatabaseError,
      String(error.stack),
    );
    await (await Stent.open(file)).close();
    const database = new Database(file);
    const table = database
      .prepare("select name from sqlite_master where name like 'stent%migration%'")
      .get() as { name: string } | undefined;
    assert.ok(table !== undefined);
    const columns = database
      .prepare(`select * from ${table.name} order by 1 desc limit 1`)
      .get() as Record<string, unknown>;
    const values = Object.entries(columns).map(([, value]) =>
      typeof value === "string" && /^\d{4}/.test(value)
        ? `9999${value.slice(4)}`
        : typeof value === "number"
          ? value + 1
          : value,
    );
    database
      .prepare(`insert into ${table.name} values (${values.map(() => "?").join(",")})`)
      .run(...values);
    database.close();
    const newer = await rejection(Stent.open(file));
    assert.ok(newer instanceof SchemaMismatchError, String(newer.stack));
  },
);

test("a database with tables of others is used beside them", sqliteOnly, async (t) => {
  const file = databaseFile(t);
  const database = new Database(file);
  database.exec("create table mine (a); insert into mine values (1)");
  database.close();
  const stent = await stentOn(t, file);
  assert.equal(await stent.run(echo, [1]), 1);
});
