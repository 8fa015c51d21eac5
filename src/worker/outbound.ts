import { append } from "../core/append.ts";
import type { Payload } from "../core/payload.ts";
import type { NewChild, NewDispatch, NewFanout, NewTask, Send } from "../store/store.ts";
import type { LocalStep } from "./local-step.ts";
import type { TransactionStep } from "./transaction-step.ts";

/** What a turn's new entries ask of the world, decided before the commit and done after it. */
export interface Requested {
  readonly tasks: readonly NewTask[];
  readonly fanouts: readonly NewFanout[];
  readonly children: readonly NewChild[];
  readonly sends: readonly Send[];
  readonly dispatches: readonly NewDispatch[];
  /** To be begun here once the turn is stored; their slots are taken. */
  readonly steps: readonly LocalStep[];
  readonly closures: readonly { readonly path: string; readonly fn: () => unknown }[];
  readonly transactions: readonly TransactionStep[];
  /** Items of the tasks that are taken at once, by their place among those. */
  readonly takenItems: readonly {
    readonly task: NewTask;
    readonly items: readonly { readonly item: number; readonly input: Payload }[];
  }[];
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
const none: readonly never[] = [];

/** Collects what a turn asks for. Its lists are made when first needed: there is one a turn. */
export class Outbound implements Writable<Requested> {
  tasks: Requested["tasks"] = none;
  fanouts: Requested["fanouts"] = none;
  children: Requested["children"] = none;
  sends: Requested["sends"] = none;
  dispatches: Requested["dispatches"] = none;
  steps: Requested["steps"] = none;
  closures: Requested["closures"] = none;
  transactions: Requested["transactions"] = none;
  takenItems: Requested["takenItems"] = none;

  add<K extends keyof Requested>(list: K, item: Requested[K][number]): void {
    const target = this as Record<keyof Requested, readonly unknown[]>;
    const begun = target[list] === none ? undefined : (target[list] as unknown[]);
    target[list] = append(begun, item);
  }
}
