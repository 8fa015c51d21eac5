import assert from "node:assert/strict";
import { test } from "node:test";
import type { Adopter, Connection } from "../../src/client/connection.ts";
import { dispatchAll } from "../../src/client/dispatch.ts";
import type {
  ClaimedExecution,
  DispatchAnswer,
  DispatchRequest,
  NewExecution,
} from "../../src/store/store.ts";

test("a worker that has room takes what is dispatched in the commit that stores it", async () => {
  const { connection, requests, adopter } = connected({ room: 2 });
  await dispatchAll(connection, [execution("a"), execution("b"), execution("c")], "reject");
  assert.deepEqual(requests[0]?.adopt, [7, 7, undefined]);
  assert.deepEqual(
    adopter.adopted.map(({ id, key, claim, state, run, fresh, deadline }) => [
      id,
      key,
      claim,
      state,
      run,
      fresh,
      deadline,
    ]),
    [
      ["a", 100, 1, "running", 1, true, 5_500],
      ["b", 101, 1, "running", 1, true, 5_500],
    ],
  );
  assert.equal(adopter.reserved, 0);
});

test("nobody is asked to take what is delayed, or may be there already", async () => {
  const { connection, requests, adopter } = connected({ room: 2 });
  await dispatchAll(connection, [{ ...execution("a"), delayMs: 1 }], "reject");
  await dispatchAll(connection, [execution("b")], "restart-if-failed");
  assert.deepEqual(
    requests.map(({ adopt }) => adopt),
    [[undefined], [undefined]],
  );
  assert.deepEqual([adopter.adopted, adopter.asked], [[], 0]);
});

test("room that was kept is free again where nothing came of it", async () => {
  for (const answer of [
    [{ kind: "joined" }],
    [{ kind: "created", key: 1, claim: 0, now: 0 }],
    [{ kind: "refused", reason: "exists", name: "order" }],
    new Error("disk full"),
  ] as (DispatchAnswer | Error)[]) {
    const { connection, adopter } = connected({ room: 1, answer });
    await dispatchAll(connection, [execution("a")], "join").catch(() => undefined);
    assert.deepEqual([adopter.reserved, adopter.adopted], [0, []]);
  }
});

test("without a worker here nothing is taken", async () => {
  const { connection, requests } = connected({ room: undefined });
  await dispatchAll(connection, [execution("a")], "reject");
  assert.deepEqual(requests[0]?.adopt, [undefined]);
});

function execution(id: string): NewExecution {
  return {
    id,
    kind: "workflow",
    name: "order",
    version: undefined,
    input: "[]",
    options: undefined,
    queue: undefined,
    priority: 0,
    tags: [],
    delayMs: 0,
    maxDurationMs: 500,
  };
}

class RecordingAdopter {
  readonly adopted: ClaimedExecution[] = [];
  reserved = 0;
  asked = 0;
  #room: number;

  constructor(room: number) {
    this.#room = room;
  }

  reserve(): number | undefined {
    this.asked += 1;
    if (this.reserved === this.#room) return undefined;
    this.reserved += 1;
    return 7;
  }

  adopt(execution: ClaimedExecution): void {
    this.reserved -= 1;
    this.adopted.push(execution);
  }

  forgo(): void {
    this.reserved -= 1;
  }
}

function connected(options: {
  readonly room: number | undefined;
  readonly answer?: DispatchAnswer | Error;
}): { connection: Connection; requests: DispatchRequest[]; adopter: RecordingAdopter } {
  const requests: DispatchRequest[] = [];
  const adopter = new RecordingAdopter(options.room ?? 0);
  const committer = {
    async submit(_kind: string, request: DispatchRequest): Promise<DispatchAnswer> {
      requests.push(request);
      if (options.answer instanceof Error) throw options.answer;
      return (
        options.answer ??
        request.executions.map((_, index) => ({
          kind: "created",
          key: 100 + index,
          claim: request.adopt[index] === undefined ? 0 : 1,
          now: 5_000,
        }))
      );
    },
  };
  const port: Adopter = {
    reserve: () => adopter.reserve(),
    adopted: (execution) => adopter.adopt(execution),
    forgo: () => adopter.forgo(),
  };
  const connection = {
    committer,
    adopter: () => (options.room === undefined ? undefined : port),
  } as unknown as Connection;
  return { connection, requests, adopter };
}
