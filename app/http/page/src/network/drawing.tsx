/** The drawing: canvas, legend, zoom, and what a dot says when it is pointed at. */
import { useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { type Graph, radii } from "../drawing/graph";
import type { Laid } from "../drawing/layout";
import { type Palette, readPalette, theme } from "../drawing/palette";
import { type Chosen, compose, type Scene } from "../drawing/scene";
import type { Shown } from "../drawing/shown";
import { type Camera, Stage, type Staged } from "../drawing/stage";
import { count, number } from "../format";
import { Icon } from "../parts/icon";

export interface Picture {
  readonly graph: Graph;
  readonly laid: Laid;
  readonly shown: Shown;
  readonly chosen: Chosen;
}

export interface Shot {
  readonly scene: Scene;
  readonly palette: Palette;
}

interface Given extends Picture {
  readonly camera: Camera | null;
  readonly cursor: number | null;
  readonly label: string;
  readonly stage: RefObject<Stage | null>;
  readonly press: (user: number | null, tie: number | null) => void;
  /** The camera rests; null: where it shows everything. */
  readonly rest: (camera: Camera | null) => void;
  readonly onKeyDown: (event: KeyboardEvent) => void;
}

const measuring = document.createElement("canvas").getContext("2d")!;
const widths = new Map<string, number>();

/** The width of a text. Most names are measured again and again. */
export function measure(text: string, font: string): number {
  const name = `${font} ${text}`;
  let width = widths.get(name);
  if (width === undefined) {
    measuring.font = font;
    width = measuring.measureText(text).width;
    if (widths.size > 20_000) widths.clear();
    widths.set(name, width);
  }
  return width;
}

export function Drawing(given: Given) {
  const { graph, laid, shown, chosen, stage, camera, cursor, label } = given;
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const overlay = useRef<HTMLCanvasElement>(null);
  const pointed = useSignal<{ user: number; x: number; y: number } | null>(null);
  const size = useSignal({ width: 0, height: 0 });
  const hands = useRef(given);
  hands.current = given;
  const turn = theme.value;
  const staged = useMemo(() => stagedOf({ graph, laid, shown, chosen }, readPalette()), [graph, laid, shown, chosen.user, chosen.tie, chosen.path, turn]);
  useEffect(() => {
    const made = new Stage(
      box.current!,
      canvas.current!,
      overlay.current!,
      {
        point: (user, at) => (pointed.value = user === null || !at ? null : { user, ...at }),
        press: (user, tie) => hands.current.press(user, tie),
        rest: (at) => hands.current.rest(at),
      },
      (width, height) => (size.value = { width, height }),
    );
    stage.current = made;
    return () => {
      made.end();
      stage.current = null;
    };
  }, []);
  useEffect(() => {
    const made = stage.current;
    if (!made || !size.value.width) return;
    if (!camera) made.look(frontOf(made, laid, chosen, size.value.width));
    else if (!same(camera, made.camera)) made.look(camera);
  }, [laid, camera?.x, camera?.y, camera?.scale, size.value.width, size.value.height]);
  useEffect(() => {
    const made = stage.current;
    if (!made) return;
    made.ends = (tie) => [graph.ties[tie]!.source, graph.ties[tie]!.target];
    made.show(staged);
  }, [staged]);
  useEffect(() => stage.current?.walkTo(cursor), [cursor]);
  const reset = (): void => {
    const made = stage.current;
    if (made) made.look(made.fit(boundsOf(laid)));
    given.rest(null);
  };
  return (
    <div ref={box} class="canvas" tabIndex={0} role="application" aria-roledescription="drawing" aria-label={label} aria-describedby="keys" onKeyDown={given.onKeyDown}>
      <canvas ref={canvas} aria-hidden="true" />
      <canvas ref={overlay} class="over" aria-hidden="true" />
      {shown.ties.length > 0 && <Legend graph={graph} shown={shown} />}
      <div class="zoom">
        <button type="button" class="icon" aria-label="Closer" title="Closer  +" onClick={() => stage.current?.zoom(1.4)}>
          <Icon name="plus" />
        </button>
        <button type="button" class="icon" aria-label="Farther" title="Farther  -" onClick={() => stage.current?.zoom(1 / 1.4)}>
          <Icon name="minus" />
        </button>
        <button type="button" class="icon" aria-label="Show everything" title="Show everything  0" data-fit onClick={reset}>
          <Icon name="fit" />
        </button>
      </div>
      {pointed.value && <Told graph={graph} shown={shown} {...pointed.value} wide={size.value.width} />}
    </div>
  );
}

/** Whether the address says the same place, which it does in round numbers. */
function same(one: Camera, two: Camera): boolean {
  return Math.abs(one.x - two.x) <= 1 && Math.abs(one.y - two.y) <= 1 && Math.abs(one.scale - two.scale) <= 0.01;
}

function stagedOf(picture: Picture, palette: Palette): Staged {
  const { graph, laid, shown, chosen } = picture;
  const sizes = radii(graph);
  return {
    palette,
    nameOf: (user) => graph.users[user]!.spelling,
    compose: (scale) => compose(graph, laid, sizes, shown, chosen, palette, scale, measure),
  };
}

/** The scene at a scale, for files. */
export function shotOf({ graph, laid, shown, chosen }: Picture, scale: number): Shot {
  const palette = readPalette();
  return { palette, scene: compose(graph, laid, radii(graph), shown, chosen, palette, scale, measure) };
}

export function boundsOf(laid: Laid): [number, number, number, number] {
  let [left, top, right, bottom] = laid.bounds;
  for (const lines of laid.grounds)
    for (const line of lines)
      for (let at = 0; at < line.length; at += 2) {
        left = Math.min(left, line[at]!);
        right = Math.max(right, line[at]!);
        top = Math.min(top, line[at + 1]!);
        bottom = Math.max(bottom, line[at + 1]!);
      }
  return [left, top, right, bottom];
}

/** Everything, or on a narrow screen the selected user at a scale where names can be read. */
function frontOf(stage: Stage, laid: Laid, { user }: Chosen, width: number): Camera {
  const all = stage.fit(boundsOf(laid));
  if (width > 560 || all.scale > 0.75) return all;
  return user === null ? { ...all, scale: Math.max(all.scale, 0.55) } : { x: laid.x[user]!, y: laid.y[user]! , scale: Math.max(all.scale, 0.85) };
}

function Told({ graph, shown, user, x, y, wide }: { graph: Graph; shown: Shown; user: number; x: number; y: number; wide: number }) {
  const { spelling, received, made } = graph.users[user]!;
  return (
    <div class="told" style={{ left: `${Math.max(0, Math.min(x + 14, wide - 290))}px`, top: `${y > 80 ? y - 66 : y + 22}px` }}>
      <bdi class="strong">{spelling}</bdi>
      <span>
        mentioned {number(received)}, mentions {number(made)}, {count(shown.drawn[user]!, "tie")} drawn
      </span>
    </div>
  );
}

function Legend({ graph, shown }: { graph: Graph; shown: Shown }) {
  const sizes = useMemo(() => legendSizes(graph), [graph]);
  const most = shown.ties.length ? graph.ties[shown.ties.at(-1)!]!.mentions : 1;
  const thick = 0.9 + Math.sqrt(most);
  let x = 2;
  const places = sizes.map(({ radius, value }) => ({ value, radius, x: (x += 2 * radius + 8) - radius - 8 }));
  return (
    <div class="legend">
      <div class="wide">
        <svg width={x} height="30" viewBox={`0 0 ${x} 30`} aria-hidden="true">
          <g fill="none" stroke="var(--ink-2)" stroke-width="1.2">
            {places.map(({ radius, value, x: at }) => (
              <circle key={value} cx={at} cy={28 - radius} r={radius} />
            ))}
          </g>
        </svg>
        <span>mentioned {sizes.map(({ value }) => number(value)).join(", ")} times</span>
      </div>
      <div>
        <svg width="54" height="12" viewBox="0 0 54 12" aria-hidden="true">
          <path d="M3 6Q27 0 51 6L51 6.7Q27 8.5 3 11Z" transform="translate(0 -2.5)" fill="var(--ink-2)" />
        </svg>
        <span>The thick end mentions the thin end</span>
      </div>
      {most > 1 && (
        <div class="wide">
          <svg width="54" height="16" viewBox="0 0 54 16" aria-hidden="true">
            <path d="M2 3h50" stroke="var(--ink-2)" stroke-width="1.9" />
            <path d="M2 11h50" stroke="var(--ink-2)" stroke-width={Math.min(8, thick)} />
          </svg>
          <span>1 mention, {number(most)} mentions</span>
        </div>
      )}
    </div>
  );
}

/** Three round numbers up to the most mentions that somebody has. */
export function legendSizes(graph: Graph): { value: number; radius: number }[] {
  const most = graph.users.reduce((found, each) => Math.max(found, each.received), 1);
  const slope = Math.min(10, 186 / most);
  const round = (value: number): number => {
    const unit = 10 ** Math.max(0, Math.floor(Math.log10(value)));
    return Math.max(1, Math.floor(value / unit) * unit);
  };
  const values = [...new Set([round(most * 0.04), round(most * 0.25), round(most * 0.75)])];
  return values.map((value) => ({ value, radius: Math.sqrt(10 + slope * value) }));
}
