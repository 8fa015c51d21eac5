/** What only faults bring about. One that never happens in many runs is a hole in the simulation. */
export const rareEvents = [
  "a worker crashed",
  "a crash between a commit and its answer",
  "a commit applied after its process had crashed",
  "a crash while an activity ran",
  "a worker paused",
  "a pause past the lease",
  "a session found itself dead",
  "a stale turn was refused",
  "a stale task outcome was refused",
  "a stale claim was refused",
  "a commit applied while its process was paused",
  "a parking was refused, since something had arrived",
  "an operation lost before it applied",
  "a commit's answer came seconds late",
  "a hint dropped",
  "a hint doubled",
  "hints reordered",
  "the clock jumped ahead",
  "the clock was set back",
  "a newer version deployed",
  "a worker drained",
  "a client crashed",
  "a request repeated without its answer",
  "the disk was full",
  "an attempt was lost with its worker",
  "an attempt began again beside a lost one",
  "a journal was replayed",
  "a dead letter was replayed",
  "a transaction's closure ran",
  "two places of a limit were taken at once",
  "an idempotent result stood for another call",
] as const;

export type RareEvent = (typeof rareEvents)[number];

/** How often each rare event has happened. */
export class RareEventCounts {
  readonly #counts = new Map<RareEvent, number>(rareEvents.map((event) => [event, 0]));

  happened(event: RareEvent): void {
    this.#counts.set(event, this.of(event) + 1);
  }

  of(event: RareEvent): number {
    return this.#counts.get(event) ?? 0;
  }

  add(other: RareEventCounts): void {
    for (const event of rareEvents) this.#counts.set(event, this.of(event) + other.of(event));
  }

  get missing(): RareEvent[] {
    return rareEvents.filter((event) => this.of(event) === 0);
  }
}
