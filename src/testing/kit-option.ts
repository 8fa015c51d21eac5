/** Options that only the kit has, checked where they are given. */
import { show } from "../core/option.ts";

/** A moment; undefined stays so. @throws TypeError naming the option */
export function dateOption(option: string, value: Date | undefined): Date | undefined {
  if (value === undefined || (value instanceof Date && !Number.isNaN(value.getTime())))
    return value;
  throw new TypeError(`${option} must be a Date, got ${show(value)}`);
}

/** A list; empty where there is none. @throws TypeError naming the option */
export function listOption<T>(option: string, value: readonly T[] = []): readonly T[] {
  if (Array.isArray(value)) return value;
  throw new TypeError(`${option} must be a list, got ${show(value)}`);
}
