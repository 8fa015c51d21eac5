import type { Figures } from "./setting.ts";

/** What a workload has measured, for a program: one line. */
export function jsonLine(workload: string, backend: string, figures: Figures): string {
  const { n, rate, p50, p99, limit } = figures;
  return JSON.stringify({
    workload,
    backend,
    n,
    rate: rounded(rate),
    p50: rounded(p50, 3),
    p99: rounded(p99, 3),
    peakMb: rounded(peakMb()),
    limit: rounded(limit),
    ratio: rounded(ratioOf(figures), 3),
  });
}

/** What a workload has measured, for a reader. */
export function text(workload: string, backend: string, figures: Figures): string {
  const { n, unit, concurrency, rate, p50, p99, limit, remarks = [] } = figures;
  const ratio = ratioOf(figures);
  const lines = [
    ...(rate === undefined ? [] : [`rate         ${count(rate)} ${unit}/s`]),
    ...(limit === undefined ? [] : [`raw limit    ${count(limit)} ${unit}/s`]),
    ...(ratio === undefined ? [] : [`ratio        ${(ratio * 100).toFixed(1)} %`]),
    ...(p50 === undefined ? [] : [`p50          ${p50.toFixed(2)} ms`]),
    ...(p99 === undefined ? [] : [`p99          ${p99.toFixed(2)} ms`]),
    ...remarks,
    `peak memory  ${count(peakMb())} MB`,
  ];
  const title = `${workload} on ${backend}: ${count(n)} ${unit}, maxConcurrency ${count(concurrency)}`;
  return [title, ...lines.map((line) => `  ${line}`), ""].join("\n");
}

function ratioOf({ rate, limit }: Figures): number | undefined {
  return rate === undefined || limit === undefined ? undefined : rate / limit;
}

/** The most memory that this process has had so far. */
function peakMb(): number {
  return process.resourceUsage().maxRSS / 1_024;
}

function rounded(value: number | undefined, digits = 0): number | undefined {
  return value === undefined ? undefined : Number(value.toFixed(digits));
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
