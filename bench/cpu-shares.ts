/** How many processors each of these keeps busy, and this process, from now until what is returned is called; in words. */
export function cpuShares(parts: Readonly<Record<string, () => number | undefined>>): () => string {
  const all = { ...parts, client: ownMs };
  const startedAt = performance.now();
  const before = Object.values(all).map((ms) => ms());
  return () => {
    const passed = performance.now() - startedAt;
    const shares = Object.entries(all).map(([name, ms], index) => {
      const share = ((ms() ?? NaN) - (before[index] ?? NaN)) / passed;
      return `${name} ${Number.isNaN(share) ? "unknown" : share.toFixed(2)}`;
    });
    return `processors kept busy: ${shares.join(", ")}`;
  };
}

function ownMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
