import type { TransactionEffect } from "../core/effects/lineage.ts";
import type { SendSignalEffect } from "../core/effects/signal.ts";
import type { TurnEntry } from "../core/interpreter/turn.ts";
import type { Payload } from "../core/payload.ts";
import type { Hold } from "./hold.ts";
import type { RetriedStep } from "./local-steps.ts";
import { Origin } from "./origin.ts";
import type { Outbound } from "./outbound.ts";
import { OutgoingCalls, type AskedAgain } from "./outgoing-calls.ts";
import { childOf } from "./outgoing-child.ts";
import { dispatchOf } from "./outgoing-dispatch.ts";
import { sendMap } from "./outgoing-map.ts";
import { messageOf } from "./outgoing-message.ts";
import { dispatchedId } from "./run-facts.ts";
import type { TurnBuilder } from "./turn-builder.ts";

/** Decides where and how the work of entries runs, here at once or in the queue, and writes that into their rows and into what the turn asks for. */
export class Outgoing {
  readonly #origin: Origin;
  readonly #calls: OutgoingCalls;

  constructor(hold: Hold) {
    this.#origin = new Origin(hold);
    this.#calls = new OutgoingCalls(this.#origin);
  }

  /** New entries. `slotKept`: the claim has kept a slot for the first activity of this turn. @returns whether it was used. */
  send(
    entries: Iterable<TurnEntry>,
    builder: TurnBuilder,
    outbound: Outbound,
    slotKept: boolean,
  ): boolean {
    let kept = slotKept;
    for (const entry of entries) {
      if (entry.effect?.kind === "call" && entry.kind === "call")
        kept = this.#calls.send(entry, entry.effect, builder, outbound, kept);
      else this.#sendOther(entry, builder, outbound);
    }
    return slotKept && !kept;
  }

  /** An activity whose attempt was lost, or that is asked for anew. */
  again(step: AskedAgain, builder: TurnBuilder, outbound: Outbound): void {
    this.#calls.again(step, builder, outbound);
  }

  /** A failed activity that is tried again. */
  retryLater(step: RetriedStep, builder: TurnBuilder, outbound: Outbound): void {
    this.#calls.retryLater(step, builder, outbound);
  }

  /** A closure that the store runs here, once the turn that begins it is stored. */
  transact(
    path: string,
    { name, fn }: TransactionEffect,
    builder: TurnBuilder,
    outbound: Outbound,
  ): void {
    const open = builder.entry(path);
    if (open === undefined) return;
    const { seq, attempt } = open;
    outbound.add("transactions", { path, seq, name, attempt, fn });
  }

  /** A message whose sending was not answered. */
  resend(
    path: string,
    effect: SendSignalEffect,
    input: Payload,
    builder: TurnBuilder,
    outbound: Outbound,
  ): void {
    const open = builder.entry(path);
    if (open !== undefined) outbound.add("sends", messageOf(this.#origin, open, effect, input));
  }

  #sendOther(entry: TurnEntry, builder: TurnBuilder, outbound: Outbound): void {
    const { effect, path } = entry;
    const origin = this.#origin;
    switch (effect?.kind) {
      case "call": {
        const open = builder.entry(path);
        if (open !== undefined) outbound.add("children", childOf(origin, entry, effect, open.seq));
        return;
      }
      case "map":
        return sendMap(origin, entry, effect, builder, outbound);
      case "sendSignal":
        // The receiver, for who reads the history.
        builder.place(path, { options: JSON.stringify({ execution: effect.execution }) });
        return this.resend(path, effect, entry.input as Payload, builder, outbound);
      case "dispatch": {
        const id = dispatchedId(entry, origin.run);
        // Its id, for who reads the history.
        builder.place(path, { options: JSON.stringify({ execution: id }) });
        const open = builder.entry(path);
        const input = entry.input as Payload;
        if (open !== undefined)
          outbound.add(
            "dispatches",
            dispatchOf(effect, { id, seq: open.seq, input, trace: origin.trace }),
          );
        return;
      }
      case "run":
        builder.place(path, { attempt: 1, here: true, startedAt: origin.now() });
        return outbound.add("closures", { path, fn: effect.fn });
      case "transaction":
        builder.place(path, { attempt: 1, here: true, startedAt: origin.now() });
        return this.transact(path, effect, builder, outbound);
      default: // what waits for time or for others asks for nothing
    }
  }
}
