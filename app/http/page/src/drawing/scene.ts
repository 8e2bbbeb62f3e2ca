/** The scene: everything that is seen, as shapes and texts in pixels at one scale. It is computed once for a scale, a
 * choice of users and ties, and a selection; then the painters (Canvas and SVG) paint it as often as they must. */
import type { Graph } from "./graph";
import { LETTERED, type Laid } from "./layout";
import { type Align, type Box, cut, directionOf, type Spot, spots, Taken } from "./names";
import type { Palette } from "./palette";
import type { Shown } from "./shown";

/** How a tie is seen: 0 to 3 in the background, light to heavy; 4 opaque; 5 all but gone. */
export type Step = 0 | 1 | 2 | 3 | 4 | 5;
export const OPAQUE: Step = 4;
export const FAINT: Step = 5;
export const FAINTEST = 0.07;

export interface Ribbon {
  readonly tie: number;
  /** Where it begins (with the user who mentions), bends and ends. */
  readonly line: readonly [x0: number, y0: number, cx: number, cy: number, x1: number, y1: number];
  readonly width: number;
  readonly colour: number;
  readonly step: Step;
}

export interface Dot {
  readonly user: number;
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  readonly colour: number;
  readonly faint: boolean;
}

export interface Name {
  readonly user: number;
  readonly x: number;
  readonly y: number;
  readonly text: string;
  readonly box: Box;
  readonly size: number;
  readonly bold: boolean;
  readonly far: boolean;
  readonly align: Align;
  readonly direction: "ltr" | "rtl";
}

export interface Caption {
  readonly community: number;
  readonly letter: string;
  readonly x: number;
  readonly y: number;
  /** "around NAME" and "20 users" are set in two fonts. */
  readonly text: string;
  readonly count: string;
  /** Where the count begins. */
  readonly countX: number;
}

export interface Scene {
  readonly scale: number;
  readonly grounds: readonly { readonly colour: number; readonly lines: readonly Float32Array[] }[];
  readonly ribbons: readonly Ribbon[];
  readonly dots: readonly Dot[];
  readonly names: readonly Name[];
  readonly captions: readonly Caption[];
  /** The tie that evidence is shown for. */
  readonly marked: Ribbon | null;
  readonly selected: Dot | null;
  /** The user at the other end of the marked tie. */
  readonly other: Dot | null;
  readonly bounds: Box;
}

/** What of it is chosen. */
export interface Chosen {
  readonly user: number | null;
  readonly tie: number | null;
  /** Ties of a path: all else is faint. */
  readonly path: ReadonlySet<number> | null;
}

export interface Measure {
  (text: string, font: string): number;
}

const LONGEST_NAME = 150;

export const fonts = (palette: Palette) => ({
  name: (size: number, bold: boolean): string => `${bold ? 600 : 400} ${size}px ${palette.sans}`,
  caption: `italic 400 13px ${palette.serif}`,
  count: `400 11px ${palette.sans}`,
  letter: `700 11px ${palette.sans}`,
});

/** Dots and ribbons grow slower than distances, so that a closer look is one at more room. */
export const dotScale = (scale: number): number => Math.max(0.34, Math.min(1.7, scale ** 0.55));

export function compose(graph: Graph, laid: Laid, radii: Float32Array, shown: Shown, chosen: Chosen, palette: Palette, scale: number, measure: Measure): Scene {
  const size = dotScale(scale);
  const dot = (user: number, faint: boolean): Dot => ({
    user,
    x: laid.x[user]! * scale,
    y: laid.y[user]! * scale,
    radius: radii[user]! * size,
    colour: Math.min(LETTERED, laid.community[user]!),
    faint,
  });
  const near = neighbours(graph, shown, chosen);
  const dots = [...shown.users].sort((one, two) => graph.rank[two]! - graph.rank[one]!).map((user) => dot(user, near !== null && chosen.path !== null && !near.has(user)));
  const at = new Map(dots.map((each) => [each.user, each]));
  const ribbons = ribbonsOf(graph, shown, chosen, at, size);
  const marked = ribbons.find((each) => each.tie === chosen.tie) ?? null;
  const selected = (chosen.user !== null && at.get(chosen.user)) || null;
  const other = marked && chosen.tie !== null ? (at.get(otherEnd(graph, chosen.tie, chosen.user)) ?? null) : null;
  const grounds = groundsOf(laid, shown, scale);
  const [byDots, byNames] = [new Taken(), new Taken()];
  for (const each of dots) byDots.add(around(each));
  const captions = captionsOf(graph, laid, shown, scale, palette, measure, byDots, byNames);
  const names = namesOf(graph, dots, near, selected, other, palette, scale, measure, byDots, byNames);
  return { scale, grounds, ribbons, dots, names, captions, marked, selected, other, bounds: boundsOf(dots, grounds, names) };
}

