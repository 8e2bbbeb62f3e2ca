/** Requests to the API that serves this page. Paths, parameters and answers have the types of its OpenAPI document. */
import { signal } from "@preact/signals";
import { place } from "../router";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
export type Problem = Schemas["ProblemDocument"];

/** A request that failed. `problem` is the API's document (RFC 9457), or one that says that no answer came. */
export class Failure extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

type Json<T> = T extends { content: { "application/json": infer Answer } } ? Answer : never;
type Good<T> = T extends { responses: infer R } ? { [S in keyof R & (200 | 201 | 202)]: Json<R[S]> }[keyof R & (200 | 201 | 202)] : never;
type Method = "get" | "post" | "patch" | "delete";
type Paths<M extends Method> = { [P in keyof paths]: paths[P] extends { [K in M]: { responses: unknown } } ? P : never }[keyof paths];

/** What `method path` answers. */
export type Answer<M extends Method, P extends keyof paths> = paths[P] extends { [K in M]: infer Operation } ? Good<Operation> : never;

export type Values = Readonly<Record<string, string | number | boolean | readonly string[] | null | undefined>>;

export interface Asked {
  /** Values for the braces of the path. */
  readonly in?: Readonly<Record<string, string>>;
  readonly query?: Values;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

const KEY = "mentiongraph.key";

/** The token of the user's key, kept for the session of this tab; null: the user entered none. */
export const key = signal<string | null>(sessionStorage.getItem(KEY));

/** Why the API wants a key, if it refused a request for want of one. The page asks nothing by itself meanwhile. */
export const keyWanted = signal<Problem | null>(null);

export function setKey(token: string | null): void {
  if (token === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, token);
  key.value = token;
  keyWanted.value = null;
}

/** Paths that have no graph before them. */
const OF_THE_SERVICE = /^\/(graphs|keys|settings|doc|guide|health\/(live|ready|processes|graphs))(\/|$)/;

/** The path of a request on this server, for the graph that is open. */
export function pathOf(path: string, asked: Asked = {}, graph = place.value.graph): string {
  const filled = path.replace(/\{([^}:]+)[^}]*\}/g, (_, name: string) => encodeURIComponent(asked.in?.[name] ?? ""));
  const prefix = graph === "default" || OF_THE_SERVICE.test(filled) ? "" : `/graphs/${encodeURIComponent(graph)}`;
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(asked.query ?? {})) {
    if (value === null || value === undefined || value === "") continue;
    for (const each of Array.isArray(value) ? value : [value]) query.append(name, String(each));
  }
  const text = query.toString();
  return `${prefix}${filled}${text && `?${text}`}`;
}

/** The address of a path. The page may be served below a path of a proxy. */
export function addressOf(path: string): string {
  return new URL(`.${path}`, new URL("./", location.href.split("#")[0])).href;
}

export function headers(): Record<string, string> {
  return key.value === null ? {} : { authorization: `Bearer ${key.value}` };
}

export function get<P extends Paths<"get">>(path: P, asked: Asked = {}): Promise<Answer<"get", P>> {
  return follow(pathOf(path, asked), asked.signal) as Promise<Answer<"get", P>>;
}

/** GET a path of an earlier answer, as `next` is. It has the graph in it. */
export async function follow(path: string, signal?: AbortSignal): Promise<unknown> {
  return (await send("GET", path, signal ? { signal } : {})).json();
}

export async function change<M extends Exclude<Method, "get">, P extends Paths<M>>(
  method: M,
  path: P,
  asked: Asked = {},
): Promise<Answer<M, P>> {
  const init: RequestInit = {};
  if (asked.signal) init.signal = asked.signal;
  if (asked.body !== undefined) {
    init.body = JSON.stringify(asked.body);
    init.headers = { "content-type": "application/json" };
  }
  const response = await send(method.toUpperCase(), pathOf(path, asked), init);
  return (response.status === 204 ? null : await response.json()) as Answer<M, P>;
}

/** Send a request with the user's key. Throws Failure for every answer that is none of 200 to 299. */
export async function send(method: string, path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(addressOf(path), { ...init, method, headers: { ...headers(), ...(init.headers as Record<string, string>) } });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Failure(unreachable());
  }
  if (response.ok) return response;
  throw refused(await problemOf(response));
}

/** The failure that a problem is. A key that is missing or no longer works is asked for. */
export function refused(problem: Problem): Failure {
  if (problem.status === 401) {
    // A dead key is dropped at once: after 20 requests with it, the API refuses this address for a while.
    if (key.peek() !== null) setKey(null);
    keyWanted.value ??= problem;
  }
  return new Failure(problem);
}

export function unreachable(): Problem {
  return {
    type: "about:blank",
    title: "No answer",
    status: 0,
    detail: "The API does not answer. It may have stopped, or the network is away.",
  } as Problem;
}

export async function problemOf(response: Response): Promise<Problem> {
  try {
    return (await response.json()) as Problem;
  } catch {
    return { type: "about:blank", title: response.statusText, status: response.status, detail: `The answer was ${response.status}.` } as Problem;
  }
}
