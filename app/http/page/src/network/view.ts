/** What of the network is shown, as the address says it. The whole view is in the address, so a link shows the same. */
import { LETTERED } from "../drawing/layout";
import { LETTERS } from "../drawing/scene";
import type { Camera } from "../drawing/stage";
import { type Query, refine } from "../router";

export type Pair = readonly [source: string, target: string];

export interface View {
  /** The user in the middle; null: the whole graph's heaviest ties. */
  readonly around: string | null;
  readonly steps: 1 | 2;
  /** Users whose surroundings were added. */
  readonly more: readonly string[];
  readonly hidden: readonly string[];
  readonly selected: string | null;
  /** The tie whose lines are shown. */
  readonly tie: Pair | null;
  readonly path: Pair | null;
  readonly least: number;
  /** Days (YYYY-MM-DD), both included. */
  readonly since: string | null;
  readonly until: string | null;
  readonly off: ReadonlySet<number>;
  readonly all: boolean;
  /** Whether as many ties are loaded as a drawing can take. */
  readonly many: boolean;
  readonly shape: "drawing" | "both" | "table";
  readonly list: "users" | "ties";
  readonly camera: Camera | null;
}

/** No handle is a bare mention sign, so it can stand for "nobody". */
const NOBODY = "@";

export function viewOf(query: Query): View {
  const around = query["around"] ?? null;
  const selected = query["user"] ?? around;
  return {
    around,
    steps: query["steps"] === "1" ? 1 : 2,
    more: listed(query["more"]),
    hidden: listed(query["hidden"]),
    selected: selected === NOBODY ? null : selected,
    tie: pair(query["tie"]),
    path: pair(query["path"]),
    least: Math.max(1, Math.floor(Number(query["least"]) || 1)),
    since: dayIn(query["since"]),
    until: dayIn(query["until"]),
    off: new Set([...(query["off"] ?? "")].map((each) => (each === "-" ? LETTERED : LETTERS.indexOf(each))).filter((each) => each >= 0)),
    all: query["all"] === "1",
    many: query["many"] === "1",
    shape: query["view"] === "drawing" || query["view"] === "table" ? query["view"] : "both",
    list: query["list"] === "ties" ? "ties" : "users",
    camera: cameraIn(query["camera"]),
  };
}

export type Changes = Partial<View>;

/** Write changes of the view into the address. */
export function see(changes: Changes): void {
  const text: Record<string, string | undefined> = {};
  if ("around" in changes) text["around"] = changes.around ?? undefined;
  if ("steps" in changes) text["steps"] = changes.steps === 1 ? "1" : undefined;
  if ("more" in changes) text["more"] = written(changes.more);
  if ("hidden" in changes) text["hidden"] = written(changes.hidden);
  if ("selected" in changes) text["user"] = changes.selected ?? NOBODY;
  if ("tie" in changes) text["tie"] = written(changes.tie);
  if ("path" in changes) text["path"] = written(changes.path);
  if ("least" in changes) text["least"] = changes.least && changes.least > 1 ? String(changes.least) : undefined;
  if ("since" in changes) text["since"] = changes.since ?? undefined;
  if ("until" in changes) text["until"] = changes.until ?? undefined;
  if ("off" in changes) text["off"] = [...(changes.off ?? [])].sort().map((each) => LETTERS[each] ?? "-").join("") || undefined;
  if ("all" in changes) text["all"] = changes.all ? "1" : undefined;
  if ("many" in changes) text["many"] = changes.many ? "1" : undefined;
  if ("shape" in changes) text["view"] = changes.shape === "both" ? undefined : changes.shape;
  if ("list" in changes) text["list"] = changes.list === "ties" ? "ties" : undefined;
  if ("camera" in changes) text["camera"] = changes.camera ? [changes.camera.x, changes.camera.y, 100 * changes.camera.scale].map((each) => each.toFixed(0)).join(",") : undefined;
  refine(text);
}

function listed(text: string | undefined): string[] {
  return (text ?? "").split(",").filter(Boolean).map(decoded);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function pair(text: string | undefined): Pair | null {
  const [source, target] = listed(text);
  return source !== undefined && target !== undefined ? [source, target] : null;
}

function written(list: readonly string[] | null | undefined): string | undefined {
  return list?.map(encodeURIComponent).join(",") || undefined;
}

function dayIn(text: string | undefined): string | null {
  return text && /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)) ? text : null;
}

function cameraIn(text: string | undefined): Camera | null {
  const [x, y, percent] = (text ?? "").split(",").map(Number);
  return x !== undefined && y !== undefined && percent && [x, y, percent].every(Number.isFinite) ? { x, y, scale: percent / 100 } : null;
}
