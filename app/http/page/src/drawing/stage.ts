/** The stage: a canvas that shows a scene through a camera, with what a hand does to it: pan, zoom, point, press.
 *
 * While the camera moves, the last bitmap is moved and scaled. The next one is painted in slices behind it when the
 * camera rests, or comes to the bitmap's edge. A scene that paints quickly is painted at every frame instead.
 *
 * Measured with Chromium 156 at 1440 × 900 on two shared cores without a graphics card, while other programs wanted six
 * times as much as there is: frames a second over four seconds, and milliseconds of the processor a frame, all of the
 * browser's processes together. The hand drags ±500 px in three seconds (a new bitmap every few frames), or turns the
 * wheel at every frame.
 *
 *                              2,000 ties, 368 users         20,000 ties, 4,200 users
 *                              drag           wheel          drag           wheel
 *     as Chromium starts       40 / 13 ms     53 / 11 ms     37 / 15 ms     41 / 12 ms
 *     with --disable-gpu       41 / 13 ms     55 / 10 ms     50 / 14 ms     48 / 12 ms
 *
 * Painting 2,000 ribbons takes 25 to 35 ms, 250 names with their halo 1 ms, 370 dots 3 ms.
 */
import { paintDots, paintNames, painting, ring, trace } from "./canvas";
import { follow, type Spot } from "./gestures";
import { directionOf, spots } from "./names";
import type { Palette } from "./palette";
import { type Dot, fonts, type Name, OPAQUE, ribbonOf, type Scene } from "./scene";

/** Where the camera looks: `x`, `y` of the layout in the middle of the stage, and pixels for each of its units. */
export interface Camera {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

export interface Staged {
  /** The scene at a scale. */
  readonly compose: (scale: number) => Scene;
  readonly palette: Palette;
  readonly nameOf: (user: number) => string;
}

export interface Hands {
  /** A dot was pointed at, or none. */
  readonly point: (user: number | null, at: Spot | null) => void;
  readonly press: (user: number | null, tie: number | null) => void;
  /** The camera rests. */
  readonly rest: (camera: Camera) => void;
}

export const CLOSEST = 6;
/** Milliseconds of a paint that still leaves a frame for the rest of the page. */
const QUICK = 9;
/** Milliseconds of a frame for painting the next bitmap. */
const SLICE = 7;
const RESTS_AFTER = 110;
/** Painted around what is seen, so that a bitmap can be moved without showing an edge. */
const MARGIN = 200;
const MOST_PIXELS = 14_000_000;

export class Stage {
  private readonly context: CanvasRenderingContext2D;
  private readonly over: CanvasRenderingContext2D;
  private readonly stop = new AbortController();
  private readonly watch: ResizeObserver;
  private staged: Staged | null = null;
  private scene: Scene | null = null;
  /** Where the camera looked when the bitmap was painted. */
  private painted: Camera | null = null;
  /** The next bitmap, while it is painted. */
  private readonly next = document.createElement("canvas");
  private readonly behind: CanvasRenderingContext2D;
  private job: { readonly steps: Generator<void>; readonly camera: Camera; cost: number } | null = null;
  private rested = false;
  /** Milliseconds of the last paint. */
  private cost = 0;
  private frame = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private width = 0;
  private height = 0;
  private pointed: number | null = null;
  private cursor: number | null = null;
  camera: Camera = { x: 0, y: 0, scale: 1 };

  constructor(
    private readonly element: HTMLElement,
    private readonly canvas: HTMLCanvasElement,
    private readonly overlay: HTMLCanvasElement,
    private readonly hands: Hands,
    private readonly sized: (width: number, height: number) => void,
  ) {
    // The processor paints: a GPU (or worse, one that software plays) takes longer for thousands of curved shapes, and
    // moves the bitmap as quickly either way.
    this.context = canvas.getContext("2d", { alpha: false, willReadFrequently: true })!;
    this.behind = this.next.getContext("2d", { alpha: false, willReadFrequently: true })!;
    this.over = overlay.getContext("2d", { willReadFrequently: true })!;
    this.watch = new ResizeObserver(() => this.resize());
    this.watch.observe(element);
    const handled = {
      pan: (dx: number, dy: number) => this.pan(dx, dy),
      zoom: (factor: number, at: Spot) => this.zoom(factor, at),
      point: (at: Spot | null) => this.pointAt(at && this.userAt(at.x, at.y), at),
      press: ({ x, y }: Spot) => this.press(x, y),
    };
    follow(element, handled, this.stop.signal);
  }

