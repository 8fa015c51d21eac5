import { SerializationError } from "../core/errors.ts";

/** What is read, or the error that says why it cannot be: for whoever shows what there is. */
export function orUnreadable<T>(read: () => T): T | SerializationError {
  try {
    return read();
  } catch (error) {
    if (error instanceof SerializationError) return error;
    throw error;
  }
}
