import type { EntryKind } from "../journal.ts";
import { ErrorSources } from "./error-sources.ts";
import type { Ledger } from "./ledger.ts";
import type { Recorded } from "./recorded.ts";
import type { Facts } from "./turn.ts";
import { UnwaitedEffects } from "./unwaited-effects.ts";
import { Waiting } from "./waiting.ts";
import { WorkflowTurn } from "./workflow-turn.ts";

/** What the parts of a coroutine share: how far its run has come, and the turn that is under way. */
export class RunState {
  readonly ledger: Ledger;
  /** Effects that wait for the host. */
  readonly waiting = new Waiting();
  readonly unwaited = new UnwaitedEffects();
  readonly sources = new ErrorSources();
  #facts: Facts = noFacts;
  #turn = new WorkflowTurn();
  #recorded: Recorded | undefined;
  #deliveries = 0;

  constructor(ledger: Ledger) {
    this.ledger = ledger;
  }

  /** What the turn is given of the world. */
  get facts(): Facts {
    return this.#facts;
  }

  /** Collects what the turn does. */
  get turn(): WorkflowTurn {
    return this.#turn;
  }

  /** In replay only. */
  get recorded(): Recorded | undefined {
    return this.#recorded;
  }

  /** How many deliveries there have been. */
  get deliveries(): number {
    return this.#deliveries;
  }

  beginTurn(facts: Facts): WorkflowTurn {
    this.#facts = facts;
    this.#turn = new WorkflowTurn();
    return this.#turn;
  }

  beginReplay(recorded: Recorded): void {
    this.#recorded = recorded;
  }

  /** What was collected has been stored before. */
  endReplay(): void {
    this.#recorded = undefined;
    this.#turn = new WorkflowTurn();
  }

  /** Takes the number of the next delivery: of an answer at the yield, too. */
  number(): number {
    this.#deliveries += 1;
    return this.#deliveries;
  }

  /** Something has arrived for the workflow. @returns its number */
  beginDelivery(): number {
    this.unwaited.reset();
    return this.number();
  }

  /** As the journal keeps it. @throws what the host's encoder throws */
  encode(value: unknown, entry: { readonly kind: EntryKind; readonly path: string }): unknown {
    return this.#facts.encode === undefined ? value : this.#facts.encode(value, entry);
  }
}

const noFacts: Facts = {
  now: () => 0,
  random: () => 0,
  uuid: () => "",
};
