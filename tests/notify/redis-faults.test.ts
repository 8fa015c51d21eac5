import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { redis } from "stentjs";
import { isOpenable } from "../../src/notify/openable.ts";
import { MemoryLogger } from "../support/memory-logger.ts";
import { until, type Ending } from "../support/serving.ts";

describe("redis(url)", () => {
  const refused: Record<string, RegExp> = {
    "http://:hunter2@host": /"http:\/\/" is none of Redis/,
    "user:hunter2@host:6379": /without a scheme is none of Redis/,
    "": /without a scheme/,
    "redis://:hunter2@host:99999": /cannot be read/,
    "redis://:hunter2/x@host": /cannot be read.*%2F/,
    "redis://:p%zzhunter2@host": /"%" that stands for no character/,
    "redis://:hunter2@host/abc": /database's number/,
    "redis://host/0#hunter2": /behind "#"/,
    "redis://:hunter2@host?channel=": /empty channel/,
  };
  for (const [url, message] of Object.entries(refused)) {
    test(`refuses ${url || "an empty text"} at once, and shows no password`, () => {
      assert.throws(
        () => redis(url),
        (error) =>
          error instanceof TypeError &&
          message.test(error.message) &&
          !inspect(error)
            .replace(/\n {4}at [^]*/, "")
            .includes("hunter2"),
      );
    });
  }

  test("refuses what is neither a URL nor a client", () => {
    for (const source of [{}, null, 5, { status: "ready" }]) {
      assert.throws(() => redis(source as never), TypeError);
    }
    assert.throws(() => redis("redis://host", { channel: "" }), TypeError);
  });

  for (const url of [
    "redis://host",
    "REDISS://u:p%40@h:1/2?family=6",
    "redis://[::1]:6380",
    "redis:///1",
  ]) {
    test(`takes ${url}`, async () => {
      await redis(url).close();
    });
  }

  test("shows no password when it is printed", async () => {
    const backend = redis("redis://user:hunter2@127.0.0.1:1/0");
    assert.doesNotMatch(inspect(backend, { depth: 9, showHidden: true }), /hunter2/);
    assert.doesNotMatch(JSON.stringify(backend), /hunter2/);
    await backend.close();
  });

  test("without the package says how to install it to who subscribes, and warns who publishes", () => {
    const hooks = `export const resolve = (name, context, next) => {
      if (name === "ioredis") throw Object.assign(new Error("no ioredis"), { code: "ERR_MODULE_NOT_FOUND" });
      return next(name, context);
    }`;
    const hiding = `import { register } from "node:module"; register(${JSON.stringify(dataUrl(hooks))});`;
    const script = `
      import { redis } from ${JSON.stringify(import.meta.resolve("../../src/index.ts"))};
      const warn = console.log;
      const backend = redis("redis://127.0.0.1:1").open({ log: { warn, info: warn } });
      await backend.publish(["a"]);
      await new Promise((resolve) => setTimeout(resolve, 20));
      await backend.subscribe(() => {}).catch(({ name, code, message }) => console.log(name, code, message));
      await backend.close();`;
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ["--import", "tsx", "--import", dataUrl(hiding), "--input-type=module", "--eval", script],
      { cwd: import.meta.dirname, encoding: "utf8" },
    );
    assert.equal(stderr, "");
    const lines = stdout.trimEnd().split("\n");
    assert.equal(lines.length, 2);
    for (const line of lines) assert.match(line, /npm install ioredis/);
    assert.match(lines[1] ?? "", /^DatabaseError DRIVER_MISSING /);
  });
});

describe("a Redis that does not behave", () => {
  test("and repeats the password in its answers does not get it into the log", async (t) => {
    const { url } = await server(t, (socket) => {
      socket.on("data", (data) => {
        const [, ...commands] = String(data).split(/^\*\d+\r\n/m);
        for (const command of commands) {
          const words = command.split("\r\n").filter((word) => !word.startsWith("$"));
          socket.write(`-ERR unknown command: ${words.join(" ")}\r\n`);
        }
      });
    });
    const log = await troubleWith(t, url.replace("//", "//user:hunter2@"));
    assert.match(log[0] ?? "", /\*\*\*/);
    assert.doesNotMatch(log.join(), /hunter2/);
  });

  const manners: Record<string, (socket: Socket) => void> = {
    "ends connections as soon as they are made": (socket) => void socket.end(),
    "resets connections": (socket) => void socket.resetAndDestroy(),
    "answers with something else": (socket) =>
      void socket.on("data", () => socket.write("HTTP/1.1 400\r\n\r\n")),
    "refuses everything": (socket) =>
      void socket.on("data", () => socket.write("-LOADING\r\n".repeat(4))),
  };
  for (const [manner, behave] of Object.entries(manners)) {
    test(`and ${manner} is warned of once, and not stormed`, async (t) => {
      const { url, connections } = await server(t, behave);
      const log = await troubleWith(t, url);
      assert.equal(log.length, 1);
      assert.ok(connections() < 12, `${connections()} connections`);
    });
  }

  test("and never answers holds nobody up, also not close", async (t) => {
    const { url } = await server(t, () => undefined);
    const backend = redis(url);
    await backend.subscribe(() => undefined);
    for (let count = 0; count < 1_000; count += 1) await backend.publish([`t${count}`]);
    await backend.close();
  });
});

/** What is warned of while hints are published for some hundred milliseconds. */
async function troubleWith(t: Ending, url: string): Promise<string[]> {
  const log = new MemoryLogger();
  const described = redis(url);
  assert.ok(isOpenable(described));
  const backend = described.open({ log });
  t.after(() => backend.close());
  await backend.subscribe(() => undefined);
  await until("warned", async () => {
    await backend.publish(["a"]);
    return log.lines.length > 0;
  });
  for (let count = 0; count < 20; count += 1) {
    await backend.publish(["b"]);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return log.lines.filter(({ level }) => level === "warn").map(({ message }) => message);
}

async function server(t: Ending, behave: (socket: Socket) => void) {
  let count = 0;
  const sockets = new Set<Socket>();
  const listening = createServer((socket) => {
    count += 1;
    sockets.add(socket);
    socket.on("error", () => undefined);
    behave(socket);
  });
  listening.listen(0, "127.0.0.1");
  await once(listening, "listening");
  t.after(() => {
    listening.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = listening.address() as AddressInfo;
  return { url: `redis://127.0.0.1:${port}`, connections: () => count };
}

function dataUrl(code: string): string {
  return `data:text/javascript,${encodeURIComponent(code)}`;
}