  end(): void {
    this.stop.abort();
    this.watch.disconnect();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
  }

  show(staged: Staged): void {
    this.staged = staged;
    this.scene = null;
    this.painted = null;
    this.job = null;
    this.ask();
  }

  /** The camera that shows all of a scene's bounds, given at scale 1, with room for what floats over it. */
  fit(bounds: readonly [number, number, number, number]): Camera {
    const [left, top, right, bottom] = bounds;
    const [wide, tall] = [Math.max(50, this.width - 32), Math.max(50, this.height - 24)];
    const scale = Math.min(1.6, wide / (right - left), tall / (bottom - top));
    return { x: (left + right) / 2, y: (top + bottom) / 2, scale };
  }

  /** Look there at once, without a movement on the way. */
  look(camera: Camera): void {
    if (this.scene?.scale !== camera.scale) this.scene = null;
    this.painted = null;
    this.job = null;
    this.turn(camera);
  }

  private turn(camera: Camera): void {
    this.camera = { ...camera, scale: Math.max(0.02, Math.min(CLOSEST, camera.scale)) };
    this.ask();
  }

  zoom(factor: number, at = { x: this.width / 2, y: this.height / 2 }): void {
    const { x, y, scale } = this.camera;
    const closer = Math.max(0.02, Math.min(CLOSEST, scale * factor));
    const [dx, dy] = [at.x - this.width / 2, at.y - this.height / 2];
    this.turn({ x: x + dx / scale - dx / closer, y: y + dy / scale - dy / closer, scale: closer });
    this.moved();
  }

  pan(dx: number, dy: number): void {
    const { x, y, scale } = this.camera;
    this.turn({ x: x - dx / scale, y: y - dy / scale, scale });
    this.moved();
  }

  /** Bring a user into view, if the user is out of view. */
  reveal(user: number): void {
    const dot = this.dotOf(user);
    if (!dot) return;
    const [x, y] = this.toStage(dot.x, dot.y);
    const [dx, dy] = [Math.max(40 - x, 0) || Math.min(this.width - 40 - x, 0), Math.max(40 - y, 0) || Math.min(this.height - 40 - y, 0)];
    if (dx || dy) this.pan(dx, dy);
  }

  /** The user whom the keys have come to. */
  walkTo(user: number | null): void {
    this.cursor = user;
    if (user !== null) this.reveal(user);
    this.ask();
  }

  private dotOf(user: number): Dot | undefined {
    return this.scene?.dots.find((each) => each.user === user);
  }

  /** A place of the scene on the stage. */
  private toStage(x: number, y: number): [number, number] {
    const { scale } = this.camera;
    const drawn = this.scene?.scale ?? scale;
    return [(x / drawn - this.camera.x) * scale + this.width / 2, (y / drawn - this.camera.y) * scale + this.height / 2];
  }

  private resize(): void {
    const box = this.element.getBoundingClientRect();
    if (!box.width || !box.height || (box.width === this.width && box.height === this.height)) return;
    [this.width, this.height] = [box.width, box.height];
    for (const canvas of [this.canvas, this.overlay, this.next]) {
      canvas.width = Math.round((box.width + 2 * MARGIN) * this.density());
      canvas.height = Math.round((box.height + 2 * MARGIN) * this.density());
      Object.assign(canvas.style, { width: `${box.width + 2 * MARGIN}px`, height: `${box.height + 2 * MARGIN}px`, left: `${-MARGIN}px`, top: `${-MARGIN}px` });
    }
    this.painted = null;
    this.sized(box.width, box.height);
    this.ask();
  }

