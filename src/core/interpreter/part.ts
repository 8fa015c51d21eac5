import type { Closing, ForkOwner, Node, Parent, Settlement } from "./node.ts";

/** A part of the workflow within another one, of which it has what it does not say itself. */
export abstract class Part implements Parent {
  protected readonly parent: Parent;

  constructor(parent: Parent) {
    this.parent = parent;
  }

  get owner(): ForkOwner {
    return this.parent.owner;
  }

  get closing(): Closing | undefined {
    return this.parent.closing;
  }

  get aside(): boolean {
    return this.parent.aside;
  }

  abstract settled(child: Node, how: Settlement): void;
}
