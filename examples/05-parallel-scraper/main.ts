/**
 * A scraper: follows the links of a site level by level, eight pages at a time and no more than 40 a second, over all processes that scrape.
 * A page that is busy is asked again when it says so; one that is broken is reported and stops nothing.
 *
 *   npx tsx examples/05-parallel-scraper/main.ts
 *
 * Kill it wherever you like and start it again: pages that were read are not fetched again. Delete scraper.db to begin anew.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { NonRetryableError, Stent, activity, context, map, workflow } from "stentjs";

interface Page {
  readonly path: string;
  readonly title: string;
  readonly links: readonly string[];
}

class Busy extends Error {
  override readonly name = "Busy";
  readonly seconds: number;
  constructor(seconds: number) {
    super(`busy for ${seconds} s`);
    this.seconds = seconds;
  }
}

const fetchPage = activity(
  "fetch page",
  {
    timeout: "5s",
    rateLimit: { limit: 40, per: "1s" },
    retry: {
      maxAttempts: 5,
      retryFor: (error) => (error instanceof Busy ? { after: { seconds: error.seconds } } : true),
    },
  },
  async (path: string): Promise<Page> => {
    // Aborted when the attempt times out, when the scrape is cancelled, and when this process is told to stop.
    const response = await fetch(site + path, { signal: context().signal });
    if (response.status === 503) throw new Busy(Number(response.headers.get("retry-after") ?? 1));
    if (response.status === 404) throw new NonRetryableError(`${path} is not there`);
    const html = await response.text();
    const links = [...html.matchAll(/href="([^"]+)"/g)].flatMap(([, link]) => link ?? []);
    return { path, title: /<h1>(.*)<\/h1>/.exec(html)?.[1] ?? "", links };
  },
);

export const scrape = workflow("scrape", function* (start: string, maxPages: number) {
  const seen = new Set([start]);
  const titles: string[] = [];
  const broken: string[] = [];
  for (let level = [start]; level.length > 0;) {
    const pages = yield* map(fetchPage, level, { concurrency: 8, onError: "settle" });
    level = [];
    for (const page of pages) {
      if (page.status === "rejected") broken.push(String(page.reason.message));
      else {
        titles.push(page.value.title);
        for (const link of page.value.links) {
          if (seen.has(link) || seen.size >= maxPages) continue;
          seen.add(link);
          level.push(link);
        }
      }
    }
  }
  return { titles, broken };
});

// A site of its own to read: 40 pages, one of them missing, another one busy when it is asked first.
let open = 0;
let mostOpen = 0;
let wasBusy = false;
const server = createServer((request, response) => {
  void (async () => {
    open += 1;
    mostOpen = Math.max(mostOpen, open);
    await pause(15);
    open -= 1;
    const page = Number(request.url?.slice("/page/".length));
    if (page === 13) response.writeHead(404).end();
    else if (page === 7 && !wasBusy) {
      wasBusy = true;
      response.writeHead(503, { "retry-after": "1" }).end();
    } else {
      const links = [2 * page, 2 * page + 1].filter((next) => next <= 40);
      const html = links.map((next) => `<a href="/page/${next}">next</a>`).join("");
      response.end(`<h1>Page ${page}</h1>${html}`);
    }
  })();
}).listen(0, "127.0.0.1");
await once(server, "listening");
/** No argument of the workflow: where the site stands is another port each time this program starts. */
const site = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

await using stent = await Stent.bootstrap("sqlite:scraper.db", { serve: { maxConcurrency: 20 } });
const handle = await stent.dispatch(scrape, ["/page/1", 100], { id: "scrape-1", ifExists: "join" });
const { titles, broken } = await handle.result();
console.log(`${titles.length} pages, from ${titles[0]} to ${titles.at(-1)}`);
console.log(`broken: ${broken.join(", ")}`);
console.log(mostOpen <= 8 ? "never more than 8 at a time" : `${mostOpen} at a time`);
server.close();
