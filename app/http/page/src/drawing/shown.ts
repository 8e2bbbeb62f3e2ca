/** Which of the loaded users and ties are drawn. Filters take away and never move anything. */
import type { Graph } from "./graph";
import { LETTERED, type Laid } from "./layout";

export interface Filter {
  /** Mentions that a tie has at least. */
  readonly least: number;
  /** Only ties with a mention from then on, and with one before `until`; null: all. */
  readonly since: number | null;
  readonly until: number | null;
  /** Places of users that were hidden. */
  readonly hidden: ReadonlySet<number>;
  /** Communities that were switched off; LETTERED stands for all without a letter. */
  readonly off: ReadonlySet<number>;
  /** All of these users' ties are drawn first, then the heaviest. */
  readonly first: readonly number[];
  /** Ties that are drawn at most. */
  readonly most: number;
}

export interface Shown {
  /** Places of ties, the heaviest last, so that they are drawn on top. */
  readonly ties: readonly number[];
  readonly users: ReadonlySet<number>;
  /** Ties drawn at each user. */
  readonly drawn: Uint32Array;
  /** Ties that pass the filters, drawn or not. */
  readonly passing: number;
}

/** Ties that are drawn unless all are asked for. More of them, and the names can't be read. */
export function fewOf(users: number): number {
  return Math.min(2000, Math.max(120, Math.round(2.25 * users)));
}

export function show(graph: Graph, laid: Laid, filter: Filter): Shown {
  const own = new Set(filter.first);
  const off = (user: number): boolean => filter.hidden.has(user) || filter.off.has(Math.min(LETTERED, laid.community[user]!));
  const passing: number[] = [];
  graph.ties.forEach((tie, place) => {
    if (tie.mentions < filter.least || off(tie.source) || off(tie.target)) return;
    if ((filter.since !== null && tie.last < filter.since) || (filter.until !== null && tie.first >= filter.until)) return;
    passing.push(place);
  });
  const isOwn = (place: number): boolean => own.has(graph.ties[place]!.source) || own.has(graph.ties[place]!.target);
  const heavier = (one: number, two: number): number => graph.ties[two]!.mentions - graph.ties[one]!.mentions || one - two;
  const chosen = [...passing].sort((one, two) => Number(isOwn(two)) - Number(isOwn(one)) || heavier(one, two)).slice(0, filter.most);
  const drawn = new Uint32Array(graph.users.length);
  const users = new Set<number>();
  // A user whose ties all pass, and are too many to draw, is drawn all the same: it was loaded for a reason.
  for (const place of passing) users.add(graph.ties[place]!.source).add(graph.ties[place]!.target);
  for (const user of filter.first) if (!off(user)) users.add(user);
  for (const place of chosen) {
    drawn[graph.ties[place]!.source]!++;
    drawn[graph.ties[place]!.target]!++;
  }
  return { ties: chosen.sort((one, two) => heavier(two, one)), users, drawn, passing: passing.length };
}
