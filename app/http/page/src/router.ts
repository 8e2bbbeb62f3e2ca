/** Where the user is: the screen, the graph and the filters, all of it in the address after `#`.
 *
 * `#/uploads?state=failed` is a screen of the graph `default`, `#/graphs/NAME/uploads` the same of another graph, as in
 * the paths of the API. The part after `#` stays in the browser, so no path of a screen can be one of the API.
 */
import { computed, signal } from "@preact/signals";

export type Query = Readonly<Record<string, string>>;

export interface Place {
  /** Name of the graph. */
  readonly graph: string;
  /** The path within the graph, cut at its slashes and decoded: `["uploads", "0192…"]`. */
  readonly path: readonly string[];
  readonly query: Query;
}

const DEFAULT_GRAPH = "default";

const address = signal(location.hash);
addEventListener("hashchange", () => (address.value = location.hash));

export const place = computed<Place>(() => read(address.value));

function read(hash: string): Place {
  const [path = "", query = ""] = split(hash.replace(/^#\/?/, ""), "?");
  const parts = path.split("/").filter(Boolean).map(decode);
  const named = parts[0] === "graphs" && parts.length > 1 ? parts[1] : undefined;
  return {
    graph: named ?? DEFAULT_GRAPH,
    path: named === undefined ? parts : parts.slice(2),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

function split(text: string, at: string): [string, string] {
  const found = text.indexOf(at);
  return found < 0 ? [text, ""] : [text.slice(0, found), text.slice(found + 1)];
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // somebody wrote a bare percent sign
  }
}

/** The address of a screen, for `href`. Without `graph`, the graph that is open. Empty values are left out. */
export function href(path: readonly string[], query: Record<string, string | undefined> = {}, graph = place.value.graph): string {
  const prefix = graph === DEFAULT_GRAPH ? [] : ["graphs", graph];
  const filters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value) filters.set(name, value);
  const text = filters.toString();
  return `#/${[...prefix, ...path].map(encodeURIComponent).join("/")}${text && `?${text}`}`;
}

export function go(path: readonly string[], query: Record<string, string | undefined> = {}, graph?: string): void {
  location.hash = href(path, query, graph);
}

/** Change filters of the screen that is open. Unlike `go`, the browser's Back leaves the screen and not one filter. */
export function refine(changes: Record<string, string | undefined>): void {
  const { path, query } = place.value;
  history.replaceState(null, "", href(path, { ...query, ...changes }));
  address.value = location.hash;
}