  /** Pixels of the bitmap for one of CSS: those of the screen, as far as there is room for three bitmaps of this size. */
  private density(): number {
    const area = (this.width + 2 * MARGIN) * (this.height + 2 * MARGIN);
    return Math.max(1, Math.min(2, devicePixelRatio || 1, Math.sqrt(MOST_PIXELS / area)));
  }

  private ask(): void {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  private moved(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.rested = true;
      this.job = null;
      if (this.scene && this.scene.scale !== this.camera.scale) this.scene = null;
      this.ask();
      this.hands.rest(this.camera);
    }, RESTS_AFTER);
  }

  private draw(): void {
    if (!this.staged || !this.width) return;
    const { painted, camera } = this;
    const same = painted?.x === camera.x && painted.y === camera.y && painted.scale === camera.scale;
    if (!painted || (!same && this.cost < QUICK && this.scene?.scale === camera.scale)) this.paintNow();
    else if (this.job) this.paintOn();
    else if (!same && (this.rested || this.beyond())) this.job = this.begin(this.behind);
    this.transform();
    this.drawOver();
    if (this.job) this.ask();
  }

  /** Whether the camera shows what the bitmap does not have. */
  private beyond(): boolean {
    const { painted, camera } = this;
    if (!painted) return true;
    const factor = camera.scale / painted.scale;
    const dx = Math.abs(painted.x - camera.x) * camera.scale;
    const dy = Math.abs(painted.y - camera.y) * camera.scale;
    return factor > 2.5 || (factor === 1 && (dx > MARGIN || dy > MARGIN));
  }

  private paintNow(): void {
    const begin = performance.now();
    const { steps, camera } = this.begin(this.context);
    for (const _ of steps);
    this.context.getImageData(0, 0, 1, 1);
    this.job = null;
    this.painted = camera;
    this.cost = performance.now() - begin;
  }

  private paintOn(): void {
    const job = this.job!;
    const begin = performance.now();
    let over = false;
    while (!over && performance.now() - begin < SLICE) {
      over = job.steps.next().done ?? false;
      // A browser notes down what is to be painted, and paints later. Asking for a pixel makes it paint now.
      this.behind.getImageData(0, 0, 1, 1);
    }
    job.cost += performance.now() - begin;
    if (!over) return;
    this.context.setTransform(1, 0, 0, 1, 0, 0);
    this.context.drawImage(this.next, 0, 0);
    this.job = null;
    this.painted = job.camera;
    this.cost = job.cost;
  }

  /** The steps of painting what the camera shows now. */
  private begin(context: CanvasRenderingContext2D): NonNullable<Stage["job"]> {
    this.rested = false;
    this.scene ??= this.staged!.compose(this.camera.scale);
    const { camera, scene } = this;
    const { palette } = this.staged!;
    const density = this.density();
    context.setTransform(density, 0, 0, density, 0, 0);
    context.fillStyle = palette.paper;
    context.fillRect(0, 0, context.canvas.width, context.canvas.height);
    context.translate(this.width / 2 + MARGIN - camera.x * camera.scale, this.height / 2 + MARGIN - camera.y * camera.scale);
    const factor = camera.scale / scene.scale;
    if (factor !== 1) context.scale(factor, factor);
    return { steps: painting(context, scene, palette, 0, 0), camera, cost: 0 };
  }

  /** Move the bitmap to where the camera looks now. */
  private transform(): void {
    const { painted, camera } = this;
    if (!painted) return;
    const factor = camera.scale / painted.scale;
    const [dx, dy] = [(painted.x - camera.x) * camera.scale, (painted.y - camera.y) * camera.scale];
    this.canvas.style.transform = dx || dy || factor !== 1 ? `translate(${dx}px, ${dy}px) scale(${factor})` : "";
  }

