/** What is drawn as GEXF: the users and ties with their places, sizes and colours, so that Gephi opens the same picture.
 * Names of the attributes are those of the API's own export. */
import { LETTERED } from "../drawing/layout";
import type { Palette } from "../drawing/palette";
import { LETTERS, type Scene } from "../drawing/scene";
import { escaped } from "../drawing/svg";
import type { Graph } from "../drawing/graph";
import type { Laid } from "../drawing/layout";
import type { Shown } from "../drawing/shown";

interface Drawn {
  readonly graph: Graph;
  readonly laid: Laid;
  readonly shown: Shown;
  readonly scene: Scene;
  readonly palette: Palette;
}

const HEAD = `<?xml version="1.0" encoding="UTF-8"?>
<gexf xmlns="http://gexf.net/1.3" xmlns:viz="http://gexf.net/1.3/viz" version="1.3">`;
const ATTRIBUTES = `<attributes class="node">
<attribute id="handle" title="handle" type="string"/>
<attribute id="made" title="mentions_made" type="long"/>
<attribute id="received" title="mentions_received" type="long"/>
<attribute id="community" title="community" type="string"/>
</attributes>
<attributes class="edge">
<attribute id="count" title="mention_count" type="long"/>
<attribute id="first" title="first_seen" type="string"/>
<attribute id="last" title="last_seen" type="string"/>
</attributes>`;

export function gexfOf({ graph, laid, shown, scene, palette }: Drawn, title: string): string {
  const radii = new Map(scene.dots.map((dot) => [dot.user, dot.radius]));
  const users = graph.ranked.filter((user) => shown.users.has(user)).map((user) => userOf(user));
  const ties = [...shown.ties].reverse().map((place) => {
    const { source, target, mentions, first, last } = graph.ties[place]!;
    const values = value("count", mentions) + value("first", new Date(first).toISOString()) + value("last", new Date(last).toISOString());
    return `<edge source="${escaped(graph.users[source]!.spelling)}" target="${escaped(graph.users[target]!.spelling)}" weight="${mentions}"><attvalues>${values}</attvalues></edge>`;
  });
  function userOf(user: number): string {
    const { handle, spelling, made, received } = graph.users[user]!;
    const of = laid.community[user]!;
    const values = value("handle", handle) + value("made", made) + value("received", received) + (of < LETTERED ? value("community", LETTERS[of]!) : "");
    // Gephi's y grows upwards.
    const look = `<viz:position x="${laid.x[user]!.toFixed(1)}" y="${(-laid.y[user]!).toFixed(1)}" z="0.0"/><viz:size value="${(2 * (radii.get(user) ?? 1)).toFixed(1)}"/>${colour(palette.communities[Math.min(of, LETTERED)]!)}`;
    return `<node id="${escaped(spelling)}" label="${escaped(spelling)}"><attvalues>${values}</attvalues>${look}</node>`;
  }
  const about = `<meta lastmodifieddate="${new Date().toISOString().slice(0, 10)}"><creator>mentiongraph</creator><description>${escaped(title)}</description></meta>`;
  return [HEAD, about, '<graph mode="static" defaultedgetype="directed">', ATTRIBUTES, "<nodes>", ...users, "</nodes>", "<edges>", ...ties, "</edges>", "</graph>", "</gexf>", ""].join("\n");
}

function value(name: string, is: string | number): string {
  return `<attvalue for="${name}" value="${escaped(String(is))}"/>`;
}

/** Tokens are written as #rrggbb; a colour of the reader's own system is left to Gephi. */
function colour(token: string): string {
  const parts = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(token)?.slice(1);
  if (!parts) return "";
  const [red, green, blue] = parts.map((part) => parseInt(part, 16));
  return `<viz:color r="${red}" g="${green}" b="${blue}"/>`;
}
