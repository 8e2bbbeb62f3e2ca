/** Whose key the page sends, and what it allows: what `/keys/self` answers. */
import { effect, signal } from "@preact/signals";
import { go, place } from "../router";
import { Failure, type Problem, type Schemas, addressOf, get, key, keyWanted, problemOf, setKey, unreachable } from "./client";

export type Self = Schemas["Self"];
export type Scope = "graph:read" | "graph:export" | "uploads:write" | "uploads:read" | "uploads:manage" | "metrics" | "admin";

/** Null until the API has answered. */
export const self = signal<Self | null>(null);

/** Whether the page has learned what it may do, or that it can't learn so: then its screens are shown. */
export const known = signal(false);

/** Ask what the page may do, and again whenever the key changes. */
export function learn(): void {
  effect(() => {
    void key.value;
    void ask();
  });
}

async function ask(): Promise<void> {
  try {
    const found = await get("/keys/self");
    self.value = found;
    known.value = true;
    keyWanted.value = null;
    toOwnGraph(found);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    self.value = null;
    // A key that is missing is asked for before anything else. Every other problem is for the screens to tell.
    if (error.problem.status !== 401) known.value = true;
  }
}

/** A key for some graphs begins at the first of them, unless the address names another. */
function toOwnGraph({ graphs }: Self): void {
  const { graph, path, query } = place.value;
  const first = graphs?.[0];
  if (first && graph === "default" && !graphs.includes(graph)) go(path, query, first);
}

/** Keep the token if the API takes it; else say what is wrong with it. */
export async function use(token: string): Promise<Problem | null> {
  // No header takes other characters, and no token has any.
  if (/[^\x21-\x7e]/.test(token)) return { type: "wrong-key", title: "No token", status: 401, detail: "The token has characters that no token has." } as Problem;
  let response: Response;
  try {
    response = await fetch(addressOf("/keys/self"), { headers: { authorization: `Bearer ${token}` } });
  } catch {
    return unreachable();
  }
  if (!response.ok) return problemOf(response);
  self.value = (await response.json()) as Self;
  setKey(token);
  return null;
}

/** Forget the key. Where keys are needed, the page asks for another one. */
export function forget(): void {
  known.value = false;
  self.value = null;
  keyWanted.value = null;
  setKey(null);
}

export interface Need {
  /** For a key that is good for all graphs. */
  readonly everywhere?: boolean;
}

/** Why the page may not do what one of these scopes allows; undefined: it may, or does not know yet. */
export function lacks(scopes: Scope | readonly Scope[], { everywhere = false }: Need = {}): string | undefined {
  const mine = self.value;
  const wanted = typeof scopes === "string" ? [scopes] : scopes;
  if (!mine) return undefined;
  if (!mine.scopes.includes("admin") && !wanted.some((scope) => mine.scopes.includes(scope))) return `Your key lacks the scope ${wanted.join(" or ")}. Whoever runs this server can give you a key that has it.`;
  return everywhere && mine.graphs ? "This needs a key for all graphs, and yours is for some." : undefined;
}
