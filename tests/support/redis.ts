/** Redis for tests: servers of their own to stop, kill and start again, and the one that TEST_REDIS_URL names. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const given = process.env["TEST_REDIS_URL"] ?? "";
const portTries = 5;
const binary = (process.env["PATH"] ?? "")
  .split(delimiter)
  .map((folder) => join(folder, "redis-server"))
  .find((path) => existsSync(path));

/** For `describe` or `test`: skips what needs any Redis where there is none. Never where CI is set: there it fails. */
export const needsRedis = unless(binary !== undefined || given !== "");

/** The same for what stops and starts servers, for which TEST_REDIS_URL will not do. */
export const needsRedisServer = unless(binary !== undefined);

/** The address of a Redis that tests share, and what ends it. */
export async function sharedRedis(): Promise<{
  readonly url: string;
  end(this: void): Promise<void>;
}> {
  if (given !== "") return { url: given, end: async () => undefined };
  const server = await RedisServer.create();
  return { url: server.url, end: () => server[Symbol.asyncDispose]() };
}

/** What a server is started with. */
export interface RedisServerOptions {
  /** Settings of redis.conf by name. */
  readonly settings?: Readonly<Record<string, string>>;
  /** A configuration file, which a Sentinel needs. */
  readonly file?: string;
  readonly sentinel?: boolean;
}

/** One redis-server, without anything on disk; it goes with the process that has started it. */
export class RedisServer implements AsyncDisposable {
  readonly #options: RedisServerOptions;
  readonly #port: number;
  #process: ChildProcess | undefined;
  #keeper: ChildProcess | undefined;

  private constructor(options: RedisServerOptions, port: number) {
    this.#options = options;
    this.#port = port;
  }

  /** Starts one on a free port. */
  static async create(options: RedisServerOptions = {}): Promise<RedisServer> {
    for (let tries = 1; ; tries += 1) {
      const server = new RedisServer(options, await freePort());
      try {
        await server.start();
        return server;
      } catch (error) {
        if (tries === portTries) throw error; // else somebody took the port meanwhile
      }
    }
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.#port}`;
  }

  /** Starts it, if it does not run, and waits until it takes connections. */
  async start(): Promise<void> {
    if (this.#process !== undefined) return;
    if (binary === undefined) throw new Error("there is no redis-server on the PATH");
    const child = spawn(binary, this.#parameters(), { stdio: ["ignore", "pipe", "ignore"] });
    child.stdout.setEncoding("utf8");
    let output = "";
    for await (const text of child.stdout.iterator({ destroyOnReturn: false })) {
      output += String(text);
      if (/ready to accept connections|monitor master/i.test(output)) break;
    }
    if (child.exitCode !== null || !/ready|monitor/i.test(output)) {
      throw new Error(`redis-server did not start:\n${output}`);
    }
    child.stdout.resume();
    child.unref();
    if ("unref" in child.stdout) (child.stdout.unref as () => void)();
    this.#keeper = keep(child);
    this.#process = child;
  }

  /** Shuts it down in an orderly way. */
  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  /** kill -9. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  /** It no longer answers, but its connections stay. */
  freeze(): void {
    this.#process?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#process?.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #parameters(): string[] {
    const { settings, file, sentinel = false } = this.#options;
    const all = { port: String(this.#port), bind: "127.0.0.1", dir: tmpdir(), ...settings };
    const memoryOnly = sentinel ? [] : ["--save", "", "--appendonly", "no"];
    return [
      ...(file === undefined ? [] : [file]),
      ...Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]),
      ...memoryOnly,
      ...(sentinel ? ["--sentinel"] : []),
    ];
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (child === undefined) return;
    this.#process = undefined;
    const ended = child.exitCode === null ? once(child, "exit") : undefined;
    child.ref();
    child.kill(signal);
    await ended;
    this.#keeper?.kill();
  }
}

function unless(there: boolean): { readonly skip?: string } {
  if (there || (process.env["CI"] ?? "") !== "") return {};
  return { skip: "no redis-server on the PATH; install it, or name a Redis in TEST_REDIS_URL" };
}

/** A process that waits for this one to end, however it does, and then ends the server. */
function keep(server: ChildProcess): ChildProcess {
  const keeper = spawn(
    "/bin/sh",
    ["-c", 'cat > /dev/null; kill -9 "$1"', "keeper", String(server.pid)],
    {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    },
  );
  keeper.unref();
  if (keeper.stdin !== null && "unref" in keeper.stdin) (keeper.stdin.unref as () => void)();
  return keeper;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
