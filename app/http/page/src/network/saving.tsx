/** Files of what is seen: a picture, a picture to edit, a page of its own, and the graph for other tools. */
import { useSignal } from "@preact/signals";
import { lacks } from "../api/caller";
import { Failure, key, pathOf, type Problem, send } from "../api/client";
import { addressOf } from "../api/client";
import { paint } from "../drawing/canvas";
import type { Graph } from "../drawing/graph";
import type { Laid } from "../drawing/layout";
import type { Palette } from "../drawing/palette";
import type { Scene } from "../drawing/scene";
import type { Shown } from "../drawing/shown";
import { escaped, svgOf } from "../drawing/svg";
import { count, number } from "../format";
import { Dialog } from "../frame";
import { ProblemNote } from "../parts/problem";
import { tiesTable, usersTable } from "./tables";
import type { View } from "./view";

export function save(name: string, type: string, content: string | Blob): void {
  const link = document.createElement("a");
  link.download = name;
  link.href = URL.createObjectURL(typeof content === "string" ? new Blob([content], { type: `${type};charset=utf-8` }) : content);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export interface Seen {
  readonly graph: Graph;
  readonly laid: Laid;
  readonly shown: Shown;
  readonly view: View;
  readonly scene: Scene;
  readonly palette: Palette;
  /** All ties that there are. */
  readonly ties: number;
  readonly title: string;
}

export function Saving({ seen, close }: { seen: Seen; close: () => void }) {
  const { shown, title, view } = seen;
  const problem = useSignal<Problem | null>(null);
  const busy = useSignal(false);
  const denied = lacks("graph:export");
  const name = (view.around ?? "network").replace(/[\\/:*?"<>|\s\u0000-\u001f]+/g, "_").slice(0, 60) || "network";
  const svg = (): string => svgOf(seen.scene, seen.palette, { title, titles: titlesOf(seen.graph) });
  const graphFile = async (): Promise<void> => {
    busy.value = true;
    try {
      save(`${name}.gexf`, "application/xml", await (await send("GET", exportPath(view))).blob());
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      problem.value = error.problem;
    } finally {
      busy.value = false;
    }
  };
  return (
    <Dialog title="Save as…" close={close}>
      <p class="s soft">
        {count(shown.users.size, "user")} and {count(shown.ties.length, "tie")} as you see them.
      </p>
      {problem.value && <ProblemNote problem={problem.value} />}
      <ul class="kinds">
        <Kind title="PNG" says="A picture for an article, two pixels for each of the screen’s.">
          <button type="button" class="btn primary" onClick={() => void pictureOf(seen).then((blob) => blob && save(`${name}.png`, "image/png", blob))}>
            Save PNG
          </button>
        </Kind>
        <Kind title="SVG" says="The same to edit: names stay text, each tie is a shape.">
          <button type="button" class="btn" onClick={() => save(`${name}.svg`, "image/svg+xml", svg())}>
            Save SVG
          </button>
        </Kind>
        <Kind title="HTML" says="One page with the picture and its tables. It needs no network and no script.">
          <button type="button" class="btn" onClick={() => save(`${name}.html`, "text/html", documentOf(seen, svg()))}>
            Save HTML
          </button>
        </Kind>
        <Kind title="GEXF" says={view.around === null ? "The whole graph for Gephi, with all its ties." : "For Gephi: all ties of these surroundings, those that are not drawn included."}>
          {key.value === null ? (
            <a class="btn" href={addressOf(exportPath(view))} download={`${name}.gexf`}>
              Save GEXF
            </a>
          ) : (
            <button type="button" class="btn" disabled={busy.value || Boolean(denied)} title={denied} onClick={() => void graphFile()}>
              {busy.value ? "Reading…" : "Save GEXF"}
            </button>
          )}
        </Kind>
      </ul>
    </Dialog>
  );
}

function Kind({ title, says, children }: { title: string; says: string; children: preact.ComponentChildren }) {
  return (
    <li>
      <h3>{title}</h3>
      <p class="s soft">{says}</p>
      {children}
    </li>
  );
}

function exportPath({ around, steps, more, since, until }: View): string {
  const user = around === null ? [] : [around, ...more];
  const after = until === null ? null : new Date(Date.parse(until) + 86_400_000).toISOString();
  return pathOf("/export/graph.gexf", { query: { user, depth: around === null ? null : steps, since: since && `${since}T00:00:00Z`, until: after } });
}

function titlesOf(graph: Graph): (user: number) => string {
  return (user) => {
    const { spelling, received, made } = graph.users[user]!;
    return `${spelling}: mentioned ${number(received)} times, mentions ${number(made)}`;
  };
}

const MOST_PIXELS = 60_000_000;
const FOOT = 44;

async function pictureOf({ scene, palette, title }: Seen): Promise<Blob | null> {
  const { left, top, right, bottom } = scene.bounds;
  const [width, height] = [right - left, bottom - top + FOOT];
  const density = Math.min(2, Math.sqrt(MOST_PIXELS / (width * height)));
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil(width * density);
  canvas.height = Math.ceil(height * density);
  const context = canvas.getContext("2d")!;
  context.scale(density, density);
  context.fillStyle = palette.paper;
  context.fillRect(0, 0, width, height);
  paint(context, scene, palette, -left, -top);
  context.font = `400 12px ${palette.sans}`;
  context.fillStyle = palette.ink2;
  context.textAlign = "left";
  context.direction = "ltr";
  context.fillText(`${title} The thick end of a line mentions the thin end. A larger dot is mentioned more.`, 24, height - 18);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

const STYLE = `:root{color-scheme:light dark}body{margin:0 auto;padding:2rem;max-width:80rem;font:1rem/1.5 system-ui,sans-serif}svg{display:block;width:100%;height:auto;margin:1.5rem 0}
h1{font:600 2rem/1.2 Georgia,serif;margin:0}table{border-collapse:collapse;margin:1rem 0 2rem;font-size:.875rem;width:100%}th,td{text-align:start;padding:.3rem .75rem;border-bottom:1px solid #8885}
th{font-weight:400;opacity:.75}.n{text-align:end;font-variant-numeric:tabular-nums}p{max-width:46rem}.t{overflow-x:auto}`;

/** A page that needs nothing but itself. */
function documentOf({ graph, laid, shown, title }: Seen, svg: string): string {
  const rows = ({ head, rows: list }: ReturnType<typeof usersTable>): string =>
    `<div class="t"><table><thead><tr>${head.map((each) => `<th scope="col">${each}</th>`).join("")}</tr></thead><tbody>${list
      .map((row) => `<tr>${row.map((each) => (typeof each === "number" ? `<td class="n">${number(each)}</td>` : `<td><bdi>${escaped(each)}</bdi></td>`)).join("")}</tr>`)
      .join("\n")}</tbody></table></div>`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
<h1>${escaped(title.replace(/\.$/, ""))}</h1>
<p>Each dot is a user; a larger dot is mentioned more. Each line is a tie: its thick end mentions its thin end, and a wider line stands for more mentions. Colours and letters are communities: users who mention each other more than others.</p>
${svg}
<h2>Users</h2>
${rows(usersTable(graph, laid, shown))}
<h2>Ties</h2>
${rows(tiesTable(graph, shown))}
<p>Made with mentiongraph on ${new Date().toISOString().slice(0, 10)}.</p>
</html>
`;
}
