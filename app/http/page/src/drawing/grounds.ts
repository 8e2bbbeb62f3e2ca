/** The soft ground of a community: a contour of how densely its users lie, taken where it is denser than the others. */
import { NAME_HEIGHT } from "./layout";
import type { Boxes } from "./room";

/** How far a user's ground reaches; the contour lies about one and a half of it from the box of dot and name. */
const REACH = 25;
const LEVEL = 0.3;
const MOST_CELLS = 160_000;
/** A smaller hole is a gap between two users, not a hole. */
const HOLE = 9000;

interface Grid {
  readonly cell: number;
  readonly columns: number;
  readonly rows: number;
  readonly left: number;
  readonly top: number;
}

/** Closed lines around each of the first `count` communities. */
export function grounds(boxes: Boxes, community: Uint32Array, count: number): Float32Array[][] {
  if (!count) return [];
  const grid = gridOver(boxes);
  const fields = Array.from({ length: count }, () => new Float32Array(grid.columns * grid.rows));
  const rest = new Float32Array(grid.columns * grid.rows);
  for (let user = 0; user < community.length; user++) {
    add(fields[community[user]!] ?? rest, grid, boxes, user);
  }
  // Users without a community of their own keep theirs clear of grounds, too.
  const all = new Float32Array(grid.columns * grid.rows);
  for (const field of [...fields, rest]) field.forEach((value, index) => (all[index] = all[index]! + Math.min(1.5, value)));
  return fields.map((field) => {
    const own = field.map((value, index) => Math.min(1.5, value) - 0.62 * (all[index]! - Math.min(1.5, value)) - LEVEL);
    return contours(own, grid).filter((line) => {
      const area = areaOf(line);
      return area > 0 ? area > 1500 : area < -HOLE;
    });
  });
}

function gridOver({ x, y }: Boxes): Grid {
  const margin = 5 * REACH;
  const [left, top] = [x.reduce((a, b) => Math.min(a, b), Infinity) - margin - 60, y.reduce((a, b) => Math.min(a, b), Infinity) - margin];
  const [right, bottom] = [x.reduce((a, b) => Math.max(a, b), -Infinity) + margin + 60, y.reduce((a, b) => Math.max(a, b), -Infinity) + margin];
  const cell = Math.max(9, Math.sqrt(((right - left) * (bottom - top)) / MOST_CELLS));
  return { cell, left, top, columns: Math.ceil((right - left) / cell) + 1, rows: Math.ceil((bottom - top) / cell) + 1 };
}

function add(field: Float32Array, grid: Grid, { x, y, widths, radii }: Boxes, user: number): void {
  const far = 3 * REACH;
  // Names are placed later, on any side: half of a name's width stands for all places.
  const half = Math.max(radii[user]!, widths[user]! * 0.36);
  const [above, below] = [radii[user]! - 2, radii[user]! + NAME_HEIGHT - 8];
  const first = Math.max(0, Math.floor((y[user]! - above - far - grid.top) / grid.cell));
  const last = Math.min(grid.rows - 1, Math.ceil((y[user]! + below + far - grid.top) / grid.cell));
  const from = Math.max(0, Math.floor((x[user]! - half - far - grid.left) / grid.cell));
  const to = Math.min(grid.columns - 1, Math.ceil((x[user]! + half + far - grid.left) / grid.cell));
  for (let row = first; row <= last; row++) {
    const down = grid.top + row * grid.cell - y[user]!;
    const dy = Math.max(0, down - below, -down - above);
    for (let column = from; column <= to; column++) {
      const dx = Math.max(0, Math.abs(grid.left + column * grid.cell - x[user]!) - half);
      field[row * grid.columns + column]! += Math.exp(-(dx * dx + dy * dy) / (2 * REACH * REACH));
    }
  }
}

/** Lines where the field is 0, by marching squares; what is above 0 lies to the left of the line. */
function contours(field: Float32Array, grid: Grid): Float32Array[] {
  const { columns, rows, cell, left, top } = grid;
  const next = new Map<number, number>();
  const point = new Map<number, [number, number]>();
  const horizontal = (column: number, row: number): number => 2 * (row * columns + column);
  const cross = (one: number, two: number): number => one / (one - two);
  const name = (side: number, column: number, row: number, corners: readonly [number, number, number, number]): number => {
    const [a, b, c, d] = corners; // a b above, d c below
    const key = side === 0 ? horizontal(column, row) : side === 1 ? horizontal(column + 1, row) + 1 : side === 2 ? horizontal(column, row + 1) : horizontal(column, row) + 1;
    if (!point.has(key)) {
      const at: [number, number] =
        side === 0 ? [column + cross(a, b), row] : side === 1 ? [column + 1, row + cross(b, c)] : side === 2 ? [column + cross(d, c), row + 1] : [column, row + cross(a, d)];
      point.set(key, [left + at[0] * cell, top + at[1] * cell]);
    }
    return key;
  };
  for (let row = 0; row < rows - 1; row++)
    for (let column = 0; column < columns - 1; column++) {
      const at = row * columns + column;
      const corners = [field[at]!, field[at + 1]!, field[at + columns + 1]!, field[at + columns]!] as const;
      const kind = (corners[0] > 0 ? 8 : 0) | (corners[1] > 0 ? 4 : 0) | (corners[2] > 0 ? 2 : 0) | (corners[3] > 0 ? 1 : 0);
      for (const [from, to] of SIDES[kind]!) next.set(name(from, column, row, corners), name(to, column, row, corners));
    }
  const lines: Float32Array[] = [];
  while (next.size) {
    const [start] = next.keys();
    const line: number[] = [];
    for (let at = start; at !== undefined && next.has(at); ) {
      line.push(...point.get(at)!);
      const following: number = next.get(at)!;
      next.delete(at);
      at = following;
    }
    if (line.length >= 12) lines.push(smoothed(line));
  }
  return lines;
}

/** For each of 16 kinds of cell, the sides where a line enters and leaves: 0 above, 1 right, 2 below, 3 left. */
const SIDES: readonly (readonly (readonly [number, number])[])[] = [
  [], [[2, 3]], [[1, 2]], [[1, 3]], [[0, 1]], [[0, 1], [2, 3]], [[0, 2]], [[0, 3]],
  [[3, 0]], [[2, 0]], [[3, 0], [1, 2]], [[1, 0]], [[3, 1]], [[2, 1]], [[3, 2]], [],
];

/** Every point moved to the middle of itself and its four neighbours: the corners of the grid go. */
function smoothed(line: number[]): Float32Array {
  const count = line.length / 2;
  const out = new Float32Array(line.length);
  for (let at = 0; at < count; at++)
    for (const axis of [0, 1]) {
      let sum = 0;
      for (let off = -2; off <= 2; off++) sum += line[2 * ((at + off + count) % count) + axis]!;
      out[2 * at + axis] = sum / 5;
    }
  return out;
}

/** Positive where the line goes around what is inside, negative where it goes around a hole. */
function areaOf(line: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < line.length; at += 2) {
    const to = (at + 2) % line.length;
    sum += line[to]! * line[at + 1]! - line[at]! * line[to + 1]!;
  }
  return sum / 2;
}
