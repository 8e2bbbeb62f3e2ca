/** Numbers, sizes and instants as the page writes them: commas between thousands, UTC, and the unit said. */

const NUMBER = new Intl.NumberFormat("en");
const UNITS = ["bytes", "kB", "MB", "GB", "TB"] as const;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as const;
const DAY = 86_400_000;

export function number(value: number): string {
  return NUMBER.format(value).replace("-", "−");
}

/** "1 post", "3 posts". */
export function count(value: number, one: string, many = `${one}s`): string {
  return `${number(value)} ${value === 1 ? one : many}`;
}

export function bytes(value: number): string {
  let unit = 0;
  let size = value;
  while (size >= 1000 && unit < UNITS.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit && size < 100 ? size.toFixed(1) : Math.round(size)} ${UNITS[unit]}`;
}

export function percent(share: number): string {
  return `${Math.floor(100 * share)} %`;
}

/** "0.4 s", "12 s", "1 m 19 s", "2 h 5 m". */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} m`;
}

/** Time of an instant, with its day unless it is today: "08:39:12", "Yesterday 18:20", "18 Nov 17:07", "3 Mar 2025". */
export function when(iso: string, now = Date.now()): string {
  const at = new Date(iso);
  const days = Math.floor(now / DAY) - Math.floor(at.getTime() / DAY);
  if (days === 0) return at.toISOString().slice(11, 19);
  const time = at.toISOString().slice(11, 16);
  if (days === 1) return `Yesterday ${time}`;
  return at.getUTCFullYear() === new Date(now).getUTCFullYear() ? `${day(iso)} ${time}` : date(iso);
}

/** "19 Nov". */
export function day(iso: string): string {
  const at = new Date(iso);
  return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`;
}

/** "19 Nov 2026". */
export function date(iso: string): string {
  return `${day(iso)} ${new Date(iso).getUTCFullYear()}`;
}
