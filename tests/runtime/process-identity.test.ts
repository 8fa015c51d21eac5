import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { platform } from "node:os";
import { describe, test } from "node:test";
import { isGone, thisProcess, type ProcessIdentity } from "../../src/runtime/process-identity.ts";

const onlyLinux = {
  skip: platform() === "linux" ? false : "only Linux tells which process is which",
};

test("a process knows its number and host", () => {
  const self = thisProcess();
  assert.equal(self.pid, process.pid);
  assert.ok(self.host.length > 0);
});

test("a process has one identity", () => {
  assert.deepEqual(thisProcess(), thisProcess());
});

describe("whether a process is gone", onlyLinux, () => {
  const self = thisProcess();

  test("is asked with everything known", () => {
    assert.match(String(self.bootId), /^[0-9a-f-]{36}$/);
    assert.match(String(self.pidNamespace), /^pid:\[\d+\]$/);
    assert.ok(Number(self.startedAt) > 0);
  });

  test("no: it is this one", () => {
    assert.equal(isGone(self, self), false);
  });

  test("no: it runs", async () => {
    const child = await sleeper();
    assert.equal(isGone(identityOf(child), self), false);
    await killed(child);
  });

  test("yes: it was killed", async () => {
    const child = await sleeper();
    const identity = identityOf(child);
    await killed(child);
    assert.equal(isGone(identity, self), true);
  });

  test("yes: its number belongs to a later process", () => {
    assert.equal(isGone({ ...self, startedAt: Number(self.startedAt) - 1 }, self), true);
  });

  test("yes: it was killed and its parent has not looked yet", async () => {
    // A shell that becomes `sleep` never collects the child it started before.
    const parent = spawn("sh", ["-c", "sleep 0 & echo $!; exec sleep 60"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = await once(parent.stdout, "data");
    const zombie = { ...self, pid: Number(String(line)), startedAt: undefined };
    await until(() => isGone(zombie, self));
    process.kill(zombie.pid, 0); // it is still there
    await killed(parent);
  });

  const unsure: Record<string, Partial<ProcessIdentity>> = {
    "it ran on another host": { host: `${self.host}-2` },
    "the machine was started anew": { bootId: "00000000-0000-4000-8000-000000000000" },
    "it ran in another container": { pidNamespace: "pid:[1]" },
    "its machine is unknown": { bootId: undefined },
    "its container is unknown": { pidNamespace: undefined },
    "its number is none": { pid: 0 },
    "its number means a group": { pid: -1 },
  };
  for (const [why, part] of Object.entries(unsure)) {
    test(`nobody can say: ${why}`, () => {
      const unused = { ...self, pid: 2 ** 22 + 1 };
      assert.equal(isGone(unused, self), true);
      assert.equal(isGone({ ...unused, ...part }, self), false);
    });
  }

  test("nobody can say: this process does not know where it runs", () => {
    const unused = { ...self, pid: 2 ** 22 + 1 };
    const nowhere = { bootId: undefined, pidNamespace: undefined };
    assert.equal(isGone({ ...unused, ...nowhere }, { ...self, ...nowhere }), false);
  });

  test("nobody can say: its start is unknown, and its number is in use", () => {
    assert.equal(isGone({ ...self, startedAt: undefined }, self), false);
  });

  function identityOf(child: ChildProcess): ProcessIdentity {
    return { ...self, pid: Number(child.pid), startedAt: undefined };
  }
});

async function sleeper(): Promise<ChildProcess> {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  await once(child, "spawn");
  return child;
}

async function killed(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}
