/** The sheet around a picture that leaves the page: a headline, a sentence, a legend, the source. What a newspaper would
 * have to write beside the picture stands in it. PNG, SVG and HTML paint the same marks. */
import { LETTERED } from "./layout";
import { directionOf } from "./names";
import type { Palette } from "./palette";
import { dotScale, LETTERS, type Measure, outline, type Scene } from "./scene";

export interface Words {
  readonly headline: string;
  readonly sentence: string;
  readonly source: string;
  /** Numbers of mentions that the legend shows as dots, with their radii at scale 1. */
  readonly sizes: readonly { readonly value: number; readonly radius: number }[];
  /** Mentions of the heaviest tie that is drawn. */
  readonly heaviest: number;
  /** Communities that are drawn, by letter. */
  readonly communities: readonly { readonly colour: number; readonly name: string; readonly users: string }[];
}

export interface Text {
  readonly kind: "text";
  readonly x: number;
  readonly y: number;
  readonly text: string;
  readonly size: number;
  readonly weight: number;
  readonly family: string;
  readonly colour: string;
  readonly align: "left" | "center" | "right";
  readonly direction: "ltr" | "rtl";
}

export interface Shape {
  readonly kind: "shape";
  /** A path as SVG and Path2D take it. */
  readonly d: string;
  readonly fill: string | null;
  readonly stroke: string | null;
  readonly width: number;
}

export type Mark = Text | Shape;

export interface Sheet {
  readonly width: number;
  readonly height: number;
  /** Where the origin of the scene lies. */
  readonly x: number;
  readonly y: number;
  readonly marks: readonly Mark[];
}

/** A narrower sheet would break its own lines too often. */
const NARROWEST = 680;
/** Letters of the sheet grow with it up to this, so that they can be read where a large picture is shown small. */
const LARGEST = 2;
const MARGIN = 28;

export function fontOf({ size, weight, family }: Pick<Text, "size" | "weight" | "family">): string {
  return `${weight} ${size}px ${family}`;
}

export function sheetOf(scene: Scene, palette: Palette, words: Words, measure: Measure): Sheet {
  const { left, top, right, bottom } = scene.bounds;
  const width = Math.ceil(Math.max(NARROWEST, right - left));
  const unit = Math.max(1, Math.min(LARGEST, width / 1100));
  const writer = new Writer(palette, measure, width, unit);
  writer.paragraph(words.headline, { size: 26, line: 32, weight: 600, family: palette.serif, colour: palette.ink });
  writer.paragraph(words.sentence, { size: 15, line: 22, weight: 400, family: palette.serif, colour: palette.ink2 });
  const y = writer.y;
  writer.y += Math.ceil(bottom - top);
  writer.legend(scene, words);
  writer.paragraph(words.source, { size: 11.5, line: 17, weight: 400, family: palette.sans, colour: palette.ink3 });
  return { width, height: Math.ceil(writer.y + 0.5 * MARGIN * unit), x: (width - (right - left)) / 2 - left, y: y - top, marks: writer.marks };
}

interface Style {
  readonly size: number;
  readonly line: number;
  readonly weight: number;
  readonly family: string;
  readonly colour: string;
}

class Writer {
  readonly marks: Mark[] = [];
  y: number;
  private readonly margin: number;

  constructor(private readonly palette: Palette, private readonly measure: Measure, private readonly width: number, private readonly unit: number) {
    this.margin = MARGIN * unit;
    this.y = 0.6 * this.margin;
  }

  private write(x: number, y: number, text: string, style: Partial<Text> = {}): number {
    const { palette, unit } = this;
    const mark: Text = { kind: "text", x, y, text, size: 12 * unit, weight: 400, family: palette.sans, colour: palette.ink2, align: "left", direction: "ltr", ...style };
    this.marks.push(mark);
    return this.measure(text, fontOf(mark));
  }

  /** A text in lines, at the side where its script begins. */
  paragraph(text: string, { size, line, weight, family, colour }: Style): void {
    if (!text) return;
    const style = { size: size * this.unit, weight, family, colour };
    const direction = directionOf(text);
    const font = fontOf(style);
    for (const each of lines(text, this.width - 2 * this.margin, (part) => this.measure(part, font))) {
      this.y += line * this.unit;
      this.write(direction === "rtl" ? this.width - this.margin : this.margin, this.y, each, { ...style, direction, align: direction === "rtl" ? "right" : "left" });
    }
    this.y += 0.35 * line * this.unit;
  }