  /** What the pointer and the keys have come to, over the bitmap. */
  private drawOver(): void {
    const { over, overlay, scene } = this;
    over.setTransform(1, 0, 0, 1, 0, 0);
    over.clearRect(0, 0, overlay.width, overlay.height);
    if (!scene || (this.pointed === null && this.cursor === null)) return;
    const { palette, nameOf } = this.staged!;
    const density = this.density();
    over.setTransform(density, 0, 0, density, density * MARGIN, density * MARGIN);
    const dots = new Map(scene.dots.map((each) => [each.user, each]));
    for (const user of new Set([this.pointed, this.cursor])) {
      const dot = user === null ? undefined : dots.get(user);
      if (!dot) continue;
      const here = this.onStage(dot);
      for (const ribbon of scene.ribbons) {
        if (!this.touches(ribbon.tie, dot.user)) continue;
        const [from, to] = this.ends!(ribbon.tie);
        const [one, two] = [dots.get(from), dots.get(to)];
        if (!one || !two) continue;
        over.beginPath();
        trace(over, ribbonOf(ribbon.tie, this.onStage(one), this.onStage(two), ribbon.width, OPAQUE));
        over.fillStyle = palette.communities[ribbon.colour]!;
        over.fill();
        paintDots(over, [one, two].filter((end) => end !== dot).map((end) => this.onStage(end)), palette);
      }
      paintDots(over, [here], palette);
      ring(over, here, palette.ink, palette.paper);
      paintNames(over, [this.nameAt(here, palette, nameOf(dot.user))], palette);
    }
  }

  /** A name over the bitmap: where the bitmap has the name, if it has it; else below the dot. */
  private nameAt(dot: Dot, palette: Palette, text: string): Name {
    const drawn = this.scene!.names.find((each) => each.user === dot.user);
    if (drawn && this.scene!.scale === this.camera.scale) {
      const [x, y] = this.toStage(drawn.x, drawn.y);
      return { ...drawn, x, y, far: false };
    }
    this.over.font = fonts(palette).name(13, true);
    const spot = spots(dot.x, dot.y, dot.radius + 5, this.over.measureText(text).width, 13)[0]!;
    return { user: dot.user, x: spot.x, y: spot.y, box: spot.box, text, size: 13, bold: true, far: false, align: "center", direction: directionOf(text) };
  }

  /** The two users of a tie. */
  ends: ((tie: number) => readonly [number, number]) | null = null;

  private touches(tie: number, user: number): boolean {
    const ends = this.ends?.(tie);
    return ends !== undefined && (ends[0] === user || ends[1] === user);
  }

  private onStage(dot: Dot): Dot {
    const [x, y] = this.toStage(dot.x, dot.y);
    return { ...dot, x, y };
  }

  private press(x: number, y: number): void {
    const user = this.userAt(x, y);
    this.hands.press(user, user === null ? this.tieAt(x, y) : null);
  }

  private pointAt(user: number | null, at: Spot | null): void {
    if (user === this.pointed && user === null) return;
    const changed = user !== this.pointed;
    this.pointed = user;
    this.hands.point(user, at);
    this.element.style.cursor = user === null ? "" : "pointer";
    if (changed) this.ask();
  }

  /** The dot at a place of the stage: the nearest within reach. A small dot has a target of 24 px. */
  private userAt(x: number, y: number): number | null {
    let best: number | null = null;
    let nearest = Infinity;
    const factor = this.scene ? this.camera.scale / this.scene.scale : 1;
    for (const dot of this.scene?.dots ?? []) {
      const [dx, dy] = this.toStage(dot.x, dot.y);
      const far = Math.hypot(dx - x, dy - y) - dot.radius * factor;
      if (far < nearest && far <= Math.max(3, 12 - dot.radius)) [best, nearest] = [dot.user, far];
    }
    return best;
  }

  private tieAt(x: number, y: number): number | null {
    let best: number | null = null;
    let nearest = 6;
    for (const { tie, line, width } of this.scene?.ribbons ?? []) {
      const [x0, y0, cx, cy, x1, y1] = line;
      for (let at = 0; at <= 1; at += 1 / 16) {
        const [px, py] = this.toStage((1 - at) ** 2 * x0 + 2 * at * (1 - at) * cx + at * at * x1, (1 - at) ** 2 * y0 + 2 * at * (1 - at) * cy + at * at * y1);
        const far = Math.hypot(px - x, py - y) - (width / 2) * (1 - at);
        if (far < nearest) [best, nearest] = [tie, far];
      }
    }
    return best;
  }
}
