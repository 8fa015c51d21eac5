/**
 * A media pipeline on two worker processes, which are killed at random (`kill -9`) and replaced, with a live view of how far each film
 * is. Whoever is killed, every film is whole in the end.
 *
 *   npx tsx examples/11-media-pipeline/main.ts
 *
 * Delete media.db and media/ to begin anew.
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { extname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Stent } from "stentjs";
import { film, segmentsOfFilm } from "./film.ts";

const titles = ["Metropolis", "Nosferatu", "Sunrise"];
/** A worker is killed each time that so many segments are through. */
const killsAfter = [1, 8];

await using stent = await Stent.open("sqlite:media.db");
const handles = await Promise.all(
  titles.map((title) => stent.dispatch(film, [title], { id: `film ${title}`, ifExists: "join" })),
);

/** worker.ts, or worker.js once it is compiled. */
const program = join(import.meta.dirname, `worker${extname(import.meta.filename)}`);
const ready = new Set<ChildProcess>();
const started = [startWorker(), startWorker()];
await watch();

const films = await Promise.all(handles.map((handle) => handle.result()));
const wanted = titles.map((title) =>
  Array.from({ length: segmentsOfFilm }, (_, number) => `[${title} ${number}]`).join(""),
);
const whole = films.filter(({ content }, index) => content === wanted[index]);
console.log(`${whole.length} of ${titles.length} films are whole`);

for (const worker of started) worker.kill("SIGTERM");
await Promise.all(started.map(gone));

function startWorker(): ChildProcess {
  const worker = fork(program);
  worker.once("message", () => ready.add(worker));
  worker.once("exit", () => ready.delete(worker));
  return worker;
}

async function gone(worker: ChildProcess): Promise<void> {
  if (worker.exitCode === null && worker.signalCode === null) await once(worker, "exit");
}

/** Any process may look: here it is the one that dispatched. */
async function watch(): Promise<void> {
  for (let shown = ""; ;) {
    const states = await Promise.all(handles.map((handle) => handle.state()));
    const done = states.map(({ counters }) => counters["segments"] ?? 0);
    const line = done.map((count, index) => `${titles[index]} ${barOf(count)}`).join("   ");
    if (line !== shown) console.log(line);
    shown = line;
    if (states.every(({ result }) => result !== undefined)) return;
    if (sumOf(done) >= (killsAfter[0] ?? Infinity) && ready.size > 0) await killOne();
    await pause(100);
  }
}

async function killOne(): Promise<void> {
  killsAfter.shift();
  const victim = [...ready][Math.floor(Math.random() * ready.size)];
  if (victim === undefined) return;
  victim.kill("SIGKILL");
  await gone(victim);
  console.log("one worker was killed, another one starts");
  // As it starts it sees that the other's process is gone, and what that one held is taken up at once.
  started.push(startWorker());
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0);
}

function barOf(count: number): string {
  return "█".repeat(count).padEnd(segmentsOfFilm, "░");
}
