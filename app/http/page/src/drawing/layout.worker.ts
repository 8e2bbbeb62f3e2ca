/** Lays out a graph: communities, forces, room for each community, room for each name, grounds. The same order always
 * has the same answer. The page ends the worker where another order makes the answer useless. */
import { UndirectedGraph } from "graphology";
import louvain from "graphology-communities-louvain";
import forceAtlas2 from "graphology-layout-forceatlas2";
import { grounds } from "./grounds";
import { LETTERED, type Laid, NAME_HEIGHT, type Order, SMALLEST } from "./layout";
import { seeded } from "./random";
import { type Disc, pack, settle } from "./room";

addEventListener("message", ({ data }: MessageEvent<Order>) => postMessage(answer(data)));

/** Inside a community ties hold this much more than between two. */
const HOLD = 6;
/** Share of a community's disc that the boxes of its users fill. */
const FILLED = 0.6;
const GAP = 10;

function answer(order: Order): Laid {
  const users = order.stages.at(-1) ?? 0;
  const first = order.stages[0] ?? 0;
  const x = new Float32Array(users);
  const y = new Float32Array(users);
  const community = new Uint32Array(users);
  const graph = graphOf(order, first);
  const { count, modularity } = cluster(order, graph, community);
  force(graph, community, first);
  const boxes = { x, y, widths: order.widths, radii: order.radii };
  const discs = discsOf(order, graph, community, count, boxes);
  const room = pack(discs);
  place(graph, community, discs, boxes);
  settle(boxes, { community, discs, room, from: 0, to: first });
  order.stages.slice(1).forEach((to, index) => {
    const from = order.stages[index] ?? 0;
    join(order, community, discs, boxes, from, to);
    settle(boxes, { community, discs, room, from, to });
  });
  const lettered = Math.min(count, LETTERED);
  const sizes = new Array<number>(lettered).fill(0);
  for (const each of community) if (each < lettered) sizes[each]!++;
  return {
    x,
    y,
    community,
    communities: count,
    modularity,
    grounds: grounds(boxes, community, sizes.filter((size) => size >= SMALLEST).length),
    bounds: boundsOf(order, x, y),
  };
}

/** The users of the first answer; a tie's strength grows with the root of its mentions, in both directions together. */
function graphOf(order: Order, first: number): UndirectedGraph {
  const graph = new UndirectedGraph();
  for (let user = 0; user < first; user++) graph.addNode(user);
  order.sources.forEach((source, tie) => {
    const target = order.targets[tie]!;
    if (source >= first || target >= first) return;
    const mentions = order.weights[tie]!;
    graph.updateEdge(source, target, (was) => ({ mentions: ((was["mentions"] as number | undefined) ?? 0) + mentions }));
  });
  return graph;
}

/** Number communities by size. Those that are too small for a letter follow. */
function cluster(order: Order, graph: UndirectedGraph, community: Uint32Array): { count: number; modularity: number } {
  if (!graph.size) {
    for (let user = 0; user < graph.order; user++) community[user] = LETTERED + user;
    return { count: LETTERED + graph.order, modularity: 0 };
  }
  const found = louvain.detailed(graph, { getEdgeWeight: "mentions", rng: seeded(17), fastLocalMoves: true });
  const sizes = new Map<number, { size: number; best: number }>();
  graph.forEachNode((name) => {
    const of = found.communities[name]!;
    const was = sizes.get(of) ?? { size: 0, best: 0 };
    sizes.set(of, { size: was.size + 1, best: Math.max(was.best, order.received[Number(name)]!) });
  });
  const sorted = [...sizes].sort(([one, a], [two, b]) => b.size - a.size || b.best - a.best || one - two);
  const large = sorted.filter(([, { size }]) => size >= SMALLEST).length;
  const unlettered = Math.max(0, LETTERED - large);
  const numbers = new Map(sorted.map(([of], index) => [of, index < large ? index : index + unlettered]));
  graph.forEachNode((name) => (community[Number(name)] = numbers.get(found.communities[name]!)!));
  return { count: sorted.length + (sorted.length > large ? unlettered : 0), modularity: found.modularity };
}

function force(graph: UndirectedGraph, community: Uint32Array, users: number): void {
  const random = seeded(2);
  graph.updateEachNodeAttributes((name, attributes) => {
    const angle = community[Number(name)]! * 2.399963; // the golden angle: neighbours in number lie apart
    const far = 60 + 8 * Math.sqrt(community[Number(name)]!);
    return { ...attributes, x: far * Math.cos(angle) + 20 * (random() - 0.5), y: far * Math.sin(angle) + 20 * (random() - 0.5) };
  });
  graph.updateEachEdgeAttributes((_, attributes, source, target) => {
    const same = community[Number(source)] === community[Number(target)];
    return { ...attributes, weight: Math.sqrt(attributes["mentions"] as number) * (same ? HOLD : 0.4) };
  });
  if (!graph.size) return;
  forceAtlas2.assign(graph, {
    iterations: users <= 300 ? 500 : users <= 1200 ? 260 : 90,
    getEdgeWeight: "weight",
    settings: { barnesHutOptimize: users > 400, gravity: 0.6, scalingRatio: 12, slowDown: 4, edgeWeightInfluence: 1 },
  });
}

interface Boxes {
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly widths: Float32Array;
  readonly radii: Float32Array;
}

