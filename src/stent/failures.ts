import { CancelledError, ExecutionExistsError, ExpiryError } from "../core/errors.ts";
import { outOfTime } from "../core/out-of-time.ts";
import type { PayloadCodec } from "../core/payload.ts";
import { entryPlace, resultPlace } from "../core/places.ts";
import type { FunctionRegistry } from "../core/registry.ts";
import { maxAttemptsOf } from "../core/step-options.ts";
import type { Failures, StoredExecution } from "../store/store.ts";
import { deadLetterOf } from "../worker/dead-letter.ts";
import { storedOptions } from "../worker/step-runner.ts";
import { failed } from "../worker/verdict.ts";

/** What executions, jobs and items end with that the store itself ends. */
export function failuresOf(codec: PayloadCodec, registry: FunctionRegistry): Failures {
  return {
    cancelled: (reason, id) => codec.encodeFailure(new CancelledError(reason), resultPlace(id)),
    timedOut: (id) =>
      codec.encodeFailure(
        new ExpiryError(
          "EXECUTION_TIMED_OUT",
          `execution "${id}" did not end within its maxDuration`,
        ),
        resultPlace(id),
      ),
    taken: (id) =>
      codec.encodeFailure(
        new ExecutionExistsError(
          `the id of the child ${id} belongs to another execution that is there already; choose ids without slashes`,
        ),
        resultPlace(id),
      ),
    jobOutOfTime: (job) => jobOutOfTime(codec, registry, job),
    itemOutOfTime: ({ executionId, run, path, name }) =>
      codec.encodeFailure(outOfTime(name), entryPlace(executionId, run, path)),
  };
}

/** As the worker that finds it too late would store it. */
function jobOutOfTime(
  codec: PayloadCodec,
  registry: FunctionRegistry,
  job: StoredExecution,
): ReturnType<Failures["jobOutOfTime"]> {
  const { payload, error } = failed(codec, resultPlace(job.id), outOfTime(job.name));
  const deadLetter = deadLetterOf({
    execution: job,
    placement: job,
    path: "1",
    seq: -1,
    item: -1,
    name: job.name,
    attempt: job.attempt,
    maxAttempts: maxAttemptsOf("activity", registry.get(job.name), storedOptions(job.options)),
    error,
    payload,
  });
  return { failure: payload, deadLetter };
}
