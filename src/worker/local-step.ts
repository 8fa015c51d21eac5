import { entryPlace, stepId, taskIdOf } from "../core/places.ts";
import type { Payload } from "../core/payload.ts";
import type { Place } from "../core/serializer.ts";
import type { AttemptPolicy, StoredOptions } from "../core/step-options.ts";
import type { RunId } from "./journal-loading.ts";
import type { Step } from "./step-runner.ts";

/** What of a step does not follow from its run and path. */
type Making = Omit<
  LocalStep,
  "executionId" | "taskId" | "idempotencyKey" | "place" | "heartbeat" | "dueAt"
>;

/** A step of the workflow that begins here. A class, not a literal: there is one a step, see `append`. */
export class LocalStep implements Step {
  readonly executionId: string;
  readonly taskId: string;
  readonly idempotencyKey: string;
  readonly place: Place;
  readonly path: string;
  readonly name: string;
  readonly queue: string | undefined;
  readonly input: Payload;
  readonly options: StoredOptions;
  readonly policy: AttemptPolicy;
  readonly attempt: number;
  readonly failures: number;
  readonly scheduledAt: number;
  /** What was tried before and told one goes through the queue. */
  readonly heartbeat: Payload | undefined = undefined;

  constructor(run: RunId, making: Making) {
    this.executionId = run.id;
    this.idempotencyKey = stepId(run, making.path);
    this.taskId = taskIdOf(run, making.path, making.options);
    this.place = entryPlace(run.id, run.run, making.path);
    this.path = making.path;
    this.name = making.name;
    this.queue = making.queue;
    this.input = making.input;
    this.options = making.options;
    this.policy = making.policy;
    this.attempt = making.attempt;
    this.failures = making.failures;
    this.scheduledAt = making.scheduledAt;
  }

  get dueAt(): number {
    return this.scheduledAt;
  }
}