function discsOf(order: Order, graph: UndirectedGraph, community: Uint32Array, count: number, boxes: Boxes): Disc[] {
  const discs: Disc[] = Array.from({ length: count }, () => ({ x: 0, y: 0, radius: 0, size: 0 }));
  graph.forEachNode((name, { x, y }) => {
    const user = Number(name);
    const disc = discs[community[user]!]!;
    disc.x += x as number;
    disc.y += y as number;
    disc.size += 1;
    disc.radius += (Math.max(boxes.widths[user]! + 6, 2 * order.radii[user]!) * (2 * order.radii[user]! + NAME_HEIGHT + 5)) / FILLED;
  });
  let area = 0;
  let spread = 0;
  for (const disc of discs) {
    if (!disc.size) continue;
    disc.x /= disc.size;
    disc.y /= disc.size;
    area += disc.radius;
    disc.radius = Math.sqrt(disc.radius / Math.PI) + GAP;
    spread += disc.size * (disc.x * disc.x + disc.y * disc.y);
  }
  // Forces know nothing of names: their picture is brought to the size that the names need.
  const scale = Math.sqrt(area / 4) / Math.max(1e-6, Math.sqrt(spread / Math.max(1, graph.order)));
  for (const disc of discs) {
    disc.x *= scale;
    disc.y *= scale;
  }
  return discs;
}

/** Bring each community into its disc: as the forces left it, but spread evenly from the middle to the rim. */
function place(graph: UndirectedGraph, community: Uint32Array, discs: readonly Disc[], boxes: Boxes): void {
  const members: number[][] = discs.map(() => []);
  const found = (user: number): [number, number] => [graph.getNodeAttribute(user, "x") as number, graph.getNodeAttribute(user, "y") as number];
  for (let user = 0; user < graph.order; user++) members[community[user]!]!.push(user);
  members.forEach((list, index) => {
    const disc = discs[index]!;
    const middle = list.reduce(([x, y], user) => [x + found(user)[0] / list.length, y + found(user)[1] / list.length], [0, 0]) as [number, number];
    const away = list
      .map((user) => {
        const [x, y] = found(user);
        return { user, far: Math.hypot(x - middle[0], y - middle[1]), angle: Math.atan2(y - middle[1], x - middle[0]) };
      })
      .sort((one, two) => one.far - two.far || one.user - two.user);
    const farthest = Math.max(1e-6, away.at(-1)?.far ?? 0);
    const radius = disc.radius - GAP;
    away.forEach(({ user, far, angle }, place) => {
      const even = list.length === 1 ? 0 : radius * 0.92 * Math.sqrt((place + 0.5) / list.length);
      const r = 0.7 * even + 0.3 * 0.92 * radius * (far / farthest);
      boxes.x[user] = disc.x + (list.length === 1 ? 0 : r) * Math.cos(angle);
      boxes.y[user] = disc.y + (list.length === 1 ? 0 : r) * Math.sin(angle);
    });
  });
}

/** Users of a later answer go to those whom they have ties with. Nobody who is there already moves. */
function join(order: Order, community: Uint32Array, discs: readonly Disc[], boxes: Boxes, from: number, to: number): void {
  const random = seeded(from);
  const around: Map<number, number>[] = Array.from({ length: to - from }, () => new Map<number, number>());
  order.sources.forEach((source, tie) => {
    const target = order.targets[tie]!;
    for (const [one, two] of [[source, target], [target, source]] as const)
      if (one >= from && one < to && two < from) around[one - from]!.set(two, (around[one - from]!.get(two) ?? 0) + order.weights[tie]!);
  });
  around.forEach((near, index) => {
    const user = from + index;
    const votes = new Map<number, number>();
    let [x, y, all] = [0, 0, 0];
    for (const [other, weight] of near) {
      x += boxes.x[other]! * weight;
      y += boxes.y[other]! * weight;
      all += weight;
      votes.set(community[other]!, (votes.get(community[other]!) ?? 0) + weight);
    }
    const [of] = [...votes].sort(([one, a], [two, b]) => b - a || one - two)[0] ?? [discs.length - 1];
    community[user] = of;
    const disc = discs[of] ?? { x: 0, y: 0, radius: 100, size: 1 };
    const angle = 2 * Math.PI * random();
    const [px, py] = all ? [x / all, y / all] : [disc.x, disc.y];
    boxes.x[user] = 0.6 * px + 0.4 * disc.x + 0.35 * disc.radius * Math.cos(angle);
    boxes.y[user] = 0.6 * py + 0.4 * disc.y + 0.35 * disc.radius * Math.sin(angle);
  });
}

function boundsOf(order: Order, x: Float32Array, y: Float32Array): [number, number, number, number] {
  const bounds: [number, number, number, number] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let user = 0; user < x.length; user++) {
    const [half, radius] = [Math.max(order.widths[user]! / 2, order.radii[user]!), order.radii[user]!];
    bounds[0] = Math.min(bounds[0], x[user]! - half);
    bounds[1] = Math.min(bounds[1], y[user]! - radius - NAME_HEIGHT);
    bounds[2] = Math.max(bounds[2], x[user]! + half);
    bounds[3] = Math.max(bounds[3], y[user]! + radius + NAME_HEIGHT);
  }
  return x.length ? bounds : [0, 0, 1, 1];
}