  private shape(d: string, fill: string | null, stroke: string | null = null, width = 1.2): void {
    this.marks.push({ kind: "shape", d, fill, stroke, width });
  }

  legend(scene: Scene, words: Words): void {
    const { palette, unit, margin } = this;
    const flow = new Flow(margin, this.width - margin, this.y, 28 * unit, 30 * unit);
    const text = (part: string): number => this.measure(part, `400 ${12 * unit}px ${palette.sans}`);
    this.shape(`M${margin} ${this.y + 4 * unit}H${this.width - margin}`, null, palette.ink3, 0.75);
    if (words.sizes.length) {
      const factor = dotScale(scene.scale);
      const radii = words.sizes.map(({ radius }) => radius * factor);
      const wide = radii.reduce((sum, radius) => sum + 2 * radius + 6 * unit, 0);
      const label = `mentioned ${words.sizes.map(({ value }) => value.toLocaleString("en")).join(", ")} times`;
      let { x, y } = flow.take(wide + 4 * unit + text(label));
      for (const radius of radii) {
        this.shape(circle(x + radius, y - 4 * unit, radius), null, palette.ink2);
        x += 2 * radius + 6 * unit;
      }
      this.write(x + 4 * unit, y, label);
    }
    this.tie(flow, text, 3, "the thick end mentions the thin end");
    if (words.heaviest > 1) this.tie(flow, text, 0.9 + Math.sqrt(words.heaviest), `${words.heaviest.toLocaleString("en")} mentions, the strongest tie`);
    flow.end();
    for (const { colour, name, users } of words.communities) {
      const letter = LETTERS[colour];
      const label = letter ? `around \u2068${name}\u2069, ${users}` : `${name}, ${users}`;
      const { x, y } = flow.take(24 * unit + text(label));
      this.shape(circle(x + 9 * unit, y - 4 * unit, 8.5 * unit), palette.communities[Math.min(colour, LETTERED)]!);
      if (letter) this.write(x + 9 * unit, y - 0.2 * unit, letter, { size: 11 * unit, weight: 700, colour: palette.letters[colour]!, align: "center" });
      this.write(x + 24 * unit, y, label);
    }
    this.y = flow.y + 12 * unit;
  }

  /** A ribbon of the legend. */
  private tie(flow: Flow, text: (part: string) => number, width: number, label: string): void {
    const { unit } = this;
    const { x, y } = flow.take(54 * unit + text(label));
    const middle = y - 4 * unit;
    const points = outline({ tie: 0, line: [x, middle + 2, x + 22 * unit, middle - 3 * unit, x + 44 * unit, middle + 2], width: Math.min(12, width) * unit, colour: 0, step: 4 });
    const [ax, ay, bx, by, cx, cy, dx, dy, ex, ey, fx, fy] = points.map((each) => Math.round(10 * each) / 10);
    this.shape(`M${ax} ${ay}Q${bx} ${by} ${cx} ${cy}L${dx} ${dy}Q${ex} ${ey} ${fx} ${fy}Z`, this.palette.ink2);
    this.write(x + 54 * unit, y, label);
  }
}

/** Places things side by side, and below where the line is full. */
class Flow {
  private x: number;

  constructor(private readonly left: number, private readonly right: number, public y: number, private readonly line: number, private readonly gap: number) {
    this.x = left;
    this.y = y + line;
  }

  /** What follows begins a line. */
  end(): void {
    if (this.x > this.left) [this.x, this.y] = [this.left, this.y + this.line];
  }

  take(width: number): { x: number; y: number } {
    if (this.x > this.left && this.x + width > this.right) {
      this.x = this.left;
      this.y += this.line;
    }
    const { x, y } = this;
    this.x += width + this.gap;
    return { x, y };
  }
}

/** In tenths, so that both halves have exactly the diameter between their ends. */
function circle(x: number, y: number, radius: number): string {
  const [middle, level, reach] = [x, y, Math.max(0.5, radius)].map((each) => Math.round(10 * each) / 10) as [number, number, number];
  const [from, to, r, at] = [middle - reach, middle + reach, reach, level].map((each) => each.toFixed(1));
  return `M${from} ${at}A${r} ${r} 0 0 1 ${to} ${at}A${r} ${r} 0 0 1 ${from} ${at}Z`;
}

function lines(text: string, most: number, widthOf: (text: string) => number): string[] {
  const found: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const longer = line ? `${line} ${word}` : word;
    if (line && widthOf(longer) > most) {
      found.push(line);
      line = word;
    } else line = longer;
  }
  return line ? [...found, line] : found;
}
