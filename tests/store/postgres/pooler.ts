import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import type { Ending } from "../../support/serving.ts";

/**
 * What stands between as PgBouncer does: it has a number of its own for each connection, and does not take `options` when one starts: it
 * refuses them, or ignores them where its configuration says so. Gives the URL that leads through it.
 */
export async function pooler(t: Ending, url: string, does: "refuse" | "ignore"): Promise<string> {
  const { port, hostname } = new URL(url);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
    }
    client.once("data", (packet) => {
      if (does === "refuse" && packet.includes("\0options\0")) {
        client.end(refusal("unsupported startup parameter: options"));
        upstream.destroy();
        return;
      }
      upstream.write(withoutOptions(packet));
      client.pipe(upstream);
    });
    upstream.on("data", (data) => client.write(withOtherKey(data)));
    upstream.on("end", () => client.end());
    client.on("close", () => upstream.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const through = new URL(url);
  through.port = String((server.address() as AddressInfo).port);
  return through.href;
}

/** Length, version of the protocol, then names and values, each with a NUL behind it. */
function withoutOptions(packet: Buffer): Buffer {
  const words = packet.subarray(8).toString("latin1").split("\0");
  const at = words.indexOf("options");
  if (at >= 0) words.splice(at, 2);
  const body = Buffer.from(words.join("\0"), "latin1");
  const head = Buffer.from(packet.subarray(0, 8));
  head.writeInt32BE(8 + body.length);
  return Buffer.concat([head, body]);
}

/** The message "K" of twelve bytes holds the number of the session's process. */
function withOtherKey(data: Buffer): Buffer {
  const at = data.indexOf(Buffer.from([0x4b, 0, 0, 0, 12]));
  if (at >= 0) data.writeInt32BE(7, at + 5);
  return data;
}

function refusal(message: string): Buffer {
  const body = Buffer.from(`SFATAL\0C08P01\0M${message}\0\0`);
  const head = Buffer.from([0x45, 0, 0, 0, 0]);
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, body]);
}
