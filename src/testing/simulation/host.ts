import type { AnyDurable, Workflow } from "../../core/durable.ts";
import type { CallEffect } from "../../core/effects/call.ts";
import type { MapEffect } from "../../core/effects/map.ts";
import type { Payload, PayloadCodec } from "../../core/payload.ts";
import type { AttemptPolicy, StoredOptions } from "../../core/step-options.ts";
import type { Chance } from "../chance.ts";
import type { Mocks } from "../mock.ts";
import type { VirtualClock } from "../virtual-clock.ts";
import type { GateKeeper } from "./gate-keeper.ts";
import type { Inbox } from "./inbox.ts";

/** An execution to be started. */
export interface NewSimulated {
  readonly id: string;
  readonly fn: Workflow<unknown[], unknown>;
  readonly input: Payload;
  /** What was set at its place of call. */
  readonly options?: StoredOptions;
  readonly delayMs?: number;
  readonly maxDurationMs?: number | undefined;
  /** The key of the execution that waits for it. */
  readonly parent?: number;
  readonly gates?: string | undefined;
  readonly onEnd?: (ended: Ended) => void;
}

/** A child: what it runs, and how, its effect says. */
export type NewChild = Required<Pick<NewSimulated, "id" | "input" | "parent" | "gates" | "onEnd">>;

/** How an execution ended. */
export interface Ended {
  readonly status: "completed" | "failed" | "cancelled" | "timed_out";
  /** Its value, or its error. */
  readonly payload: Payload;
  readonly at: number;
}

/** What works on an entry that waits: a call, a map, a child. */
export interface Work {
  /** It has begun, and a cancel waits for it. */
  readonly isRunning: boolean;
  /** It is to stop; its outcome is still waited for. */
  tell(reason: Error): void;
  /** Nobody waits for it any more. */
  withdraw(reason: Error): void;
}

/** An execution as others see it. */
export interface Simulated extends Work {
  readonly name: string;
  readonly ended: Ended | undefined;
  readonly inbox: Inbox;
}

/** What simulated executions need of their world. */
export interface SimulationHost {
  readonly clock: VirtualClock;
  readonly codec: PayloadCodec;
  readonly chance: Chance;
  readonly mocks: Mocks;
  readonly gates: GateKeeper;
  /** Whether coroutines are abandoned at all. */
  readonly isCrashing: boolean;
  start(making: NewSimulated): Simulated;
  startChild(effect: CallEffect | MapEffect, child: NewChild): Simulated;
  execution(id: string): Simulated | undefined;
  /** What the next run of a function runs: the version registered last. */
  nextFunction(fn: Workflow<unknown[], unknown>): Workflow<unknown[], unknown>;
  /** How attempts of a function are made, what is set at the place of call over what its definition says. */
  policyOf(fn: AnyDurable, options: StoredOptions | undefined): AttemptPolicy;
  /** Nobody's code may catch it: the simulation is over. */
  fail(error: unknown): void;
  /** After a journal write: is the run abandoned now? */
  crashesNow(): boolean;
  /** An attempt has ended well: does its function run once more? */
  completesAgain(): boolean;
  /** Code of the user's has begun, which real time passes in … */
  begun(): void;
  /** … and is over. */
  over(): void;
  /** A call of an activity, a child or a closure has its outcome. */
  called(name: string, args: readonly unknown[], ok: boolean): void;
}
