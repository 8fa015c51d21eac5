import type { Stent, StentOptions } from "stentjs";
import { stentOn, type Ending } from "./serving.ts";

/** A client without a worker, on a database of its own in memory or on the given one; closed when the test ends. */
export function clientOn(
  t: Ending,
  backend = "sqlite::memory:",
  options: Partial<StentOptions> = {},
): Promise<Stent> {
  return stentOn(t, backend, { serve: false, stent: options });
}

/** A Standard Schema that puts out what `read` makes of a value; what `read` throws are its issues. */
export function schemaOf<T>(read: (value: never) => T | Promise<T>): {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => unknown;
  };
} {
  return {
    "~standard": {
      version: 1,
      vendor: "test",
      async validate(value) {
        try {
          return { value: await read(value as never) };
        } catch (error) {
          return { issues: [{ message: (error as Error).message, path: [0, "total"] }] };
        }
      },
    },
  };
}

/** Waits until everything that can happen by itself in this turn of the event loop and the next has happened. */
export async function turns(count = 5): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}