function otherEnd(graph: Graph, tie: number, user: number | null): number {
  const { source, target } = graph.ties[tie]!;
  return source === user ? target : source;
}

/** Users that the selection is about: those of the path, or those with a drawn tie to the selected user. */
function neighbours(graph: Graph, shown: Shown, chosen: Chosen): ReadonlySet<number> | null {
  const ties = chosen.path ? [...chosen.path] : chosen.user === null ? null : shown.ties.filter((each) => touches(graph, each, chosen.user!));
  if (!ties) return null;
  const found = new Set(ties.flatMap((each) => [graph.ties[each]!.source, graph.ties[each]!.target]));
  if (chosen.user !== null) found.add(chosen.user);
  return found;
}

function touches(graph: Graph, tie: number, user: number): boolean {
  return graph.ties[tie]!.source === user || graph.ties[tie]!.target === user;
}

function ribbonsOf(graph: Graph, shown: Shown, chosen: Chosen, at: ReadonlyMap<number, Dot>, size: number): Ribbon[] {
  const ties = chosen.path ? [...new Set([...shown.ties, ...chosen.path])] : shown.ties;
  const steps = thresholds(ties.map((each) => graph.ties[each]!.mentions));
  const ribbons: Ribbon[] = [];
  for (const place of ties) {
    const tie = graph.ties[place]!;
    const [from, to] = [at.get(tie.source), at.get(tie.target)];
    if (!from || !to) continue;
    const own = chosen.path ? chosen.path.has(place) : place === chosen.tie || (chosen.user !== null && touches(graph, place, chosen.user));
    const step = own ? OPAQUE : chosen.path ? FAINT : (steps.filter((each) => tie.mentions >= each).length as Step);
    ribbons.push(ribbonOf(place, from, to, (0.9 + Math.sqrt(tie.mentions)) * Math.max(0.45, size), step));
  }
  // Own ties on top; a stable sort keeps the heavy ones above the light ones.
  return ribbons.sort((one, two) => Number(one.step === OPAQUE) - Number(two.step === OPAQUE));
}

/** Three numbers of mentions that part the ties into four groups, the heavy ones the smallest. */
function thresholds(mentions: readonly number[]): number[] {
  const sorted = [...mentions].sort((one, two) => one - two);
  return [0.4, 0.7, 0.9].map((share) => Math.max(2, sorted[Math.floor(share * (sorted.length - 1))] ?? 2));
}

/** From rim to rim, bent to the right of who mentions, so that the two directions between two users part. */
export function ribbonOf(tie: number, from: Dot, to: Dot, width: number, step: Step): Ribbon {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const far = Math.hypot(dx, dy) || 1;
  const bend = Math.min(0.2 * far, 12 + 0.09 * far);
  const [cx, cy] = [(from.x + to.x) / 2 - (dy / far) * bend, (from.y + to.y) / 2 + (dx / far) * bend];
  const rim = (dot: Dot, gap: number): [number, number] => {
    const [x, y] = [cx - dot.x, cy - dot.y];
    const length = Math.hypot(x, y) || 1;
    const reach = Math.min(dot.radius + gap, 0.48 * far);
    return [dot.x + (x / length) * reach, dot.y + (y / length) * reach];
  };
  return { tie, line: [...rim(from, 0.4), cx, cy, ...rim(to, 1.2)], width, colour: from.colour, step };
}

