/** `stentjs/testing`: workflows tested at four distances, none of which needs a server, a container or a patched global. */
export { step, type Stepper } from "./step.ts";
