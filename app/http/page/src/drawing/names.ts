/** Names beside dots: eight places for each, the best free one is taken, and a name without a free one is left out. */

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

const CELL = 64;

/** What lies where already. */
export class Taken {
  private readonly cells = new Map<number, Box[]>();

  add(box: Box): void {
    this.each(box, (list) => {
      list.push(box);
      return false;
    });
  }

  free(box: Box): boolean {
    return !this.each(box, (list) => list.some((other) => meet(box, other)));
  }

  /** How much of the box is taken, in square pixels. */
  over(box: Box): number {
    const found = new Set<Box>();
    this.each(box, (list) => {
      for (const other of list) if (meet(box, other)) found.add(other);
      return false;
    });
    let area = 0;
    for (const other of found) area += (Math.min(box.right, other.right) - Math.max(box.left, other.left)) * (Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top));
    return area;
  }

  private each(box: Box, act: (list: Box[]) => boolean): boolean {
    for (let column = Math.floor(box.left / CELL); column <= Math.floor(box.right / CELL); column++)
      for (let row = Math.floor(box.top / CELL); row <= Math.floor(box.bottom / CELL); row++) {
        const name = column * 100_003 + row;
        let list = this.cells.get(name);
        if (!list) this.cells.set(name, (list = []));
        if (act(list)) return true;
      }
    return false;
  }
}

function meet(one: Box, two: Box): boolean {
  return one.left < two.right && two.left < one.right && one.top < two.bottom && two.top < one.bottom;
}

export type Align = "left" | "center" | "right";

export interface Spot {
  /** Where the text is anchored, with its baseline. */
  readonly x: number;
  readonly y: number;
  readonly align: Align;
  readonly box: Box;
}

/** The eight places around a dot, the best first: below, above, right, left, and the corners. */
export function spots(x: number, y: number, radius: number, width: number, size: number): Spot[] {
  const [up, down] = [0.78 * size, 0.24 * size];
  const make = (dx: number, baseline: number, align: Align): Spot => {
    const left = align === "center" ? x - width / 2 : align === "left" ? x + dx : x + dx - width;
    return { x: x + dx, y: y + baseline, align, box: { left: left - 2, right: left + width + 2, top: y + baseline - up - 1, bottom: y + baseline + down + 1 } };
  };
  const gap = radius + 3;
  const [below, above] = [gap + up + 1, -gap - down];
  const corner = 0.75 * radius;
  return [
    make(0, below, "center"),
    make(0, above, "center"),
    make(gap + 1, 0.34 * size, "left"),
    make(-gap - 1, 0.34 * size, "right"),
    make(corner, below - 2, "left"),
    make(-corner, below - 2, "right"),
    make(corner, above + 2, "left"),
    make(-corner, above + 2, "right"),
  ];
}

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]/u;
const LETTER = /\p{L}/u;

/** The direction of the first letter, as `dir=auto` takes it. */
export function directionOf(text: string): "ltr" | "rtl" {
  for (const character of text) if (LETTER.test(character)) return RIGHT_TO_LEFT.test(character) ? "rtl" : "ltr";
  return "ltr";
}

const segmenter = typeof Intl.Segmenter === "function" ? new Intl.Segmenter() : null;

/** A name that is wider than `most`, cut between two characters as a reader counts them. */
export function cut(text: string, most: number, widthOf: (text: string) => number): string {
  if (widthOf(text) <= most) return text;
  const letters = segmenter ? Array.from(segmenter.segment(text), (each) => each.segment) : Array.from(text);
  let [low, high] = [1, letters.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (widthOf(`${letters.slice(0, middle).join("")}…`) <= most) low = middle;
    else high = middle - 1;
  }
  return `${letters.slice(0, low).join("")}…`;
}
