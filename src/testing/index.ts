/** `stentjs/testing`: workflows tested at four distances, none of which needs a server, a container or a patched global. */
export { explore, type Exploration, type ExploreOptions, type PathOutcome } from "./explore.ts";
export type { Answer } from "./exploration/decision.ts";
export { formatHistory } from "./format-history.ts";
export { mock, mockClosure, type Mock } from "./mock.ts";
export { replay, type Replay } from "./replay.ts";
export {
  replayDirectory,
  replayExport,
  type ReplayedExecution,
  type ReplayedFile,
  type ReplayExportOptions,
} from "./replay-exports.ts";
export {
  simulate,
  type SimulatedSignal,
  type SimulateOptions,
  type Simulation,
} from "./simulate.ts";
export { step, type Stepper } from "./step.ts";
export { testClock, type TestClock } from "./test-clock.ts";
export { testStent, type TestContext, type TestStentOptions } from "./test-stent.ts";
