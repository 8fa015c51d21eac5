import assert from "node:assert/strict";
import { test } from "node:test";
import { activity, ExpiryError } from "stentjs";
import { databaseFile, rejection, serving, stentOn, until } from "../support/serving.ts";

const limit = { timeout: "10s" };
const attempts: ((text: string) => void)[] = [];
const slow = activity(
  "job-time.slow",
  { totalTimeout: 150, retry: { maxAttempts: 1 } },
  () =>
    new Promise<string>((resolve) => {
      attempts.push(resolve);
    }),
);

for (const from of ["failure", "start"] as const) {
  test(`a job that is retried from its ${from} has its whole totalTimeout again`, async (t) => {
    const stent = await serving(t);
    const job = await stent.dispatch(slow, []);
    assert.ok((await rejection(job.result(limit))) instanceof ExpiryError);
    const before = attempts.length;
    await stent.retry(job.id, { from });
    await until("it runs again", () => attempts.length > before);
    await new Promise((resolve) => setTimeout(resolve, 50));
    attempts.at(-1)?.("in time");
    assert.equal(await job.result(limit), "in time");
  });
}

test("a job that is restarted has its whole totalTimeout again, and one that is delayed has it from its start", async (t) => {
  const stent = await serving(t);
  const options = { id: "restarted", ifExists: "restart-if-failed" } as const;
  const first = await stent.dispatch(slow, [], options);
  assert.ok((await rejection(first.result(limit))) instanceof ExpiryError);
  for (const delay of [0, 200]) {
    const before = attempts.length;
    const job =
      delay === 0 ? await stent.dispatch(slow, [], options) : await stent.schedule(delay, slow, []);
    await until("it runs again", () => attempts.length > before);
    attempts.at(-1)?.("in time");
    assert.equal(await job.result(limit), "in time");
  }
});

test("a job that is taken too late is not begun", async (t) => {
  const file = databaseFile(t);
  const client = await stentOn(t, file, { serve: false });
  const job = await client.dispatch(slow.with({ totalTimeout: 1 }), []);
  const { createdAt } = await job.state();
  await until("its time has passed", () => Date.now() > createdAt.getTime() + 1);
  const before = attempts.length;
  await stentOn(t, file);
  assert.ok((await rejection(job.result(limit))) instanceof ExpiryError);
  assert.equal(attempts.length, before);
});
