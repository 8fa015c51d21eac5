import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { after, before, describe, test, type TestContext } from "node:test";
import { compiledExamples } from "./compiled.ts";

const root = join(import.meta.dirname, "../..");
const limitMs = 60_000;

interface Example {
  readonly folder: string;
  /** What a run in an empty folder prints; lines for which `skips` stands are left out. */
  readonly prints: readonly string[];
  /** Lines that depend on how fast the machine is. */
  readonly skips?: RegExp;
  /**
   * Killed once it has printed such a line, and started again, it ends with the same lines, so many of them. What `notAgain` matches was done
   * before: the second process does not do it again.
   */
  readonly killedAt?: {
    readonly line: RegExp;
    readonly lastLines: number;
    readonly notAgain?: RegExp;
  };
}

const examples: readonly Example[] = [
  {
    folder: "02-saga-trip-booking",
    prints: [
      "Ada:",
      "  book flight to Lisbon",
      "  book hotel to Lisbon",
      "  book car to Lisbon",
      "  charge Ada 90000 cents",
      "  Ada goes to Lisbon",
      "Bob:",
      "  book flight to Sydney",
      "  book hotel to Sydney",
      "  book car to Sydney",
      "  cancel car",
      "  cancel hotel",
      "  cancel flight",
      "  no trip: the card of Bob was declined",
    ],
    killedAt: {
      line: /book car to Sydney/,
      lastLines: 1,
      notAgain: /book (flight|hotel)|charge Ada/,
    },
  },
  {
    folder: "03-batch-processing",
    skips: /^(import record|import file|read): /,
    prints: [
      "396 imported, 4 rejected",
      "  line 43: no email: nobody",
      "  line 140: no email: nobody",
      "  line 237: no email: nobody",
      "  line 334: no email: nobody",
    ],
    killedAt: { line: /[1-9]\d* of 400 items/, lastLines: 5 },
  },
  {
    folder: "04-human-approval",
    // The server's answers and the worker's mails overtake each other.
    skips: /^mail to /,
    prints: [
      'PUT / 202 {"id":"taxi-17"}',
      'POST /decision 400 {"error":"the payload of signal \\"decision\\" was refused by its schema: it takes { approved: boolean, by: string }"}',
      'POST /decision 202 {"id":"taxi-17"}',
      'GET / 200 {"status":"completed","phase":"approved","outcome":"approved by Grace"}',
      'POST /decision 409 {"error":"it was decided before"}',
    ],
    killedAt: { line: /mail to Ada/, lastLines: 2, notAgain: /mail to the manager/ },
  },
  {
    folder: "05-parallel-scraper",
    prints: [
      "37 pages, from Page 1 to Page 40",
      "broken: /page/13 is not there",
      "never more than 8 at a time",
    ],
  },
  {
    folder: "06-research-agent",
    prints: [
      "model: turn 1, 1 messages",
      "model: turn 2, 4 messages",
      "human: approval of 3? yes",
      "published: Be durable.",
      "human: more tokens? yes",
      "model: turn 3, 6 messages",
      "Durable functions are well studied.",
      "1500 tokens",
    ],
    killedAt: { line: /published/, lastLines: 4, notAgain: /turn [12]/ },
  },
  {
    folder: "07-subscription-billing",
    prints: [
      ...[1, 2, 3, 4, 5, 6, 7].map((month) => `month ${month}: Ada pays 900`),
      ...[8, 9, 10, 11, 12].map((month) => `month ${month}: Ada pays 4900`),
      "cancelled",
      "365 days, 30800 cents billed, 27 crashes",
    ],
  },
  {
    folder: "08-transactional-outbox",
    prints: [
      "mail about A: taken",
      "mail about B: taken",
      "mail about C: sold out",
      "no order D: RangeError: we sell no boats",
      "A taken, B taken, C sold out",
      "[ { sku: 'book', left: 0 } ]",
      "3 executions",
    ],
    killedAt: { line: /mail about A/, lastLines: 3 },
  },
  {
    folder: "09-web-framework",
    prints: [
      'PUT /orders/1 202 {"id":"order-1"}',
      'PUT /orders/1 202 {"id":"order-1"}',
      'GET /orders/1 200 {"state":"completed","value":"a cup of tea"}',
      "GET /orders/2 404 ",
      'GET /readyz 200 {"status":"ok","database":{"reachable":true},"workers":[]}',
    ],
  },
  {
    folder: "10-versioning",
    prints: [
      "release 1",
      "  order-A and invoice-A wait for their customer",
      "release 2",
      "  order-A (version none): charged A",
      "  order-B (version none): checked B, charged B",
      "  invoice-A (version 1): sent A by post",
      "  invoice-B (version 2): sent B by mail, charged B",
    ],
  },
  {
    folder: "11-media-pipeline",
    skips: /░/,
    prints: [
      "one worker was killed, another one starts",
      "one worker was killed, another one starts",
      "Metropolis ████████   Nosferatu ████████   Sunrise ████████",
      "3 of 3 films are whole",
    ],
    killedAt: { line: /killed/, lastLines: 2 },
  },
];

