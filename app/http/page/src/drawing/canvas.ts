/** Paints a scene on a Canvas.
 *
 * One renderer with and without a GPU: ribbons that are thick at one end, soft grounds and names in any script are what
 * a Canvas does well, and the bitmap is moved while somebody pans or zooms (stage.ts).
 */
import type { Palette } from "./palette";
import { type Dot, FAINTEST, fonts, OPAQUE, outline, type Ribbon, type Scene } from "./scene";
import { fontOf, type Sheet } from "./sheet";

/** Ribbons in one path. One path for each costs calls; one for all costs the rasterizer more than the calls. */
const TOGETHER = 12;
const HALO = 3.2;
/** Dots in one step. */
const AT_ONCE = 200;

interface Compiled {
  readonly grounds: readonly { readonly colour: number; readonly path: Path2D }[];
  readonly back: readonly Batch[];
  readonly front: readonly Batch[];
}

interface Batch {
  readonly colour: number;
  readonly opacity: number;
  readonly path: Path2D;
}

const compiled = new WeakMap<Scene, { opacities: string; shapes: Compiled }>();

/** Paint the scene with its origin at (x, y). The context is scaled to CSS pixels already. */
export function paint(context: CanvasRenderingContext2D, scene: Scene, palette: Palette, x: number, y: number): void {
  for (const _ of painting(context, scene, palette, x, y));
}

/** The same in steps of a few milliseconds at most, so that other things can happen between them. */
export function* painting(context: CanvasRenderingContext2D, scene: Scene, palette: Palette, x: number, y: number): Generator<void> {
  const shapes = shapesOf(scene, palette);
  context.save();
  context.translate(x, y);
  for (const { colour, path } of shapes.grounds) fill(context, path, palette.communities[colour]!, palette.ground);
  for (const batch of shapes.back) {
    fill(context, batch.path, palette.communities[batch.colour]!, batch.opacity);
    yield;
  }
  if (scene.marked) mark(context, scene.marked, palette);
  for (const batch of shapes.front) fill(context, batch.path, palette.communities[batch.colour]!, batch.opacity);
  yield;
  for (let at = 0; at < scene.dots.length; at += AT_ONCE) {
    paintDots(context, scene.dots.slice(at, at + AT_ONCE), palette);
    yield;
  }
  if (scene.other) ring(context, scene.other, palette.markerLine, palette.paper);
  if (scene.selected) ring(context, scene.selected, palette.ink, palette.paper);
  paintNames(context, scene.names, palette);
  paintCaptions(context, scene, palette);
  context.restore();
}

function shapesOf(scene: Scene, palette: Palette): Compiled {
  const opacities = palette.ties.join();
  const was = compiled.get(scene);
  if (was?.opacities === opacities) return was.shapes;
  const shapes = {
    grounds: scene.grounds.map(({ colour, lines }) => ({ colour, path: groundPath(lines) })),
    back: batches(scene.ribbons.filter((each) => each.step !== OPAQUE), palette),
    front: batches(scene.ribbons.filter((each) => each.step === OPAQUE), palette),
  };
  compiled.set(scene, { opacities, shapes });
  return shapes;
}

/** Neighbours in the list that look alike go into one path, so the order of painting stays. */
function batches(ribbons: readonly Ribbon[], palette: Palette): Batch[] {
  const sorted = [...ribbons].sort((one, two) => (one.step === two.step ? one.colour - two.colour : 0));
  const found: Batch[] = [];
  let held = 0;
  let last: Ribbon | undefined;
  for (const each of sorted) {
    if (!last || held >= TOGETHER || last.step !== each.step || last.colour !== each.colour) {
      found.push({ colour: each.colour, opacity: opacityOf(each, palette), path: new Path2D() });
      held = 0;
    }
    trace(found.at(-1)!.path, each);
    held += 1;
    last = each;
  }
  return found;
}

export function opacityOf({ step }: Ribbon, palette: Palette): number {
  return step === OPAQUE ? 1 : (palette.ties[step] ?? FAINTEST);
}

/** Add the outline of a ribbon to a path, or to that of a context. */
export function trace(path: CanvasPath, ribbon: Ribbon): void {
  const [ax, ay, bx, by, cx, cy, dx, dy, ex, ey, fx, fy] = outline(ribbon) as [number, number, number, number, number, number, number, number, number, number, number, number];
  path.moveTo(ax, ay);
  path.quadraticCurveTo(bx, by, cx, cy);
  path.lineTo(dx, dy);
  path.quadraticCurveTo(ex, ey, fx, fy);
  path.closePath();
}

