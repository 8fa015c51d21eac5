import { readFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { PostgresServer } from "../../tests/support/postgres-server.ts";
import { cpuMsOf } from "../cpu-time.ts";
import { countLeftBehind, type LeftBehind, type Scratch } from "../scratch.ts";
import { preloadFinished } from "./preload.ts";
import { PostgresRawLimit } from "./raw-limit.ts";

/** Databases on a server of the run's own, or on the one of a URL. */
export class PostgresScratch implements Scratch {
  readonly backend = "postgres";
  readonly #server: PostgresServer | undefined;
  readonly #url: string;
  readonly #admin: pg.Client;
  readonly #name = `stent_bench_${process.pid}`;

  private constructor(server: PostgresServer | undefined, url: string, admin: pg.Client) {
    this.#server = server;
    this.#url = url;
    this.#admin = admin;
  }

  static async open(given: string | undefined): Promise<PostgresScratch> {
    const server = given === undefined ? await PostgresServer.create() : undefined;
    const url = given ?? server?.url ?? "";
    const admin = new pg.Client({ connectionString: url });
    admin.on("error", () => undefined); // the next statement says so
    await admin.connect();
    return new PostgresScratch(server, url, admin);
  }

  async fresh(): Promise<string> {
    return this.#create(this.#name, "template1");
  }

  async preload(executions: number): Promise<void> {
    await preloadFinished(await this.#create(this.#original, "template1"), executions);
  }

  async preloaded(): Promise<string> {
    return this.#create(this.#name, this.#original);
  }

  openRaw(address: string): Promise<PostgresRawLimit> {
    return PostgresRawLimit.open(address);
  }

  async leftBehind(address: string): Promise<LeftBehind> {
    const client = new pg.Client({ connectionString: address, options: "-c search_path=stent" });
    await client.connect();
    const { rows } = await client.query<{ rows: string; bytes: string }>(
      `select counted.rows, pg_database_size(current_database()) as bytes from (${countLeftBehind}) as counted`,
    );
    await client.end();
    return { rows: Number(rows[0]?.rows), mb: Number(rows[0]?.bytes) / 1_048_576 };
  }

  cpuMs(): number | undefined {
    if (this.#server === undefined) return undefined;
    const [pid] = readFileSync(join(this.#server.folder, "data/postmaster.pid"), "utf8").split(
      "\n",
    );
    return cpuMsOf(Number(pid));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#drop(this.#name);
    await this.#drop(this.#original);
    await this.#admin.end();
    await this.#server?.[Symbol.asyncDispose]();
  }

  /** The template of a preloaded one. */
  get #original(): string {
    return `${this.#name}_original`;
  }

  /** What was written before is on disk then, so that nobody writes it out while something is measured. */
  async #create(name: string, template: string): Promise<string> {
    await this.#drop(name);
    const strategy = template === "template1" ? "wal_log" : "file_copy";
    await this.#admin.query(
      `create database "${name}" template "${template}" strategy ${strategy}`,
    );
    await this.#admin.query("checkpoint");
    const url = new URL(this.#url);
    url.pathname = `/${name}`;
    return url.href;
  }

  async #drop(name: string): Promise<void> {
    await this.#admin.query(`drop database if exists "${name}" with (force)`);
  }
}
