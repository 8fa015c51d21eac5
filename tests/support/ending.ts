/** What of node:test's context is needed where something is to be put away after a test. */
export interface Ending {
  after(fn: () => unknown): void;
}