function groundPath(lines: readonly Float32Array[]): Path2D {
  const path = new Path2D();
  for (const line of lines) {
    const count = line.length / 2;
    const middle = (at: number): [number, number] => {
      const next = (at + 1) % count;
      return [(line[2 * at]! + line[2 * next]!) / 2, (line[2 * at + 1]! + line[2 * next + 1]!) / 2];
    };
    path.moveTo(...middle(count - 1));
    for (let at = 0; at < count; at++) path.quadraticCurveTo(line[2 * at]!, line[2 * at + 1]!, ...middle(at));
    path.closePath();
  }
  return path;
}

function fill(context: CanvasRenderingContext2D, path: Path2D, colour: string, opacity: number): void {
  context.globalAlpha = opacity;
  context.fillStyle = colour;
  context.fill(path);
  context.globalAlpha = 1;
}

function mark(context: CanvasRenderingContext2D, { line: [x0, y0, cx, cy, x1, y1] }: Ribbon, palette: Palette): void {
  context.beginPath();
  context.moveTo(x0, y0);
  context.quadraticCurveTo(cx, cy, x1, y1);
  context.strokeStyle = palette.marker;
  context.lineWidth = 15;
  context.lineCap = "round";
  context.stroke();
}

export function paintDots(context: CanvasRenderingContext2D, dots: readonly Dot[], palette: Palette): void {
  context.strokeStyle = palette.paper;
  for (const { x, y, radius, colour, faint } of dots) {
    context.globalAlpha = faint ? 0.25 : 1;
    context.lineWidth = radius > 4 ? 1.4 : 0.8;
    context.fillStyle = palette.communities[colour]!;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
    if (radius > 2.6) context.stroke();
  }
  context.globalAlpha = 1;
}

export function ring(context: CanvasRenderingContext2D, { x, y, radius }: Dot, colour: string, paper: string): void {
  for (const [reach, width, style] of [[1.6, 2.6, paper], [3.6, 2, colour]] as const) {
    context.beginPath();
    context.arc(x, y, radius + reach, 0, 2 * Math.PI);
    context.lineWidth = width;
    context.strokeStyle = style;
    context.stroke();
  }
}

export function paintNames(context: CanvasRenderingContext2D, names: Scene["names"], palette: Palette): void {
  const font = fonts(palette);
  let face = "";
  for (const name of names) {
    const wanted = font.name(name.size, name.bold);
    if (wanted !== face) context.font = face = wanted;
    context.direction = name.direction;
    context.textAlign = name.align;
    haloed(context, name.text, name.x, name.y, name.far ? palette.ink2 : palette.ink, palette.paper);
  }
}

function haloed(context: CanvasRenderingContext2D, text: string, x: number, y: number, ink: string, paper: string): void {
  context.lineJoin = "round";
  context.lineWidth = HALO;
  context.strokeStyle = paper;
  context.strokeText(text, x, y);
  context.fillStyle = ink;
  context.fillText(text, x, y);
}

function paintCaptions(context: CanvasRenderingContext2D, scene: Scene, palette: Palette): void {
  const font = fonts(palette);
  for (const { community, letter, x, y, text, count, countX } of scene.captions) {
    context.beginPath();
    context.arc(x, y - 4.5, 8.5, 0, 2 * Math.PI);
    context.fillStyle = palette.communities[community]!;
    context.fill();
    context.direction = "ltr";
    context.textAlign = "center";
    context.font = font.letter;
    context.fillStyle = palette.letters[community]!;
    context.fillText(letter, x, y - 0.6);
    context.textAlign = "left";
    context.font = font.caption;
    haloed(context, text, x + 14, y, palette.ink2, palette.paper);
    context.font = font.count;
    haloed(context, count, countX, y, palette.ink3, palette.paper);
  }
}

/** Paint a scene on its sheet. */
export function paintSheet(context: CanvasRenderingContext2D, scene: Scene, palette: Palette, sheet: Sheet): void {
  context.fillStyle = palette.paper;
  context.fillRect(0, 0, sheet.width, sheet.height);
  for (const mark of sheet.marks) {
    if (mark.kind === "shape") {
      const path = new Path2D(mark.d);
      if (mark.fill) fill(context, path, mark.fill, 1);
      if (!mark.stroke) continue;
      context.strokeStyle = mark.stroke;
      context.lineWidth = mark.width;
      context.stroke(path);
    } else {
      context.font = fontOf(mark);
      context.direction = mark.direction;
      context.textAlign = mark.align;
      context.fillStyle = mark.colour;
      context.fillText(mark.text, mark.x, mark.y);
    }
  }
  paint(context, scene, palette, sheet.x, sheet.y);
}
