/** The drawn users and ties as rows, for files. */
import type { Graph } from "../drawing/graph";
import { LETTERED, type Laid } from "../drawing/layout";
import { communitiesOf, LETTERS } from "../drawing/scene";
import type { Shown } from "../drawing/shown";

export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
  readonly csv: () => string;
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): Table {
  return { head, rows, csv: () => [head, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("") };
}

/** A spreadsheet would run a text that begins with one of these signs. The API's own CSV writes the apostrophe, too. */
const FORMULA = /^'*[=+\-@\t\r]/;

function cell(value: string | number): string {
  if (typeof value === "number") return String(value);
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function usersTable(graph: Graph, laid: Laid, shown: Shown): Table {
  const names = communitiesOf(graph, laid);
  const rows = graph.ranked
    .filter((user) => shown.users.has(user))
    .map((user) => {
      const { spelling, received, made } = graph.users[user]!;
      const of = laid.community[user]!;
      const community = of < LETTERED ? `${LETTERS[of]} around ${graph.users[names[of]!.best]!.spelling}` : "";
      return [graph.rank[user]!, spelling, community, received, made, shown.drawn[user]!];
    });
  return table(["Rank", "User", "Community", "Mentioned", "Mentions", "Ties drawn"], rows);
}

export function tiesTable(graph: Graph, shown: Shown): Table {
  const iso = (at: number): string => new Date(at).toISOString();
  const rows = [...shown.ties].reverse().map((place) => {
    const { source, target, mentions, first, last } = graph.ties[place]!;
    return [graph.users[source]!.spelling, graph.users[target]!.spelling, mentions, iso(first), iso(last)];
  });
  return table(["Mentions", "Is mentioned", "How often", "First", "Last"], rows);
}
