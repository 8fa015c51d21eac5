import type { Workload } from "./setting.ts";
import { chain } from "./workloads/chain.ts";
import { chains } from "./workloads/chains.ts";
import { claims } from "./workloads/claims.ts";
import { cleanup } from "./workloads/cleanup.ts";
import { fanout } from "./workloads/fanout.ts";
import { history } from "./workloads/history.ts";
import { hello } from "./workloads/hello.ts";
import { jobs } from "./workloads/jobs.ts";
import { latency } from "./workloads/latency.ts";
import { resume } from "./workloads/resume.ts";
import { operators } from "./workloads/operators.ts";
import { rounds } from "./workloads/rounds.ts";
import { sleepers } from "./workloads/sleepers.ts";

/** Every workload by its name. */
export const workloads = {
  hello,
  chain,
  chains,
  fanout,
  jobs,
  latency,
  sleepers,
  resume,
  rounds,
  history,
  claims,
  cleanup,
  operators,
} satisfies Record<string, Workload>;

export type WorkloadName = keyof typeof workloads;

/** Whether there is a workload of that name. */
export function isWorkload(name: string): name is WorkloadName {
  return Object.hasOwn(workloads, name);
}
