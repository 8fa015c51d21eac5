import { DatabaseError } from "../../src/core/errors.ts";
import type { OpenOptions, StoreBackend } from "../../src/store/backend.ts";
import type { Store, Transition } from "../../src/store/store.ts";
import { refusals } from "./refusals.ts";
import type { Surroundings } from "./surroundings.ts";
import type { Owner } from "./world.ts";

/** What a process is given for its database: every call is two pending operations, that it is applied and that it is answered. */
export function backendOf(scene: Surroundings, process: Owner): StoreBackend {
  return {
    name: "simulated",
    identity: () => "simulated",
    plan: () => Promise.reject(new Error("nothing is migrated here")),
    open: async (options: OpenOptions) =>
      pendingStore(scene, process, scene.database.newStore(options)),
  };
}

function pendingStore(scene: Surroundings, process: Owner, store: Store): Store {
  const calls = new Map<string | symbol, unknown>();
  return new Proxy(store, {
    get(target, key) {
      // Other processes are heard of by hints alone, which may be lost.
      if (key === "foreignChange") return undefined;
      if (key === "close") return () => Promise.resolve();
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      if (!calls.has(key))
        calls.set(key, (...args: unknown[]) =>
          pendingCall(scene, process, String(key), args, async () =>
            (value as (...args: unknown[]) => unknown).apply(target, args),
          ),
        );
      return calls.get(key);
    },
  });
}

type Outcome = { readonly value: unknown } | { readonly error: unknown };

function pendingCall(
  scene: Surroundings,
  process: Owner,
  name: string,
  args: readonly unknown[],
  act: () => Promise<unknown>,
): Promise<unknown> {
  const { world, faults } = scene;
  const { chance, rare } = world;
  const writes = name === "commit" || name === "transact";
  const label = labelOf(name, args);
  return new Promise((resolve, reject) => {
    world.add({
      owner: process,
      label,
      afterMs: scene.latency(),
      run: apply,
      isSent: name === "commit" && chance.happens(0.5),
      onCrash: () => {
        // It had left the process.
        if (writes && chance.happens(0.4))
          scene.applyLater(`${process.name} had sent ${label}`, sent);
      },
    });

    async function sent(): Promise<void> {
      rare.happened("a commit applied after its process had crashed");
      await act().catch(nothing);
      scene.wrote();
    }

    function apply(): void {
      if (scene.isDisturbed && faults.has("lost-before") && chance.happens(lostShare)) {
        rare.happened("an operation lost before it applied");
        return answerLater({ error: unreachable() });
      }
      if (process.pausedUntil > world.monotonicNow())
        rare.happened("a commit applied while its process was paused");
      const stale = name === "commit" ? scene.database.deadSessions() : undefined;
      act().then(
        (value) => {
          if (stale !== undefined) refusals(scene, stale, args[0] as Transition[], value);
          applied({ value });
        },
        (error: unknown) => applied({ error }),
      );
    }

    function applied(outcome: Outcome): void {
      if (writes) scene.wrote();
      if ("error" in outcome && isFull(outcome.error)) rare.happened("the disk was full");
      answerLater(outcome);
    }

    function answerLater(outcome: Outcome): void {
      const late = scene.isDisturbed && writes && faults.has("late-answer") && chance.happens(0.03);
      if (late) rare.happened("a commit's answer came seconds late");
      const afterMs = late ? chance.between(500, 9_000) : scene.latency();
      if (!writes && afterMs === 0 && chance.happens(0.7)) return answer(outcome);
      world.add({
        owner: process,
        label: `is answered ${label}`,
        afterMs,
        run: () => answer(outcome),
        onCrash: () => {
          if (writes && "value" in outcome)
            rare.happened("a crash between a commit and its answer");
        },
      });
    }

    function answer(outcome: Outcome): void {
      if ("value" in outcome) resolve(outcome.value);
      else reject(outcome.error);
    }
  });
}

/** The share of operations that are lost on their way, where that is switched on. */
const lostShare = 0.04;

function labelOf(name: string, args: readonly unknown[]): string {
  if (name === "commit")
    return `commits ${(args[0] as Transition[]).map(({ kind, request }) => `${kind}${ofWhat(request)}`).join(" ")}`;
  return name === "transact" ? "transacts" : `reads ${name}`;
}

function ofWhat(request: object): string {
  if ("execution" in request && typeof request.execution === "number")
    return `(${request.execution}${"next" in request ? ` ${(request.next as { kind: string }).kind}` : ""})`;
  if ("task" in request && typeof request.task === "number") return `(${request.task})`;
  if ("session" in request) return `(by ${String(request.session)})`;
  return "";
}

function unreachable(): DatabaseError {
  return new DatabaseError("DATABASE_UNREACHABLE", "the simulated connection broke");
}

function isFull(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === "DATABASE_FULL";
}

function nothing(): void {
  // nobody is there to be told
}
