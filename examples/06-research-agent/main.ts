/**
 * An AI agent: a loop of a model that decides and tools that do. Every answer of the model is recorded, so after a crash the agent goes on
 * where it was and no token is paid for twice. It has a budget of tokens, and asks a human before it does what cannot be taken back.
 *
 *   npx tsx examples/06-research-agent/main.ts
 *
 * The model is a stub that always gives the same answers. Kill it and start it again; delete agent.db to begin anew.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Stent, activity, all, call, counters } from "stentjs";
import { defineSignal, signal, workflow, type Flow } from "stentjs";

interface ToolCall {
  readonly id: string;
  readonly tool: string;
  readonly input: string;
}
interface Message {
  readonly role: "user" | "assistant" | "tool";
  readonly text: string;
}
interface Reply {
  readonly text: string;
  readonly calls: readonly ToolCall[];
  readonly tokens: number;
}

/** What a human says: to a tool that has to be approved, and when the budget is spent. The question's id is part of the name. */
const approval = (id: string) => defineSignal<{ approved: boolean }>(`approval of ${id}`);
const moreTokens = defineSignal<number>("more tokens");

const model = activity(
  "model",
  { retry: { maxAttempts: 6, maxDelay: "1m" }, timeout: "2m", rateLimit: { limit: 50, per: "1s" } },
  async (messages: readonly Message[]): Promise<Reply> => {
    const turn = messages.filter(({ role }) => role === "assistant").length;
    console.log(`model: turn ${turn + 1}, ${messages.length} messages`);
    return script[turn] ?? { text: "I do not know", calls: [], tokens: 1 };
  },
);

const search = activity("search", async (query: string) => `3 papers on ${query}`);
const publish = activity("publish", async (text: string) => {
  console.log(`published: ${text}`);
  return "published";
});
const tools = new Map([
  ["search", { fn: search, needsApproval: false }],
  ["publish", { fn: publish, needsApproval: true }],
]);

export const research = workflow("research", function* (question: string, budget: number) {
  const messages: Message[] = [{ role: "user", text: question }];
  let left = budget;
  for (;;) {
    if (left <= 0) {
      const more = yield* signal(moreTokens, { timeout: "7d" });
      if (more === 0) return "stopped: the budget is spent";
      left += more;
    }
    const reply = yield* call(model, messages);
    left -= reply.tokens;
    yield* counters.add("tokens", reply.tokens);
    if (reply.calls.length === 0) return reply.text;

    messages.push({ role: "assistant", text: reply.text });
    // Tools run at the same time; their answers stand in the order in which the model asked.
    const answers = yield* all(reply.calls.map((asked) => use(asked)));
    messages.push(...answers.map((text) => ({ role: "tool", text }) as const));
  }
});

/** What goes wrong is an answer too: the model decides what to do about it. */
function* use({ id, tool, input }: ToolCall): Flow<string> {
  const known = tools.get(tool);
  if (known === undefined) return `there is no tool ${tool}`;
  try {
    if (known.needsApproval) {
      const { approved } = yield* signal(approval(id), { timeout: "2d" });
      if (!approved) return "the human has refused";
    }
    return yield* call(known.fn, input);
  } catch (error) {
    return `failed: ${String(error)}`;
  }
}

const script: readonly Reply[] = [
  {
    text: "I look in two places.",
    calls: [
      { id: "1", tool: "search", input: "durable functions" },
      { id: "2", tool: "telepathy", input: "the reader" },
    ],
    tokens: 700,
  },
  { text: "I publish.", calls: [{ id: "3", tool: "publish", input: "Be durable." }], tokens: 600 },
  { text: "Durable functions are well studied.", calls: [], tokens: 200 },
];

await using stent = await Stent.bootstrap("sqlite:agent.db", { serve: true });
const handle = await stent.dispatch(research, ["What is known of durable functions?", 1_000], {
  id: "research-1",
  ifExists: "join",
});

// The human. In a real program these are two routes of a web server; what an agent waits for shows in `stateOf`.
const answered = new Set<string>();
for (let state = await handle.state(); state.result === undefined; state = await handle.state()) {
  for (const { kind, name, since } of state.waitingFor) {
    const dedupeKey = `${name} of ${since.toISOString()}`;
    if (kind !== "signal" || answered.has(dedupeKey)) continue;
    console.log(`human: ${name}? yes`);
    const answer = name === moreTokens.name ? 1_000 : { approved: true };
    await stent.sendSignal(handle.id, name, answer, { dedupeKey });
    answered.add(dedupeKey);
  }
  await pause(50);
}
console.log(await handle.result());
console.log(`${(await handle.state()).counters["tokens"]} tokens`);
