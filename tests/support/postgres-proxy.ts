/** A way to a PostgreSQL server that a test can cut, hold up or slow down, at its moments of choice. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/**
 * What becomes of one commit: it is carried out and its answer is lost; or it is lost itself; or its sender is cut off, and it comes to
 * the server only when `release` is called.
 */
export type CommitFate = "answer lost" | "lost" | "held";

/** By these a commit of Stent is known on the wire: that of a batch by its name, that of a closure, which has none, by its text. */
const commitMarks = ["stent_commit", "\0commit\0"];

/** A commit that is held up, and where it is to go. */
interface Held {
  readonly chunk: Buffer;
  readonly server: Socket;
}

export class PostgresProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: URL;
  readonly #sockets = new Set<Socket>();
  /** Those of the sockets that lead to whoever works. */
  readonly #clients = new Set<Socket>();
  #fate: CommitFate | undefined;
  #met: (() => void) | undefined;
  readonly #held: Held[] = [];
  #heldAll = false;
  /** How many there have been. */
  connections = 0;
  /** How long whatever is sent takes, either way: the same as long as there are connections. */
  delayMs = 0;
  /** Connections that send this are cut. */
  refused: string | undefined;
  /** What is held while nothing goes through, in its order. */
  #stalled: (() => void)[] | undefined;

  private constructor(server: Server, target: URL) {
    this.#server = server;
    this.#target = target;
    server.on("connection", (client) => this.#join(client));
  }

  static async to(url: string): Promise<PostgresProxy> {
    const server = createServer();
    const proxy = new PostgresProxy(server, new URL(url));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return proxy;
  }

  get url(): string {
    const url = new URL(this.#target);
    url.port = String((this.#server.address() as AddressInfo).port);
    return url.href;
  }

  /** Decides about the next commit. Resolves when that is done; of one that is held, when it has come. */
  nextCommit(fate: CommitFate): Promise<void> {
    this.#fate = fate;
    return new Promise((resolve) => {
      this.#met = resolve;
    });
  }

  /** Whether the commit that is held came with everything that it is to store. */
  get heldAll(): boolean {
    return this.#heldAll;
  }

  /** Lets the commits that are held go on to the server, and waits until that is done with them. */
  async release(): Promise<void> {
    await Promise.all(
      this.#held.splice(0).map(async ({ chunk, server }) => {
        server.end(chunk);
        await once(server, "close");
      }),
    );
  }

  /** Holds everything that is sent, either way, until `resume`. Connections stay as they are. */
  stall(): void {
    this.#stalled ??= [];
  }

  /** Lets go on what was held. */
  resume(): void {
    const held = this.#stalled ?? [];
    this.#stalled = undefined;
    for (const act of held) act();
  }

  /** Cuts connections: each for which `chosen` says so. What they had under way is lost. */
  cut(chosen: () => boolean): void {
    for (const client of this.#clients) if (chosen()) client.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, "close");
  }

  #join(client: Socket): void {
    this.connections += 1;
    this.#clients.add(client);
    const server = connect(Number(this.#target.port), this.#target.hostname);
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => undefined);
      socket.on("close", () => this.#sockets.delete(socket));
    }
    server.on("data", (chunk) => this.#pass(chunk, client));
    server.on("close", () => client.destroy());
    let lost = false;
    client.on("close", () => {
      this.#clients.delete(client);
      if (!lost) server.destroy();
    });
    client.on("data", (chunk) => {
      if (this.refused !== undefined && chunk.includes(this.refused)) {
        client.destroy();
        return;
      }
      if (this.#fate === undefined || !commitMarks.some((mark) => chunk.includes(mark))) {
        this.#pass(chunk, server);
        return;
      }
      lost = true;
      client.destroy();
      this.#meet(this.#fate, chunk, server);
    });
  }

  #meet(fate: CommitFate, chunk: Buffer, server: Socket): void {
    this.#fate = undefined;
    if (fate === "held") {
      this.#heldAll = chunk.includes("begin");
      this.#held.push({ chunk, server });
      this.#met?.();
      return;
    }
    server.once("close", () => this.#met?.());
    // Like the system of a process that has died: what it had sent arrives, and then the end.
    this.#afterDelay(() => (fate === "lost" ? server.destroy() : server.end(chunk)));
  }

  #pass(chunk: Buffer, to: Socket): void {
    this.#afterDelay(() => {
      if (!to.destroyed) to.write(chunk);
    });
  }

  /** In the order in which it is asked for. */
  #afterDelay(act: () => void): void {
    const goesOn = (): void => {
      if (this.#stalled === undefined) act();
      else this.#stalled.push(act);
    };
    if (this.delayMs === 0) goesOn();
    else setTimeout(goesOn, this.delayMs);
  }
}
