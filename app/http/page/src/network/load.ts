/** What a view asks of the API: the middle, what was added to it, and a path. */
import { type Answer, Failure, get, pathOf } from "../api/client";
import { type Graph, gather, type Part } from "../drawing/graph";
import type { View } from "./view";

/** Users and ties that the first answer has at most. More of them, and nobody could read their names. */
const USERS = 200;
const EDGES = 5000;
/** The same without a user in the middle. */
const HEAVIEST = { users: 2000, edges: 2000 };
/** The bound on request: the server spends some 300 ms of its time on twice as many ties of a graph of ten million. */
export const MANY = { users: 5_000, edges: 10_000 };
const ADDED = { users: 40, edges: 1000 };

export type PathFound = Answer<"get", "/paths">;

export interface Loaded {
  readonly graph: Graph;
  /** The address that the graph belongs to: while another is on its way, the old drawing stays. */
  readonly of: string;
  /** All ties that there are, those that did not fit included. */
  readonly ties: number;
  readonly estimated: boolean;
  readonly usersCut: number;
  /** The spelling of the user in the middle. */
  readonly middle: string | null;
  readonly path: PathFound | null;
}

/** What parts one drawing from another. All else changes a drawing. */
export function nameOf({ around, steps, many }: View): string {
  return `${around ?? ""} ${steps} ${many}`;
}

/** The request that gives the same data. */
export function curlPath({ around, steps, many }: View): string {
  return around === null
    ? pathOf("/network", { query: many ? MANY : HEAVIEST })
    : pathOf("/users/{handle}/ego", { in: { handle: around }, query: { depth: steps, users: USERS, edges: EDGES } });
}

export async function load(view: View, signal: AbortSignal): Promise<Loaded> {
  const [first, added, path] = await Promise.all([middle(view, signal), Promise.all(view.more.map((handle) => surroundings(handle, signal))), way(view, signal)]);
  const parts: Part[] = [first.part, ...added.filter((each) => each !== null)];
  if (path?.outcome === "found") parts.push(await between(path, parts, signal));
  const graph = gather(parts);
  return { graph, of: nameOf(view), ties: Math.max(first.ties, graph.ties.length), estimated: first.estimated, usersCut: first.usersCut, middle: first.spelling, path };
}

interface Middle {
  readonly part: Part;
  readonly ties: number;
  readonly estimated: boolean;
  readonly usersCut: number;
  readonly spelling: string | null;
}

async function middle(view: View, signal: AbortSignal): Promise<Middle> {
  if (view.around === null) {
    const found = await get("/network", { query: view.many ? MANY : HEAVIEST, signal });
    return { part: found, ties: found.edges_in_graph, estimated: found.edges_estimated, usersCut: 0, spelling: null };
  }
  const found = await get("/users/{handle}/ego", { in: { handle: view.around }, query: { depth: view.steps, users: USERS, edges: EDGES }, signal });
  return { part: found, ties: found.edges.length + found.cut.edges, estimated: false, usersCut: found.cut.users, spelling: found.user };
}

/** The surroundings of a user who was added. A user who is gone by now adds nothing. */
async function surroundings(handle: string, signal: AbortSignal): Promise<Part | null> {
  try {
    return await get("/users/{handle}/ego", { in: { handle }, query: { depth: 1, ...ADDED }, signal });
  } catch (error) {
    if (error instanceof Failure && error.problem.status === 404) return null;
    throw error;
  }
}

async function way({ path }: View, signal: AbortSignal): Promise<PathFound | null> {
  if (!path) return null;
  try {
    return await get("/paths", { query: { source: path[0], target: path[1] }, signal });
  } catch (error) {
    if (error instanceof Failure && error.problem.status === 404) return null;
    throw error;
  }
}

/** A path's users with their totals, which the answer about the path lacks. */
async function between(path: PathFound, parts: readonly Part[], signal: AbortSignal): Promise<Part> {
  const known = new Set(parts.flatMap((part) => part.users.map((each) => each.handle)));
  const users = await Promise.all(
    path.users.map(async (each) => {
      if (known.has(each.handle)) return each;
      const { mentions_made, mentions_received } = await get("/users/{handle}", { in: { handle: each.handle }, signal });
      return { ...each, mentions_made, mentions_received };
    }),
  );
  return { users, edges: path.edges };
}
