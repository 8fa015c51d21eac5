import type { Delivery } from "../../core/interpreter/turn.ts";
import type { Payload, PayloadCodec } from "../../core/payload.ts";
import { signalPlace } from "../../core/places.ts";

/** Messages of one execution that nothing has consumed yet: by name, oldest first. */
export class Inbox {
  readonly #codec: PayloadCodec;
  readonly #owner: string;
  readonly #arrived: () => void;
  readonly #messages = new Map<string, Payload[]>();
  /** Messages that a turn has taken, by the delivery that they are. */
  readonly #taken = new Map<Delivery, { readonly name: string; readonly payload: Payload }>();

  constructor(codec: PayloadCodec, owner: string, arrived: () => void) {
    this.#codec = codec;
    this.#owner = owner;
    this.#arrived = arrived;
  }

  /** @throws SerializationError */
  send(name: string, payload: unknown): void {
    this.put(name, this.#codec.encode(payload, signalPlace(this.#owner, name), "payload"));
  }

  put(name: string, payload: Payload): void {
    this.#messages.set(name, [...(this.#messages.get(name) ?? []), payload]);
    this.#arrived();
  }

  /** One message for each wait, as far as there are any: first come, first served. */
  deliveries(waits: ReadonlyMap<string, ReadonlySet<string>>): readonly Delivery[] {
    this.#taken.clear();
    const deliveries: Delivery[] = [];
    for (const [name, paths] of waits) {
      for (const path of paths) {
        const payload = this.#messages.get(name)?.shift();
        if (payload === undefined) break;
        const value = this.#codec.decode(payload, signalPlace(this.#owner, name));
        const delivery: Delivery = { kind: "outcome", path, outcome: { ok: true, value } };
        this.#taken.set(delivery, { name, payload });
        deliveries.push(delivery);
      }
    }
    return deliveries;
  }

  /** Their wait was over before they could be delivered, as that of a race's loser is: they stay for the next one. */
  takeBack(refused: readonly Delivery[]): void {
    for (const delivery of refused.toReversed()) {
      const message = this.#taken.get(delivery);
      if (message === undefined) continue;
      const { name, payload } = message;
      this.#messages.set(name, [payload, ...(this.#messages.get(name) ?? [])]);
    }
  }
}
