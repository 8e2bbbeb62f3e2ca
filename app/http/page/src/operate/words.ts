/** Durations of settings, `7d` or `1m`, as people write them. */
const UNITS: Readonly<Record<string, string>> = { s: "second", m: "minute", h: "hour", d: "day", w: "week" };

/** "7 days", "12 hours"; what has several units stays as it is. */
export function span(text: string): string {
  const found = /^(\d+(?:\.\d+)?)([smhdw])$/.exec(text);
  const unit = found && UNITS[found[2] ?? ""];
  return found && unit ? `${found[1]} ${unit}${found[1] === "1" ? "" : "s"}` : text;
}

/** "every minute", "every 15 minutes". */
export function every(text: string): string {
  const said = span(text);
  return `every ${said.startsWith("1 ") ? said.slice(2) : said}`;
}
