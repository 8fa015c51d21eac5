/** Passwords of databases: none of them is ever printed. */

/** A part of an address this short would hide half of every message. */
const shortestHidden = 4;

const known = new Set<string>();

/** What stands for a password. */
const stars = "***";

/** Keeps the password of an address out of every message from here on. */
export function keepSecret(address: string | undefined): void {
  const [, userInfo] = /^[a-z][a-z\d+.-]*:\/\/(.*)@/is.exec(address ?? "") ?? [];
  const colon = userInfo?.indexOf(":") ?? -1;
  if (userInfo === undefined || colon < 0) return;
  const password = userInfo.slice(colon + 1);
  for (const form of [password, decoded(password)])
    if (form.length >= shortestHidden) known.add(form);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The text without passwords: those that are known, and whatever stands in an address where one stands. */
export function masked(text: string): string {
  const without = [...known]
    .toSorted((a, b) => b.length - a.length)
    .reduce((masking, secret) => masking.replaceAll(secret, stars), text);
  return without
    .replaceAll(/([a-z][a-z\d+.-]*:\/\/[^\s/?#:@]*):[^\s@]*@/gi, `$1:${stars}@`)
    .replaceAll(/([?&]password=)[^\s&]+/gi, `$1${stars}`);
}
