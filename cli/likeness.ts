/** Of some words the one that another was most likely meant to be; undefined where none is like it. */
export function closest(word: string, among: Iterable<string>): string | undefined {
  const bound = Math.max(1, Math.floor(word.length / 3));
  const near = [...among].filter((each) => distance(each, word) <= bound);
  return near.toSorted((a, b) => distance(a, word) - distance(b, word))[0];
}

/** How many characters have to be put in, taken out or replaced to make one text of the other. */
export function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 0; i < a.length; i += 1) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j += 1) {
      const replaced = (row[j] ?? 0) + Number(a[i] !== b[j]);
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, replaced));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
