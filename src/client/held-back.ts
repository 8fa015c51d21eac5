import { gatesFrom, ofGate } from "../core/gates.ts";
import { never } from "../store/never.ts";
import type { HeldBack, Store } from "../store/store.ts";

/** Work that waits, as far as its row tells. */
interface Waiting {
  /** A task's key; below zero, an execution's. */
  readonly holder: number;
  readonly gates: string | undefined;
  readonly dueAt: number | undefined;
}

/** What holds work back that has gates, and until when if time decides; undefined where nothing does. */
export async function heldBack(
  store: Store,
  { holder, gates, dueAt }: Waiting,
  now: number,
): Promise<{ readonly detail: string; readonly until?: Date } | undefined> {
  if (gates === undefined || dueAt === undefined || dueAt <= now) return undefined;
  const back = await store.heldBack(holder);
  if (back !== undefined) return { detail: detailOf(back) };
  if (dueAt >= never) return undefined;
  const { rate } = gatesFrom(gates);
  if (rate === undefined) return undefined;
  const detail = `${noToken(rate.name, rate.tokens, rate.perMs)}; it may begin then`;
  return { detail, until: new Date(dueAt) };
}

function detailOf({ gate, places, per, by }: HeldBack): string {
  const others = by.length === 0 ? "others" : by.join(", ");
  if (places === undefined)
    return `${others} runs it under the same key; it gets that result, or runs if that fails`;
  if (per !== undefined) return `${noToken(gate, places, per)}, and others are before it`;
  return `all ${places} places of maxConcurrent of ${named(gate)} are taken, by ${others}; it begins when one is free`;
}

function noToken(gate: string, tokens: number, perMs: number): string {
  return `rateLimit of ${named(gate)} (${tokens} in ${perMs} ms) has no token left`;
}

function named(gate: string): string {
  const { fn, key } = ofGate(gate);
  return key === undefined ? `"${fn}"` : `"${fn}" with key "${key}"`;
}
