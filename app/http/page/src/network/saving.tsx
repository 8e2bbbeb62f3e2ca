/** Files of what is seen: a picture, a picture to edit, a page of its own, and the graph for other tools. */
import { useSignal } from "@preact/signals";
import { lacks } from "../api/caller";
import { addressOf, Failure, key, pathOf, type Problem, send } from "../api/client";
import { paintSheet } from "../drawing/canvas";
import type { Graph } from "../drawing/graph";
import { LETTERED, type Laid } from "../drawing/layout";
import type { Palette } from "../drawing/palette";
import { communitiesOf, type Scene } from "../drawing/scene";
import { type Sheet, sheetOf, type Words } from "../drawing/sheet";
import type { Shown } from "../drawing/shown";
import { escaped, svgOf } from "../drawing/svg";
import { count, date, number } from "../format";
import { Dialog, say } from "../frame";
import { ProblemNote } from "../parts/problem";
import { DAY } from "./days";
import { legendSizes, measure } from "./drawing";
import { gexfOf } from "./gexf";
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
  /** The spelling of the user in the middle. */
  readonly middle: string | null;
  readonly title: string;
}

export function Saving({ seen, close }: { seen: Seen; close: () => void }) {
  const { graph, shown, view, middle } = seen;
  const problem = useSignal<Problem | null>(null);
  const busy = useSignal(false);
  const denied = lacks("graph:export");
  const headline = useSignal(middle === null ? "Who mentions whom" : `Who surrounds ${middle}`);
  const source = useSignal(sourceOf(seen));
  const name = (view.around ?? "network").replace(/[\\/:*?"<>|\s\u0000-\u001f]+/g, "_").slice(0, 60) || "network";
  const words = (): Words => wordsOf(seen, headline.value.trim(), source.value.trim());
  const wholeGraph = async (): Promise<void> => {
    busy.value = true;
    try {
      save(`${name}-all.gexf`, "application/xml", await (await send("GET", exportPath(view))).blob());
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
      <div class="words">
        <Line title="Headline" value={headline} />
        <Line title="Source" value={source} />
      </div>
      <ul class="kinds">
        <Kind title="PNG" says="A picture for an article, with headline, legend and source.">
          <button type="button" class="btn primary" onClick={() => void pictureOf(seen, words()).then((blob) => blob && save(`${name}.png`, "image/png", blob))}>
            Save PNG
          </button>
        </Kind>
        <Kind title="SVG" says="The same to edit: names stay text, each tie is a shape.">
          <button type="button" class="btn" onClick={() => save(`${name}.svg`, "image/svg+xml", drawingOf(seen, words()))}>
            Save SVG
          </button>
        </Kind>
        <Kind title="HTML" says="One page with the picture and its tables. It needs no network and no script.">
          <button type="button" class="btn" onClick={() => save(`${name}.html`, "text/html", documentOf(seen, words()))}>
            Save HTML
          </button>
        </Kind>
        <Kind title="GEXF" says="For Gephi: what is drawn, with places, sizes and colours.">
          <button type="button" class="btn" onClick={() => save(`${name}.gexf`, "application/xml", gexfOf(seen, seen.title))}>
            Save GEXF
          </button>
        </Kind>
        <Kind title="CSV" says="The drawn ties as rows: who, whom, how often, first and last.">
          <button type="button" class="btn" onClick={() => save(`${name}-ties.csv`, "text/csv", tiesTable(graph, shown).csv())}>
            Save CSV
          </button>
        </Kind>
        <Kind title="All ties" says={view.around === null ? "GEXF of the whole graph, drawn or not." : "GEXF of these surroundings, with the ties that are not drawn."}>
          {key.value === null ? (
            <a class="btn" href={addressOf(exportPath(view))} download={`${name}-all.gexf`}>
              Save all ties
            </a>
          ) : (
            <button type="button" class="btn" disabled={busy.value || Boolean(denied)} title={denied} onClick={() => void wholeGraph()}>
              {busy.value ? "Reading…" : "Save all ties"}
            </button>
          )}
        </Kind>
        <Kind title="Address" says="It holds the whole view: who opens it sees the same.">
          <button type="button" class="btn" onClick={() => void navigator.clipboard.writeText(location.href).then(() => say("The address is copied."))}>
            Copy the address
          </button>
        </Kind>
      </ul>
    </Dialog>
  );
}

function Line({ title, value }: { title: string; value: { value: string } }) {
  return (
    <label>
      <span class="label">{title}</span>
      <input class="field" dir="auto" maxLength={300} value={value.value} onInput={(event) => (value.value = event.currentTarget.value)} />
    </label>
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

/** Where the figures come from, for the foot of the picture. */
function sourceOf({ graph, view }: Seen): string {
  const first = graph.ties.reduce((found, tie) => Math.min(found, tie.first), Infinity);
  const last = graph.ties.reduce((found, tie) => Math.max(found, tie.last), -Infinity);
  const days = Number.isFinite(first) ? ` of ${date(view.since ?? new Date(first).toISOString())} to ${date(view.until ?? new Date(last).toISOString())}` : "";
  return `Source: mentions in posts${days}, counted with mentiongraph on ${date(new Date().toISOString())}.`;
}

function wordsOf({ graph, laid, shown, view, ties }: Seen, headline: string, source: string): Words {
  const best = graph.ranked.find((user) => shown.users.has(user));
  const first = best === undefined ? null : graph.users[best]!;
  const drawn = new Map<number, number>();
  for (const user of shown.users) {
    const of = Math.min(LETTERED, laid.community[user]!);
    drawn.set(of, (drawn.get(of) ?? 0) + 1);
  }
  const some = shown.ties.length < ties ? ` of ${number(ties)}` : "";
  const least = view.least > 1 ? ` of at least ${number(view.least)} mentions` : "";
  return {
    headline,
    source,
    sentence: `${count(shown.users.size, "user")}, ${number(shown.ties.length)}${some} ${ties === 1 ? "tie" : "ties"}${least}.${first ? ` \u2068${first.spelling}\u2069 is mentioned most: ${count(first.received, "time")}.` : ""}`,
    sizes: legendSizes(graph),
    heaviest: shown.ties.length ? graph.ties[shown.ties.at(-1)!]!.mentions : 0,
    communities: communitiesOf(graph, laid)
      .map(({ best: user }, colour) => ({ colour, name: graph.users[user]!.spelling, users: count(drawn.get(colour) ?? 0, "user") }))
      .concat({ colour: LETTERED, name: "in none of these", users: count(drawn.get(LETTERED) ?? 0, "user") })
      .filter(({ colour }) => drawn.has(colour)),
  };
}

function exportPath({ around, steps, more, since, until }: View): string {
  const user = around === null ? [] : [around, ...more];
  const after = until === null ? null : new Date(Date.parse(until) + DAY).toISOString();
  return pathOf("/export/graph.gexf", { query: { user, depth: around === null ? null : steps, since: since && `${since}T00:00:00Z`, until: after } });
}

function titlesOf(graph: Graph): (user: number) => string {
  return (user) => {
    const { spelling, received, made } = graph.users[user]!;
    return `${spelling}: mentioned ${number(received)} times, mentions ${number(made)}`;
  };
}

const MOST_PIXELS = 60_000_000;

async function pictureOf({ scene, palette }: Seen, words: Words): Promise<Blob | null> {
  const sheet = sheetOf(scene, palette, words, measure);
  const density = Math.min(2, Math.sqrt(MOST_PIXELS / (sheet.width * sheet.height)));
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil(sheet.width * density);
  canvas.height = Math.ceil(sheet.height * density);
  const context = canvas.getContext("2d", { alpha: false })!;
  context.scale(density, density);
  paintSheet(context, scene, palette, sheet);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

function drawingOf({ scene, palette, graph, title }: Seen, words: Words): string {
  const sheet: Sheet = sheetOf(scene, palette, words, measure);
  return svgOf(scene, palette, sheet, { title: words.headline || title, titles: titlesOf(graph) });
}

const STYLE = `body{margin:0 auto;padding:2rem;max-width:80rem;line-height:1.5}svg{display:block;width:100%;height:auto;margin:1.5rem 0}
h1{font-size:2rem;line-height:1.2;font-weight:600;margin:0 0 .5rem}h1+p{font-size:1.125rem}table{border-collapse:collapse;margin:1rem 0 2rem;font-size:.875rem;width:100%}th,td{text-align:start;padding:.3rem .75rem;border-bottom:1px solid #8885}
th{font-weight:400;opacity:.8}.n{text-align:end;font-variant-numeric:tabular-nums}p{max-width:46rem}.t{overflow-x:auto}`;

/** A page that needs nothing but itself, and may ask for nothing else. */
function documentOf(seen: Seen, words: Words): string {
  const { graph, laid, shown, palette, title } = seen;
  const rows = ({ head, rows: list }: ReturnType<typeof usersTable>): string =>
    `<div class="t"><table><thead><tr>${head.map((each) => `<th scope="col">${each}</th>`).join("")}</tr></thead><tbody>${list
      .map((row) => `<tr>${row.map((each) => (typeof each === "number" ? `<td class="n">${number(each)}</td>` : `<td><bdi>${escaped(each)}</bdi></td>`)).join("")}</tr>`)
      .join("\n")}</tbody></table></div>`;
  const headline = words.headline || title;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(headline)}</title>
<style>${STYLE}body{background:${palette.paper};color:${palette.ink};font-family:${palette.sans}}h1,h1+p{font-family:${palette.serif}}</style>
<h1 dir="auto">${escaped(headline)}</h1>
<p dir="auto">${escaped(words.sentence)}</p>
${drawingOf(seen, { ...words, headline: "", sentence: "" })}
<p>Each dot is a user; a larger dot is mentioned more. Each line is a tie: its thick end mentions its thin end, and a wider line stands for more mentions. Colours and letters are communities: users who mention each other more than others.</p>
<h2>Users</h2>
${rows(usersTable(graph, laid, shown))}
<h2>Ties</h2>
${rows(tiesTable(graph, shown))}
</html>
`;
}
