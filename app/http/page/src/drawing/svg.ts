/** Writes a scene as SVG that needs nothing else: for editors of pictures, and in the HTML that is saved. */
import { opacityOf } from "./canvas";
import type { Palette } from "./palette";
import { type Dot, outline, type Scene } from "./scene";
import type { Mark, Sheet } from "./sheet";

const tenth = (value: number): string => String(Math.round(value * 10) / 10);

export function escaped(text: string): string {
  return text.replace(/[&<>"\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, (each) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[each] ?? "�");
}

/** A scene on its sheet, in CSS pixels. `title`: for who can't see it. `titles`: what a dot says when it is pointed at. */
export function svgOf(scene: Scene, palette: Palette, sheet: Sheet, { title, titles }: { title: string; titles: (user: number) => string }): string {
  const { width, height } = sheet;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="${palette.paper}"/>`,
    `<g>${sheet.marks.map(mark).join("\n")}</g>`,
    `<g transform="translate(${tenth(sheet.x)} ${tenth(sheet.y)})">`,
    `<g fill-opacity="${palette.ground}">${scene.grounds.map(({ colour, lines }) => `<path fill="${palette.communities[colour]}" d="${lines.map(ground).join("")}"/>`).join("")}</g>`,
  ];
  const { marked } = scene;
  const ribbons = (front: boolean): string =>
    scene.ribbons
      .filter((each) => (opacityOf(each, palette) === 1) === front)
      .map((each) => `<path fill="${palette.communities[each.colour]}"${front ? "" : ` fill-opacity="${opacityOf(each, palette)}"`} d="${ribbon(outline(each))}"/>`)
      .join("");
  parts.push(`<g>${ribbons(false)}</g>`);
  if (marked) {
    const [x0, y0, cx, cy, x1, y1] = marked.line.map(tenth);
    parts.push(`<path d="M${x0} ${y0}Q${cx} ${cy} ${x1} ${y1}" fill="none" stroke="${palette.marker}" stroke-width="15" stroke-linecap="round"/>`);
  }
  parts.push(`<g>${ribbons(true)}</g>`);
  parts.push(`<g stroke="${palette.paper}" stroke-width="1.4">${scene.dots.map((each) => dot(each, palette, titles)).join("")}</g>`);
  if (scene.other) parts.push(ring(scene.other, palette.markerLine));
  if (scene.selected) parts.push(ring(scene.selected, palette.ink));
  parts.push(`<g font-family="${escaped(palette.sans)}" stroke="${palette.paper}" stroke-width="3.2" stroke-linejoin="round" paint-order="stroke">`, ...names(scene, palette), "</g>", ...captions(scene, palette), "</g>", "</svg>");
  return parts.join("\n");
}

function ground(line: Float32Array): string {
  const count = line.length / 2;
  const middle = (at: number): string => {
    const next = (at + 1) % count;
    return `${tenth((line[2 * at]! + line[2 * next]!) / 2)} ${tenth((line[2 * at + 1]! + line[2 * next + 1]!) / 2)}`;
  };
  let path = `M${middle(count - 1)}`;
  for (let at = 0; at < count; at++) path += `Q${tenth(line[2 * at]!)} ${tenth(line[2 * at + 1]!)} ${middle(at)}`;
  return `${path}Z`;
}

function ribbon(points: readonly number[]): string {
  const [ax, ay, bx, by, cx, cy, dx, dy, ex, ey, fx, fy] = points.map(tenth);
  return `M${ax} ${ay}Q${bx} ${by} ${cx} ${cy}L${dx} ${dy}Q${ex} ${ey} ${fx} ${fy}Z`;
}

function dot({ user, x, y, radius, colour, faint }: Dot, palette: Palette, titles: (user: number) => string): string {
  return `<circle cx="${tenth(x)}" cy="${tenth(y)}" r="${tenth(radius)}" fill="${palette.communities[colour]}"${faint ? ' opacity="0.25"' : ""}><title>${escaped(titles(user))}</title></circle>`;
}

function ring({ x, y, radius }: Dot, colour: string): string {
  return `<circle cx="${tenth(x)}" cy="${tenth(y)}" r="${tenth(radius + 3.6)}" fill="none" stroke="${colour}" stroke-width="2"/>`;
}

const ANCHORS = { left: "start", center: "middle", right: "end" } as const;
/** In a text from right to left, it starts at its right. */
const MIRRORED = { left: "end", center: "middle", right: "start" } as const;

function mark(each: Mark): string {
  if (each.kind === "shape") return `<path d="${each.d}" fill="${each.fill ?? "none"}"${each.stroke ? ` stroke="${each.stroke}" stroke-width="${each.width}"` : ""}/>`;
  const { x, y, text, size, weight, family, colour, align, direction } = each;
  const anchor = (direction === "rtl" ? MIRRORED : ANCHORS)[align];
  return `<text x="${tenth(x)}" y="${tenth(y)}" font-family="${escaped(family)}" font-size="${tenth(size)}"${weight === 400 ? "" : ` font-weight="${weight}"`} text-anchor="${anchor}" fill="${colour}"${direction === "rtl" ? ' direction="rtl"' : ""}>${escaped(text)}</text>`;
}

function names(scene: Scene, palette: Palette): string[] {
  return scene.names.map(({ x, y, text, size, bold, far, align, direction }) => {
    const anchor = (direction === "rtl" ? MIRRORED : ANCHORS)[align];
    const marks = `${bold ? ' font-weight="600"' : ""}${direction === "rtl" ? ' direction="rtl"' : ""}`;
    return `<text x="${tenth(x)}" y="${tenth(y)}" font-size="${tenth(size)}" text-anchor="${anchor}" fill="${far ? palette.ink2 : palette.ink}"${marks}>${escaped(text)}</text>`;
  });
}

function captions(scene: Scene, palette: Palette): string[] {
  const halo = `stroke="${palette.paper}" stroke-width="3.2" stroke-linejoin="round" paint-order="stroke"`;
  return scene.captions.map(
    ({ community, letter, x, y, text, count, countX }) =>
      `<g><circle cx="${tenth(x)}" cy="${tenth(y - 4.5)}" r="8.5" fill="${palette.communities[community]}"/>` +
      `<text x="${tenth(x)}" y="${tenth(y - 0.6)}" text-anchor="middle" font-family="${escaped(palette.sans)}" font-size="11" font-weight="700" fill="${palette.letters[community]}">${letter}</text>` +
      `<text x="${tenth(x + 14)}" y="${tenth(y)}" font-family="${escaped(palette.serif)}" font-size="13" font-style="italic" fill="${palette.ink2}" ${halo}>${escaped(text)}</text>` +
      `<text x="${tenth(countX)}" y="${tenth(y)}" font-family="${escaped(palette.sans)}" font-size="11" fill="${palette.ink3}" ${halo}>${escaped(count)}</text></g>`,
  );
}