/** The outline of a ribbon: thick where the tie begins, thin where it ends. */
export function outline({ line: [x0, y0, cx, cy, x1, y1], width }: Ribbon): readonly number[] {
  const normal = (x: number, y: number): [number, number] => {
    const length = Math.hypot(x, y) || 1;
    return [-y / length, x / length];
  };
  const [ax, ay] = normal(cx - x0, cy - y0);
  const [bx, by] = normal(x1 - x0, y1 - y0);
  const [ex, ey] = normal(x1 - cx, y1 - cy);
  const [thick, half, thin] = [width / 2, width * 0.29, Math.min(0.3, width / 6)];
  return [
    x0 + ax * thick, y0 + ay * thick, cx + bx * half, cy + by * half, x1 + ex * thin, y1 + ey * thin,
    x1 - ex * thin, y1 - ey * thin, cx - bx * half, cy - by * half, x0 - ax * thick, y0 - ay * thick,
  ];
}

function groundsOf(laid: Laid, shown: Shown, scale: number): Scene["grounds"][number][] {
  const seen = new Set([...shown.users].map((user) => laid.community[user]!));
  return laid.grounds.flatMap((lines, colour) => (seen.has(colour) ? [{ colour, lines: lines.map((line) => line.map((each) => each * scale)) }] : []));
}

function around(dot: Dot): Box {
  const reach = dot.radius * 0.92;
  return { left: dot.x - reach, right: dot.x + reach, top: dot.y - reach, bottom: dot.y + reach };
}

export const LETTERS = "ABCDEFGH";

/** The best-ranked user of each lettered community, and its size, of all that was loaded. */
export function communitiesOf(graph: Graph, laid: Laid): readonly { readonly best: number; readonly size: number }[] {
  const found: { best: number; size: number }[] = [];
  for (const user of graph.ranked) {
    const of = laid.community[user]!;
    if (of >= LETTERED) continue;
    const was = found[of];
    if (was) was.size += 1;
    else found[of] = { best: user, size: 1 };
  }
  return found;
}

function captionsOf(graph: Graph, laid: Laid, shown: Shown, scale: number, palette: Palette, measure: Measure, byDots: Taken, byNames: Taken): Caption[] {
  const font = fonts(palette);
  const seen = new Set([...shown.users].map((user) => laid.community[user]!));
  const free = (box: Box): boolean => byDots.free(box) && byNames.free(box);
  return communitiesOf(graph, laid).flatMap(({ best, size }, community) => {
    const lines = laid.grounds[community];
    if (!seen.has(community) || !lines?.length) return [];
    // The name is isolated, so that one from right to left does not take the word before it along.
    let text = cut(`around \u2068${graph.users[best]!.spelling}\u2069`, 190, (each) => measure(each, font.caption));
    let count = `${size} users`;
    const countX = 14 + measure(text, font.caption) + 6;
    let place = captionPlace(lines, scale, countX + measure(count, font.count), free);
    if (!place) {
      // A crowded ground keeps its letter. The list of communities says the rest.
      [text, count] = ["", ""];
      place = captionPlace(lines, scale, 8, free);
    }
    if (!place) return [];
    byNames.add(place);
    const [x, y] = [place.left + 10, place.top + 14];
    return [{ community, letter: LETTERS[community]!, x, y, text, count, countX: x + countX }];
  });
}

