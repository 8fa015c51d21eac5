/**
 * Returning out of a generator that has delegated to others. `return()` goes through `yield*` to the innermost one first. Where a
 * `finally` block of that one yields, JavaScript forgets the return: once the block is through, whoever delegated goes on behind its
 * `yield*` as if nothing had happened. A workflow that was cancelled in a helper would go on and charge.
 *
 *   W1  What is sent while a `finally` block of an inner generator runs goes to that generator itself. When it is through, whoever
 *       delegated to it returns as well, with what it gave; what it throws is thrown there.
 */
type Inner = Generator<unknown, unknown, unknown>;
type Kind = "next" | "throw" | "return";

/** The generator at a frame and, within it, those whose `finally` blocks are running; what is sent goes to the last. */
export class Unwinding {
  readonly #running: Inner[];

  constructor(generator: Inner) {
    this.#running = [generator];
  }

  /** As the generator's own method of that name. */
  send(kind: Kind, value: unknown): IteratorResult<unknown, unknown> {
    let [how, what] = [kind, value];
    for (;;) {
      const last = this.#running.at(-1);
      if (last === undefined) return { done: true, value: what };
      try {
        const step = how === "return" ? this.#return(last, what) : last[how](what);
        if (step.done !== true || this.#running.length === 1) return step;
        [how, what] = ["return", step.value];
      } catch (error) {
        if (this.#running.length === 1) throw error;
        [how, what] = ["throw", error];
      }
      this.#running.pop();
    }
  }

  #return(generator: Inner, value: unknown): IteratorResult<unknown, unknown> {
    const { step, inner } = returnThrough(generator, value);
    if (inner !== undefined && inner !== generator) this.#running.push(inner);
    return step;
  }
}

type Method = (this: Inner, value: unknown) => IteratorResult<unknown, unknown>;

const prototype = Object.getPrototypeOf(
  function* () {
    // only its prototype is wanted
  }.prototype,
) as Inner;

/**
 * Calls `return()`, and looks who is called on the way. `yield*` looks the method up each time, and passes on the very effect that the
 * inner generator yields: that tells it from generators that a `finally` block has happened to end. Nothing but this call runs meanwhile.
 * @returns `inner`: the innermost generator that has yielded
 */
function returnThrough(
  generator: Inner,
  value: unknown,
): { readonly step: IteratorResult<unknown, unknown>; readonly inner: Inner | undefined } {
  const called: [Inner, IteratorResult<unknown, unknown>][] = [];
  const original = Object.getOwnPropertyDescriptor(prototype, "return");
  const native = original?.value as Method;
  const watched = Reflect.defineProperty(prototype, "return", {
    ...original,
    value(this: Inner, returned: unknown) {
      const step = native.call(this, returned);
      called.push([this, step]);
      return step;
    },
  });
  try {
    const step = generator.return(value);
    const yielded = called.find(([, each]) => each.done !== true && each.value === step.value);
    return { step, inner: step.done === true ? undefined : yielded?.[0] };
  } finally {
    if (watched && original !== undefined) Reflect.defineProperty(prototype, "return", original);
  }
}
