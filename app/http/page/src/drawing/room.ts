/** Room for communities, and room for names: what forces leave is moved until nothing lies on another thing. */
import { NAME_HEIGHT } from "./layout";

export interface Disc {
  x: number;
  y: number;
  radius: number;
  size: number;
}

/** The sheet that is filled: half its width and half its height, around 0. */
export interface Room {
  readonly width: number;
  readonly height: number;
}

/** A sheet is wider than high, as screens and columns of newspapers are. */
const ASPECT = 1.52;
/** Share of a sheet that discs can fill and still find a place. */
const PACKED = 0.86;
/** The lower left corner is left to the legend: shares of half the sheet's width and height. */
const CORNER = [0.5, 0.3] as const;

/** Move discs apart and into a sheet that is as small as they allow. */
export function pack(discs: Disc[]): Room {
  const real = discs.filter((disc) => disc.size);
  const area = real.reduce((sum, disc) => sum + Math.PI * disc.radius ** 2, 0);
  const largest = real.reduce((most, disc) => Math.max(most, disc.radius), 0);
  let height = Math.max(Math.sqrt(area / PACKED / ASPECT) / 2, real.length > 1 ? largest * 1.02 : largest * 0.8);
  const turns = real.length > 400 ? 160 : 500;
  for (let turn = 0; turn < turns; turn++) {
    const room = { width: height * ASPECT, height };
    let over = 0;
    for (const disc of real) {
      disc.x *= 0.997;
      disc.y *= 0.997;
    }
    for (let one = 0; one < real.length; one++)
      for (let two = one + 1; two < real.length; two++) over += part(real[one]!, real[two]!);
    for (const disc of real) within(disc, room, real.length > 3);
    if (turn > 60 && turn % 20 === 0 && over > 0.01 * largest * real.length) height *= 1.01;
  }
  return { width: height * ASPECT, height };
}

/** Push two discs apart, the smaller one farther. Returns how far they lay on one another. */
function part(one: Disc, two: Disc): number {
  const [dx, dy] = [two.x - one.x, two.y - one.y];
  const far = Math.hypot(dx, dy) || 1e-3;
  const over = one.radius + two.radius - far;
  if (over <= 0) return 0;
  const share = one.radius ** 2 / (one.radius ** 2 + two.radius ** 2);
  const push = (0.5 * over) / far;
  one.x -= dx * push * (1 - share);
  one.y -= (dy || 1e-3) * push * (1 - share);
  two.x += dx * push * share;
  two.y += (dy || 1e-3) * push * share;
  return over;
}

function within(disc: Disc, room: Room, corner: boolean): void {
  const [x, y] = [Math.max(0, room.width - disc.radius), Math.max(0, room.height - disc.radius)];
  disc.x = Math.max(-x, Math.min(x, disc.x));
  disc.y = Math.max(-y, Math.min(y, disc.y));
  if (!corner) return;
  const [left, low] = [-room.width * (1 - CORNER[0]), room.height * (1 - CORNER[1])];
  const [inX, inY] = [left - (disc.x - disc.radius), disc.y + disc.radius - low];
  if (inX <= 0 || inY <= 0) return;
  const [cx, cy] = [Math.max(0, disc.x - left), Math.max(0, low - disc.y)];
  if (Math.hypot(cx, cy) >= disc.radius) return;
  disc.y -= 0.25 * inY;
  disc.x += 0.1 * inX;
}

export interface Boxes {
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly widths: Float32Array;
  readonly radii: Float32Array;
}

export interface Settling {
  readonly community: Uint32Array;
  readonly discs: readonly Disc[];
  readonly room: Room;
  /** Users from `from` move; those before stay where they are. */
  readonly from: number;
  readonly to: number;
}

const CELL = 90;
const AIR = 7;

