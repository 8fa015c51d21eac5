import { ExpiryError } from "../errors.ts";
import { Abandoned } from "./branches.ts";
import { addErrors } from "./closing-errors.ts";
import type { Closing, Node, Parent, Settlement } from "./node.ts";
import { Part } from "./part.ts";

/** `shield`: closing stops here; what is inside goes on, and its value is delivered. */
export class Shield extends Part implements Node {
  #branch: Node | undefined;

  constructor(parent: Parent, branch: (parent: Parent) => Node) {
    super(parent);
    this.#branch = branch(this);
  }

  override get closing(): undefined {
    return undefined;
  }

  begin(): Settlement | undefined {
    return this.#branch?.begin();
  }

  close(): undefined {
    return undefined;
  }

  settled(_branch: Node, how: Settlement): void {
    this.#branch = undefined;
    this.parent.settled(this, how);
  }
}

/** What a deadline needs of the coroutine. */
export interface DeadlineHost {
  /** Errors that nobody can catch any more. */
  leaveUnheard(errors: readonly unknown[]): void;
  /** The error that stands for the deadline, so that it is known which delivery it goes back to. */
  thrown(error: ExpiryError): void;
}

/** `within`: a branch, and a timer that closes it. The timer is the entry; a branch that ends in time withdraws it. */
export class Within extends Part implements Node {
  readonly #host: DeadlineHost;
  readonly #duration: number;
  readonly #timer: Node;
  readonly #branch: Node;
  #closing: Closing | undefined;
  #expiry: ExpiryError | undefined;
  #timed = true;

  constructor(
    duration: number,
    parent: Parent,
    host: DeadlineHost,
    parts: { timer: (parent: Parent) => Node; branch: (parent: Parent) => Node },
  ) {
    super(parent);
    this.#duration = duration;
    this.#host = host;
    this.#timer = parts.timer(this);
    this.#branch = parts.branch(this);
  }

  override get closing(): Closing | undefined {
    return this.#closing ?? super.closing;
  }

  begin(): Settlement | undefined {
    const refused = this.#timer.begin();
    if (refused !== undefined) return refused;
    const how = this.#branch.begin();
    return how === undefined ? undefined : this.#conclusion(how);
  }

  /** From outside: the deadline does not interrupt the clean-up. */
  close(closing: Closing): Settlement | undefined {
    if (this.#closing !== undefined) return undefined;
    this.#closing = closing;
    this.#endTimer();
    const how = this.#branch.close(closing);
    return how === undefined ? undefined : this.#conclusion(how);
  }

  settled(part: Node, how: Settlement): void {
    const conclusion = part === this.#timer ? this.#expire() : this.#conclusion(how);
    if (conclusion !== undefined) this.parent.settled(this, conclusion);
  }

  #expire(): Settlement | undefined {
    this.#timed = false;
    this.#expiry = new ExpiryError(
      "WAIT_EXPIRED",
      `the branch under within did not end in its ${this.#duration} ms, and was closed`,
    );
    this.#host.thrown(this.#expiry);
    this.#closing = { reason: this.#expiry, awaited: undefined };
    const how = this.#branch.close(this.#closing);
    return how === undefined ? undefined : this.#conclusion(how);
  }

  #conclusion(how: Settlement): Settlement {
    this.#endTimer();
    const expiry = this.#expiry;
    if (expiry === undefined) return how;
    const errors =
      how.kind === "closed" ? (how.errors ?? []) : how.kind === "error" ? [how.error] : [];
    if (!addErrors(expiry, errors)) this.#host.leaveUnheard(errors);
    return { kind: "error", error: expiry };
  }

  #endTimer(): void {
    if (!this.#timed) return;
    this.#timed = false;
    this.#timer.close(new Abandoned("the branch ended in time"));
  }
}
