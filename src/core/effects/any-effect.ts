import type { AllEffect, AllSettledEffect, BranchEffect, RaceEffect } from "./branch.ts";
import type { CallEffect } from "./call.ts";
import type { CancelEffect, ForkEffect, JoinEffect } from "./fork.ts";
import type {
  ContinueAsNewEffect,
  DispatchEffect,
  PatchedEffect,
  TransactionEffect,
} from "./lineage.ts";
import type { RandomEffect, RunEffect, UuidEffect } from "./local.ts";
import type { MapEffect } from "./map.ts";
import type {
  CounterAddEffect,
  CounterGetEffect,
  ProgressEffect,
  StateGetEffect,
  StateSetEffect,
} from "./record.ts";
import type { CancelledEffect, CompensateEffect, ShieldEffect, WithinEffect } from "./scope.ts";
import type { SendSignalEffect, SignalEffect } from "./signal.ts";
import type { NowEffect, SleepEffect, SleepUntilEffect } from "./time.ts";

/** Every effect there is, told apart by `kind`: for middleware, policies and tests. */
export type AnyEffect =
  | AllEffect
  | AllSettledEffect
  | BranchEffect
  | CallEffect
  | CancelEffect
  | CancelledEffect
  | CompensateEffect
  | ContinueAsNewEffect
  | CounterAddEffect
  | CounterGetEffect
  | DispatchEffect
  | ForkEffect
  | JoinEffect
  | MapEffect
  | NowEffect
  | PatchedEffect
  | ProgressEffect
  | RaceEffect
  | RandomEffect
  | RunEffect
  | SendSignalEffect
  | ShieldEffect
  | SignalEffect
  | SleepEffect
  | SleepUntilEffect
  | StateGetEffect
  | StateSetEffect
  | TransactionEffect
  | UuidEffect
  | WithinEffect;
