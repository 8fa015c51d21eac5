import assert from "node:assert/strict";
import { test } from "node:test";
import { ExecutionNotFoundError, Stent, workflow } from "stentjs";
import { clientOn } from "../support/client.ts";
import { databaseFile, rejection } from "../support/serving.ts";

const waits = workflow("waits", function* () {});

/** Every method that takes the id of an execution. */
const byExecution: Record<string, (stent: Stent, id: string) => unknown> = {
  stateOf: (stent, id) => stent.stateOf(id),
  resultOf: (stent, id) => stent.resultOf(id),
  waitFor: (stent, id) => stent.waitFor(id),
  sendSignal: (stent, id) => stent.sendSignal(id, "go", 1),
  cancel: (stent, id) => stent.cancel(id),
  retry: (stent, id) => stent.retry(id),
  why: (stent, id) => stent.why(id),
  history: (stent, id) => stent.history(id)[Symbol.asyncIterator]().next(),
  execution: (stent, id) => stent.execution(id),
};

const byTask: Record<string, (stent: Stent, id: string) => unknown> = {
  getDeadLetter: (stent, id) => stent.getDeadLetter(id),
  discardDeadLetter: (stent, id) => stent.discardDeadLetter(id),
};

for (const [method, ask] of Object.entries(byExecution)) {
  test(`${method} says what an id is when it is given another thing, and asks no database`, async (t) => {
    const nowhere = new Stent({ backend: `sqlite:${databaseFile(t)}/no/such/directory.db` });
    t.after(() => nowhere.close());
    for (const [wrong, got] of [
      [{ id: "E-1", toString: () => "E-1" }, 'an object whose id is "E-1"'],
      [{}, "[object Object]"],
      [42, "42"],
      [null, "null"],
      [undefined, "undefined"],
      [Promise.resolve("E-1"), "[object Promise]"],
    ] as const) {
      const error = await rejection(asked(() => ask(nowhere, wrong as never)));
      assert.ok(error instanceof TypeError);
      assert.equal(
        error.message,
        `${method} takes the id of an execution, a text such as handle.id; got ${got}`,
      );
    }
  });
}

for (const [method, ask] of Object.entries(byTask)) {
  test(`${method} says what the id of a task is`, async (t) => {
    const stent = await clientOn(t);
    const error = await rejection(asked(() => ask(stent, { task: {} } as never)));
    assert.ok(error instanceof TypeError);
    assert.match(
      error.message,
      new RegExp(
        `^${method} takes the id of a task, .* deadLetter.task.id; got \\[object Object]$`,
      ),
    );
  });
}

test("a filter shows that it was given a handle", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.dispatch(waits, [], { id: "E-1" });
  for (const list of [
    () => stent.listTasks({ execution: handle as never }),
    () => stent.listExecutions({ parent: handle as never }),
  ]) {
    const error = await rejection(asked(list));
    assert.match(String(error), /TypeError: .* non-empty string, got an object whose id is "E-1"/);
  }
});

test("what only a method's promise can tell is not thrown past it", async (t) => {
  const stent = await clientOn(t);
  const { execution: _, history: __, ...promising } = byExecution;
  for (const ask of Object.values({ ...promising, ...byTask })) {
    const asking = ask(stent, {} as never);
    assert.ok(asking instanceof Promise);
    await rejection(asking);
  }
});

test("any text is an id, be it nobody's", async (t) => {
  const stent = await clientOn(t);
  for (const id of ["", "nobody", "[object Object]"]) {
    assert.equal(stent.execution(id).id, id);
    assert.ok((await rejection(stent.stateOf(id))) instanceof ExecutionNotFoundError);
  }
});

/** What is thrown at once is rejected, too. */
async function asked(ask: () => unknown): Promise<unknown> {
  return ask();
}
