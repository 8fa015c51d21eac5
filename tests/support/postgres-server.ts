/** PostgreSQL servers of the tests' own: each in a folder that goes with the process that has started it, however that ends. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chownSync, closeSync, mkdtempSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import pg from "pg";
import { binaries, type Binaries } from "./postgres-binaries.ts";

const exec = promisify(execFile);
const startLimitMs = 60_000;
const portTries = 5;

/** How a server is stopped: "fast" ends the sessions and writes everything out; "immediate" is a crash of its own making; "kill" is kill -9. */
export type StopMode = "fast" | "immediate" | "kill";

const signals = { fast: "SIGINT", immediate: "SIGQUIT", kill: "SIGKILL" } as const;

/** Settings of postgresql.conf by name. */
export type ServerSettings = Readonly<Record<string, string | number>>;

/**
 * What a server of production may be and a developer's is not: text sorts by language, the day begins elsewhere. Durability is as in
 * production.
 */
const defaults: ServerSettings = {
  listen_addresses: "127.0.0.1",
  max_connections: 300,
  TimeZone: "Asia/Kolkata",
  DateStyle: "German",
};

/** One PostgreSQL server: a test may stop it, kill it and start it again, at the same address. */
export class PostgresServer implements AsyncDisposable {
  /** Holds the data (`data`), the log (`log`) and the unix socket. */
  readonly folder: string;
  readonly #binaries: Binaries;
  readonly #settings: ServerSettings;
  readonly #keeper: ChildProcess;
  #port: number;
  #process: ChildProcess | undefined;

  private constructor(made: {
    readonly folder: string;
    readonly binaries: Binaries;
    readonly settings: ServerSettings;
    readonly keeper: ChildProcess;
    readonly port: number;
  }) {
    this.folder = made.folder;
    this.#binaries = made.binaries;
    this.#settings = made.settings;
    this.#keeper = made.keeper;
    this.#port = made.port;
  }

  /** Makes a new server and starts it. */
  static async create(settings: ServerSettings = {}): Promise<PostgresServer> {
    const folder = mkdtempSync(join(tmpdir(), "stent-postgres-"));
    const keeper = keep(folder);
    try {
      const found = await binaries(folder);
      const { uid, gid } = found.runAs;
      if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid);
      await initialize(found, folder);
      const server = new PostgresServer({
        folder,
        binaries: found,
        settings: { ...defaults, ...settings },
        keeper,
        port: await freePort(),
      });
      await server.#startOnAFreePort();
      return server;
    } catch (error) {
      await letGo(keeper);
      throw error;
    }
  }

  /** The address of its database postgres, as its superuser. */
  get url(): string {
    return `postgresql://stent:secret@127.0.0.1:${this.#port}/postgres`;
  }

  get port(): number {
    return this.#port;
  }

  /** Starts it, if it does not run, and waits until it takes connections. */
  async start(settings: ServerSettings = {}): Promise<void> {
    if (this.#process !== undefined) return;
    const giveUpAt = Date.now() + startLimitMs;
    for (;;) {
      const trouble = await this.#tryToStart(settings, giveUpAt);
      if (trouble === undefined) return;
      // After kill -9 the processes that served its sessions take a moment to notice.
      if (!/shared memory block .*still in use/.test(trouble) || Date.now() > giveUpAt) {
        throw new Error(`PostgreSQL did not start:\n${trouble}`);
      }
      await pause(50);
    }
  }

  /** Stops it, if it runs, and waits until it has ended. */
  async stop(mode: StopMode = "fast"): Promise<void> {
    const running = this.#process;
    if (running === undefined) return;
    const ended = running.exitCode === null ? once(running, "exit") : undefined;
    running.kill(signals[mode]);
    running.ref();
    await ended;
    this.#process = undefined;
  }

  async restart(mode: StopMode = "fast", settings: ServerSettings = {}): Promise<void> {
    await this.stop(mode);
    await this.start(settings);
  }

  /** Ends it and removes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    await letGo(this.#keeper);
    await this.stop("kill");
  }

  /** Somebody else may take the port between its choice and its use. */
  async #startOnAFreePort(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await this.start();
        return;
      } catch (error) {
        const taken = error instanceof Error && error.message.includes("Address already in use");
        if (!taken || tries === portTries) throw error;
        this.#port = await freePort();
      }
    }
  }

  /** What the log says where the server ended instead of starting. */
  async #tryToStart(settings: ServerSettings, giveUpAt: number): Promise<string | undefined> {
    const all = { ...this.#settings, ...settings, port: this.#port };
    const options = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const logPath = join(this.folder, "log");
    const logStart = sizeOf(logPath);
    const log = openSync(logPath, "a");
    const child = spawn(
      this.#binaries.postgres,
      ["-D", join(this.folder, "data"), "-k", this.folder, ...options],
      {
        ...this.#binaries.runAs,
        cwd: this.folder,
        // Ctrl-C is for the tests; what becomes of the server is the keeper's matter.
        detached: true,
        stdio: ["ignore", log, log],
      },
    );
    closeSync(log);
    child.unref();
    while (child.exitCode === null && child.signalCode === null) {
      if (await answers(this.url)) {
        this.#process = child;
        return undefined;
      }
      if (Date.now() > giveUpAt) {
        child.kill("SIGKILL");
        break;
      }
      await pause(20);
    }
    return readFileSync(logPath, "utf8").slice(logStart);
  }
}

/**
 * A process that waits for this one to end, however it does, then ends the server and removes its folder. It knows by its standard
 * input, which nobody else holds.
 */
function keep(folder: string): ChildProcess {
  const script = `
    cat > /dev/null
    pid="$(head -n 1 "$1/data/postmaster.pid" 2> /dev/null)"
    if [ -n "$pid" ] && kill -s QUIT "$pid" 2> /dev/null; then
      tries=0
      while [ $tries -lt 100 ] && kill -0 "$pid" 2> /dev/null; do tries=$((tries + 1)); sleep 0.05; done
    fi
    rm -rf "$1"`;
  const keeper = spawn("/bin/sh", ["-c", script, "keeper", folder], {
    cwd: "/",
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  keeper.unref();
  if (keeper.stdin !== null && "unref" in keeper.stdin) (keeper.stdin.unref as () => void)();
  return keeper;
}

async function letGo(keeper: ChildProcess): Promise<void> {
  if (keeper.exitCode !== null) return;
  const ended = once(keeper, "exit");
  keeper.ref();
  keeper.stdin?.end();
  await ended;
}

async function initialize({ initdb, runAs }: Binaries, folder: string): Promise<void> {
  const passwordFile = join(folder, "password");
  writeFileSync(passwordFile, "secret\n");
  const options = [
    ["-D", join(folder, "data")],
    ["-U", "stent", "--pwfile", passwordFile, "--auth", "scram-sha-256"],
    ["--encoding", "UTF8", "--locale", "C", "--locale-provider", "icu", "--icu-locale", "en"],
    ["--no-sync", "--no-instructions"],
  ];
  await exec(initdb, options.flat(), { ...runAs, cwd: folder });
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function sizeOf(path: string): number {
  try {
    return readFileSync(path, "utf8").length;
  } catch {
    return 0;
  }
}
