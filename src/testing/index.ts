/** `stentjs/testing`: workflows tested at four distances, none of which needs a server, a container or a patched global. */
export { mock, mockClosure, type Mock } from "./mock.ts";
export {
  simulate,
  type SimulatedSignal,
  type SimulateOptions,
  type Simulation,
} from "./simulate.ts";
export { step, type Stepper } from "./step.ts";