/** Push boxes (a dot with its name below) apart, while each user stays on the own community's side. */
export function settle(boxes: Boxes, settling: Settling): void {
  const { community, discs, room, from, to } = settling;
  const { x, y } = boxes;
  const turns = to > 3000 ? 60 : 160;
  const large = discs.filter((disc) => disc.size > 3).slice(0, 60);
  for (let turn = 0; turn < turns; turn++) {
    const calm = turn > 0.7 * turns;
    for (let user = from; user < to; user++) {
      const own = discs[community[user]!];
      if (own && !calm) keepAside(boxes, user, own, large);
      keepInside(boxes, user, room);
    }
    if (!apart(boxes, from, to)) break;
  }
  for (let user = from; user < to; user++) {
    x[user] = Math.round(x[user]! * 10) / 10;
    y[user] = Math.round(y[user]! * 10) / 10;
  }
}

function keepAside(boxes: Boxes, user: number, own: Disc, large: readonly Disc[]): void {
  const { x, y } = boxes;
  const power = (disc: Disc): number => (x[user]! - disc.x) ** 2 + (y[user]! - disc.y) ** 2 - disc.radius ** 2;
  const mine = power(own);
  for (const other of large) {
    if (other === own || power(other) > mine + 30 * other.radius) continue;
    const far = Math.hypot(x[user]! - other.x, y[user]! - other.y) || 1;
    x[user]! += (2.5 * (x[user]! - other.x)) / far + 0.01 * (own.x - x[user]!);
    y[user]! += (2.5 * (y[user]! - other.y)) / far + 0.01 * (own.y - y[user]!);
  }
}

function keepInside(boxes: Boxes, user: number, room: Room): void {
  const { x, y, widths, radii } = boxes;
  const [half, tall] = [room.width - widths[user]! / 2 - 16, room.height - radii[user]! - 24];
  x[user] = Math.max(-half, Math.min(half, x[user]!));
  y[user] = Math.max(-tall, Math.min(tall, y[user]!));
}

/** One round over all pairs whose boxes lie on one another. Returns whether there was one. */
function apart(boxes: Boxes, from: number, to: number): boolean {
  const { x, y, widths, radii } = boxes;
  const cells = new Map<number, number[]>();
  const cell = (px: number, py: number): number => (Math.floor(px / CELL) + 5000) * 10000 + Math.floor(py / CELL) + 5000;
  for (let user = 0; user < to; user++) {
    const name = cell(x[user]!, y[user]!);
    const list = cells.get(name);
    if (list) list.push(user);
    else cells.set(name, [user]);
  }
  let moved = false;
  for (let one = from; one < to; one++) {
    const half = Math.max(widths[one]! / 2 + 3, radii[one]!);
    for (let dx = -2; dx <= 2; dx++)
      for (let dy = -1; dy <= 1; dy++)
        for (const two of cells.get(cell(x[one]! + dx * CELL, y[one]! + dy * CELL)) ?? []) {
          if (two === one || (two >= from && two < one)) continue;
          const wide = half + Math.max(widths[two]! / 2 + 3, radii[two]!) - Math.abs(x[one]! - x[two]!);
          if (wide <= 0) continue;
          const down = y[two]! - y[one]!;
          // A name lies below its dot, so what is above needs the room of a name, and what is below needs none.
          const tall = radii[one]! + radii[two]! + NAME_HEIGHT + AIR - Math.abs(down);
          if (tall <= 0) continue;
          moved = true;
          const fixed = two < from;
          const share = fixed ? 1 : 0.5;
          if (wide * 0.6 < tall) {
            const push = Math.min(wide, 8) * 0.5 * (x[two]! >= x[one]! ? 1 : -1);
            x[one]! -= push * share;
            if (!fixed) x[two]! += push * share;
          } else {
            const push = Math.min(tall, 8) * 0.5 * (down >= 0 ? 1 : -1);
            y[one]! -= push * share;
            if (!fixed) y[two]! += push * share;
          }
        }
  }
  return moved;
}