/** What the tests beside this one run. */
const runElsewhere = ["01-quickstart", "12-embedding"];

test("every example is listed, is run, and says how to run it", () => {
  const folders = readdirSync(join(root, "examples"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .toSorted();
  assert.deepEqual([...examples.map(({ folder }) => folder), ...runElsewhere].toSorted(), folders);
  const list = readFileSync(join(root, "examples/README.md"), "utf8");
  for (const folder of folders) {
    assert.ok(list.includes(`[${folder}](${folder}/main.ts)`), folder);
    const program = readFileSync(join(root, "examples", folder, "main.ts"), "utf8");
    assert.match(program, /^\/\*\*\n/);
    assert.ok(
      program.includes(` *   npx tsx examples/${folder}/main.ts\n`) || folder === "01-quickstart",
      folder,
    );
  }
});

describe("the examples", { concurrency: 2 }, () => {
  const project = mkdtempSync(join(tmpdir(), "stent-examples-"));
  let programs = "";
  before(() => {
    programs = compiledExamples(project);
  });
  after(() => rmSync(project, { recursive: true }));

  for (const { folder, prints, skips, killedAt } of examples) {
    test(`${folder} prints what it shows, and ends`, async (t) => {
      const { lines, status, errors } = await run(join(programs, folder), emptyFolder(t));
      assert.equal(status, 0, errors);
      assert.deepEqual(
        lines.filter((line) => skips === undefined || !skips.test(line)),
        prints,
      );
    });

    if (killedAt !== undefined)
      test(`${folder} is killed, started again, and ends as if nothing had happened`, async (t) => {
        const place = emptyFolder(t);
        const first = await run(join(programs, folder), place, killedAt.line);
        assert.equal(first.status, "SIGKILL", first.errors);
        const second = await run(join(programs, folder), place);
        assert.equal(second.status, 0, second.errors);
        assert.deepEqual(
          second.lines.filter((line) => killedAt.notAgain?.test(line) === true),
          [],
        );
        const said = second.lines.filter((line) => skips === undefined || !skips.test(line));
        assert.deepEqual(said.slice(-killedAt.lastLines), prints.slice(-killedAt.lastLines));
      });
  }
});

interface Ended {
  readonly lines: readonly string[];
  readonly status: number | NodeJS.Signals | null;
  readonly errors: string;
}

/** Runs it to its end, or to the first line that matches: then it is killed. */
async function run(folder: string, place: string, killAt?: RegExp): Promise<Ended> {
  const program = spawn(process.execPath, [join(folder, "main.js")], {
    cwd: place,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: limitMs,
    killSignal: "SIGABRT",
  });
  const closed = new Promise<number | NodeJS.Signals | null>((resolve) => {
    program.once("close", (exitCode, signal) => resolve(exitCode ?? signal));
  });
  const errors = text(program.stderr);
  const lines: string[] = [];
  for await (const line of createInterface(program.stdout)) {
    lines.push(line);
    if (killAt?.test(line) === true) program.kill("SIGKILL");
  }
  return { lines, status: await closed, errors: await errors };
}

/** Where it keeps its database. */
function emptyFolder(t: TestContext): string {
  const place = mkdtempSync(join(tmpdir(), "stent-example-"));
  t.after(() => rmSync(place, { recursive: true, force: true, maxRetries: 5 }));
  return place;
}
