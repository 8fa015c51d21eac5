/** What happens in the engine as spans: the port that `stentjs/otel` fills. */

/** Makes spans. Called in the midst of the work, so it has to be quick; what it throws has no effect. */
export interface Tracing {
  start(span: SpanStart): TraceSpan;
}

/** A span that begins. */
export interface SpanStart {
  /** "dispatch" of an execution, one "turn" of a workflow, one attempt of an "activity". */
  readonly kind: "dispatch" | "turn" | "activity";
  /** Of the function. */
  readonly name: string;
  /** The `trace` of the span that it goes on from, wherever that was; undefined: there is none, and a dispatch goes on from what runs here. */
  readonly trace: string | undefined;
  readonly attributes: Readonly<Record<string, string | number>>;
}

/** A span that has begun. One of a turn that could not be stored is not ended: nothing has come of it. */
export interface TraceSpan {
  /** What is stored for spans that go on from this one, in other processes too; undefined: nothing. */
  readonly trace: string | undefined;
  /** Calls `fn` so that what it does belongs to the span. */
  run<T>(fn: () => T): T;
  end(how: { readonly error?: unknown; readonly executionId?: string }): void;
}

/** A span that does its work whatever its maker does: `fn` is called once, and no error but its own comes out. */
export class HarmlessSpan implements TraceSpan {
  readonly trace: string | undefined;
  readonly #span: TraceSpan;
  readonly #failed: (error: unknown) => void;

  /** @throws what reading the span throws. `failed` is told what it throws later. */
  constructor(span: TraceSpan, failed: (error: unknown) => void) {
    this.trace = typeof span.trace === "string" ? span.trace : undefined;
    this.#span = span;
    this.#failed = failed;
  }

  run<T>(fn: () => T): T {
    let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
    const once = (): T => {
      if (outcome === undefined) {
        try {
          outcome = { value: fn() };
        } catch (error) {
          outcome = { error };
        }
      }
      if ("error" in outcome) throw outcome.error;
      return outcome.value;
    };
    try {
      this.#span.run(once);
    } catch (error) {
      if (outcome === undefined || !("error" in outcome)) this.#failed(error);
    }
    return once();
  }

  end(how: { readonly error?: unknown; readonly executionId?: string }): void {
    try {
      this.#span.end(how);
    } catch (error) {
      this.#failed(error);
    }
  }
}
