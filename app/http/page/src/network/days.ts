/** The days that the loaded ties span, and how they are cut into bars. */
import { get } from "../api/client";
import type { Graph } from "../drawing/graph";

export const DAY = 86_400_000;
const MOST_DAYS = 366;
const MOST_BARS = 61;

export interface Span {
  /** Instants at which the first and the last day begin. */
  readonly first: number;
  readonly last: number;
}

export interface Bar {
  /** The days of the bar, both included. */
  readonly from: number;
  readonly to: number;
  readonly mentions: number;
  /** Whether the service has kept this time by day. */
  readonly kept: boolean;
}

export function spanOf(graph: Graph): Span | null {
  let [first, last] = [Infinity, -Infinity];
  for (const tie of graph.ties) {
    first = Math.min(first, tie.first);
    last = Math.max(last, tie.last);
  }
  if (!Number.isFinite(first)) return null;
  const end = Math.floor(last / DAY) * DAY;
  return { first: Math.max(Math.floor(first / DAY) * DAY, end - (MOST_DAYS - 1) * DAY), last: end };
}

export const isoDay = (at: number): string => new Date(at).toISOString().slice(0, 10);
/** The last instant of a day, for `as_of`. */
export const endOf = (day: number): string => `${isoDay(day)}T23:59:59Z`;
export const lengthOf = ({ first, last }: Span): number => Math.round((last - first) / DAY) + 1;

/** Mentions by day of the whole graph; where the service kept no days, ties by the day of their last mention. */
export async function barsOf(graph: Graph, span: Span, signal: AbortSignal): Promise<{ bars: Bar[]; mentions: boolean }> {
  const days = lengthOf(span);
  const found = await get("/days", { query: { days, as_of: endOf(span.last) }, signal });
  const known = found.days.some((each) => each.mentions);
  const counts = new Array<number>(days).fill(0);
  const kept = found.days_from === null || !known ? -Infinity : Date.parse(found.days_from);
  if (known) found.days.forEach((each) => (counts[Math.round((Date.parse(each.day) - span.first) / DAY)] = each.mentions ?? 0));
  else for (const tie of graph.ties) counts[Math.floor((tie.last - span.first) / DAY)]! += 1;
  const width = Math.ceil(days / MOST_BARS);
  const bars: Bar[] = [];
  for (let from = 0; from < days; from += width) {
    const to = Math.min(days, from + width) - 1;
    bars.push({ from: span.first + from * DAY, to: span.first + to * DAY, mentions: counts.slice(from, to + 1).reduce((sum, each) => sum + each, 0), kept: span.first + to * DAY >= kept });
  }
  return { bars, mentions: known };
}

/** Ten steps of mentions at most, narrow where most ties are. */
export function stepsOf(graph: Graph): number[] {
  const most = graph.ties.reduce((found, tie) => Math.max(found, tie.mentions), 1);
  const steps = [1];
  const growth = Math.max(1.32, most ** (1 / 9.5));
  for (let at = 1; steps.length < 10; ) {
    at = Math.max(at + 1, Math.round(at * growth));
    if (at > most) break;
    steps.push(at);
  }
  return steps;
}