/** On the upper rim of the ground, where nothing lies: the middle first. */
function captionPlace(lines: readonly Float32Array[], scale: number, width: number, free: (box: Box) => boolean): Box | null {
  const line = lines.reduce((most, each) => (each.length > most.length ? each : most));
  let [left, right] = [Infinity, -Infinity];
  for (let at = 0; at < line.length; at += 2) {
    left = Math.min(left, line[at]!);
    right = Math.max(right, line[at]!);
  }
  const topAt = (x: number): number => {
    let top = Infinity;
    for (let at = 0; at < line.length; at += 2) if (Math.abs(line[at]! - x) < 14) top = Math.min(top, line[at + 1]!);
    return top;
  };
  const bottomAt = (x: number): number => {
    let bottom = -Infinity;
    for (let at = 0; at < line.length; at += 2) if (Math.abs(line[at]! - x) < 14) bottom = Math.max(bottom, line[at + 1]!);
    return bottom;
  };
  const full = width + 12;
  const boxAt = (share: number, top: number): Box => {
    const x = (left + share * (right - left)) * scale;
    return { left: x - full / 2, right: x + full / 2, top, bottom: top + 20 };
  };
  for (const down of [4, 14, -8, 24, -20, 34, 44])
    for (const share of [0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82]) {
      const top = topAt(left + share * (right - left));
      if (!Number.isFinite(top)) continue;
      const box = boxAt(share, top * scale + down);
      if (free(box)) return box;
    }
  for (const down of [-24, -14, -4])
    for (const share of [0.5, 0.35, 0.65, 0.2, 0.8]) {
      const bottom = bottomAt(left + share * (right - left));
      if (!Number.isFinite(bottom)) continue;
      const box = boxAt(share, bottom * scale + down);
      if (free(box)) return box;
    }
  return null;
}

function namesOf(
  graph: Graph, dots: readonly Dot[], near: ReadonlySet<number> | null, selected: Dot | null, other: Dot | null,
  palette: Palette, scale: number, measure: Measure, byDots: Taken, byNames: Taken,
): Name[] {
  const font = fonts(palette);
  const larger = Math.max(1, Math.min(1.3, scale ** 0.3));
  const order = (dot: Dot): number => (dot === selected ? -2 : dot === other ? -1 : graph.rank[dot.user]!);
  const ranked = [...dots].sort((one, two) => order(one) - order(two));
  const names: Name[] = [];
  ranked.forEach((dot, index) => {
    if (dot.faint) return;
    const chosen = dot === selected;
    const share = index / ranked.length;
    const big = chosen || dot === other || (share < 0.14 && index < 60);
    const size = chosen ? 15 : larger * (big ? 12.5 : share < 0.6 ? 11.5 : 10.5);
    const face = font.name(size, big);
    const text = cut(graph.users[dot.user]!.spelling, chosen ? 260 : LONGEST_NAME, (each) => measure(each, face));
    const places = spots(dot.x, dot.y, dot.radius + (chosen ? 5 : 0), measure(text, face), size);
    const open = places.filter(({ box }) => byNames.free(box));
    const spot = open.find(({ box }) => byDots.free(box)) ?? (big ? leastOver(open, byDots, chosen) : undefined) ?? (chosen ? places[0] : undefined);
    if (!spot) return;
    byNames.add(spot.box);
    names.push({ user: dot.user, x: spot.x, y: spot.y, text, box: spot.box, size, bold: big, far: near ? !near.has(dot.user) : !big, align: spot.align, direction: directionOf(text) });
  });
  return names;
}

/** A name that matters may lie on dots that matter less, where nothing is free: on as few as it can. */
function leastOver(open: readonly Spot[], byDots: Taken, whatever: boolean): Spot | undefined {
  const [best] = open.map((spot) => ({ spot, over: byDots.over(spot.box) })).sort((one, two) => one.over - two.over);
  return best && (whatever || best.over < 260) ? best.spot : undefined;
}

/** Margin around everything: a picture in an article needs air. */
const AIR = 18;

function boundsOf(dots: readonly Dot[], grounds: Scene["grounds"], names: readonly Name[]): Box {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  const take = (x: number, y: number, margin: number): void => {
    left = Math.min(left, x - margin);
    right = Math.max(right, x + margin);
    top = Math.min(top, y - margin);
    bottom = Math.max(bottom, y + margin);
  };
  for (const dot of dots) take(dot.x, dot.y, dot.radius + AIR);
  for (const { box } of names) {
    take(box.left, box.top, AIR);
    take(box.right, box.bottom, AIR);
  }
  for (const { lines } of grounds) for (const line of lines) for (let at = 0; at < line.length; at += 2) take(line[at]!, line[at + 1]!, AIR);
  return dots.length ? { left, top, right, bottom } : { left: 0, top: 0, right: 1, bottom: 1 };
}
