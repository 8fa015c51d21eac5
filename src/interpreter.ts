/** `stentjs/interpreter`: the interpreter, for people who embed it in workers of their own. */
export { Coroutine, type WorkflowBody } from "./core/interpreter/coroutine.ts";
export type { CoroutineOptions } from "./core/interpreter/coroutine-options.ts";
export { maxUnwaitedEffects } from "./core/interpreter/refusals.ts";
export { Leaf } from "./core/interpreter/leaf.ts";
export type {
  Change,
  Delivery,
  Done,
  Facts,
  Records,
  Turn,
  TurnEntry,
} from "./core/interpreter/turn.ts";
export {
  cancelPath,
  gracePath,
  isImmediate,
  isRecord,
  type Entry,
  type EntryKind,
  type Outcome,
  type RecordKind,
} from "./core/journal.ts";
export type { AnyEffect } from "./core/effects/any-effect.ts";
export {
  describeEffect,
  isEffect,
  type Branch,
  type Effect,
  type Flow,
} from "./core/effects/effect.ts";
