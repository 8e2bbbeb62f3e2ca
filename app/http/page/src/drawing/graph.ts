/** The users and ties that were loaded. What is laid out, filtered and drawn begins here. */

export interface User {
  readonly handle: string;
  readonly spelling: string;
  /** Mentions of others by the user, in the whole graph where the API says them. */
  made: number;
  received: number;
}

export interface Tie {
  /** Places of the two users in `Graph.users`. */
  readonly source: number;
  readonly target: number;
  readonly mentions: number;
  readonly first: number;
  readonly last: number;
}

export interface Graph {
  readonly users: readonly User[];
  readonly ties: readonly Tie[];
  /** The place of each handle. */
  readonly at: ReadonlyMap<string, number>;
  /** How many users there are after each answer: the layout places those of the first answer, then adds the others. */
  readonly stages: readonly number[];
  /** Places of users, those who are mentioned most first. */
  readonly ranked: readonly number[];
  /** `rank[place]` counts from 1. */
  readonly rank: readonly number[];
}

/** What answers of the API have in common. */
export interface Part {
  readonly users: readonly { handle: string; spelling: string; mentions_made?: number | null; mentions_received?: number | null }[];
  readonly edges: readonly { source: string; target: string; mention_count: number; first_seen: string; last_seen: string }[];
}

/** One graph of several answers, in their order. Within an answer users and ties are sorted by handle: the API's order
 * changes with weights, and the layout depends on the order. */
export function gather(parts: readonly Part[]): Graph {
  const users: User[] = [];
  const ties: Tie[] = [];
  const at = new Map<string, number>();
  const known = new Set<string>();
  const unsummed = new Set<number>();
  const stages: number[] = [];
  for (const part of parts) {
    for (const each of sorted(part.users, (user) => user.handle)) {
      if (at.has(each.handle)) continue;
      at.set(each.handle, users.length);
      if (each.mentions_received == null) unsummed.add(users.length);
      users.push({ handle: each.handle, spelling: each.spelling, made: each.mentions_made ?? 0, received: each.mentions_received ?? 0 });
    }
    for (const edge of sorted(part.edges, (each) => `${each.source} ${each.target}`)) {
      const [source, target] = [at.get(edge.source), at.get(edge.target)];
      const name = `${source} ${target}`;
      if (source === undefined || target === undefined || source === target || known.has(name)) continue;
      known.add(name);
      ties.push({ source, target, mentions: edge.mention_count, first: Date.parse(edge.first_seen), last: Date.parse(edge.last_seen) });
    }
    stages.push(users.length);
  }
  addUp(users, ties, unsummed);
  const ranked = users.map((_, place) => place).sort((one, two) => compare(users[one]!, users[two]!));
  const rank = new Array<number>(users.length);
  ranked.forEach((place, index) => (rank[place] = index + 1));
  return { users, ties, at, stages, ranked, rank };
}

function sorted<T>(list: readonly T[], nameOf: (each: T) => string): T[] {
  return list.map((each) => [nameOf(each), each] as const).sort(([one], [two]) => (one < two ? -1 : one > two ? 1 : 0)).map(([, each]) => each);
}

/** Before the first summary the API has no totals, so the ties at hand stand for all. */
function addUp(users: User[], ties: readonly Tie[], unsummed: ReadonlySet<number>): void {
  if (!unsummed.size) return;
  for (const tie of ties) {
    if (unsummed.has(tie.source)) users[tie.source]!.made += tie.mentions;
    if (unsummed.has(tie.target)) users[tie.target]!.received += tie.mentions;
  }
}

function compare(one: User, two: User): number {
  return two.received - one.received || two.made - one.made || (one.handle < two.handle ? -1 : 1);
}

/** Radii of dots at scale 1: the area grows with the mentions received, and nobody is too small to be hit. */
export function radii(graph: Graph): Float32Array {
  const most = graph.users.reduce((found, each) => Math.max(found, each.received), 1);
  const slope = Math.min(10, 186 / most);
  return Float32Array.from(graph.users, (each) => Math.sqrt(10 + slope * each.received));
}
