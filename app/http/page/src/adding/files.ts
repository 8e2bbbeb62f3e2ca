/** The files that the user has chosen: how each is read, and how far it is on its way into the graph. */
import { signal } from "@preact/signals";
import { Failure, type Problem, type Schemas, addressOf, headers, pathOf, refused, send, unreachable } from "../api/client";
import { events } from "../api/events";

export type Preview = Schemas["Preview"];
export type Upload = Schemas["Upload"];
/** What the user says about a file: parameters of the request, by name. */
export type Given = Readonly<Record<string, string>>;

export type Step =
  | { readonly name: "looking" }
  | { readonly name: "shown" }
  | { readonly name: "refused"; readonly problem: Problem }
  | { readonly name: "sending"; readonly share: number }
  | { readonly name: "counting" };

export interface Chosen {
  readonly id: number;
  readonly file: File;
  readonly given: Given;
  readonly step: Step;
  /** The last preview; it stays while the next is on its way. */
  readonly preview: Preview | undefined;
  /** The entry in the ledger, once the file was sent. */
  readonly upload: Upload | undefined;
  /** Whether the entry is that of an earlier upload with the same bytes: nothing was counted now. */
  readonly earlier?: boolean;
}

const HEAD = 1 << 20;
/** First bytes of files that can only be read as a whole: zip (also xlsx), Parquet. */
const WHOLE = [[0x50, 0x4b, 0x03, 0x04], [0x50, 0x41, 0x52, 0x31]];
const ENDED = new Set(["applied", "checked", "failed", "cancelled", "aborted", "duplicate", "retracted"]);

export const files = signal<readonly Chosen[]>([]);
export const openId = signal<number | null>(null);

let lastId = 0;
const looks = new Map<number, AbortController>();

export function add(chosen: Iterable<File>): void {
  const more = [...chosen].map((file): Chosen => ({ id: ++lastId, file, given: {}, step: { name: "looking" }, preview: undefined, upload: undefined }));
  files.value = [...files.value, ...more];
  if (more[0]) openId.value = more[0].id;
  for (const each of more) void look(each.id);
}

export function remove(id: number): void {
  looks.get(id)?.abort();
  files.value = files.value.filter((each) => each.id !== id);
  if (openId.value === id) openId.value = files.value[0]?.id ?? null;
}

export function find(id: number): Chosen | undefined {
  return files.value.find((each) => each.id === id);
}

function set(id: number, changes: Partial<Chosen>): void {
  files.value = files.value.map((each) => (each.id === id ? { ...each, ...changes } : each));
}

/** Say how a file is to be read, and look again. An empty value takes back what was said. */
export function say(id: number, changes: Given): void {
  const given = Object.fromEntries(Object.entries({ ...find(id)?.given, ...changes }).filter(([, value]) => value !== ""));
  set(id, { given });
  void look(id);
}

async function look(id: number): Promise<void> {
  const chosen = find(id);
  if (!chosen) return;
  looks.get(id)?.abort();
  const control = new AbortController();
  looks.set(id, control);
  set(id, { step: { name: "looking" } });
  try {
    const response = await send("POST", pathOf("/uploads/preview", { query: chosen.given }), {
      body: await beginning(chosen.file),
      headers: { "content-type": "application/octet-stream" },
      signal: control.signal,
    });
    set(id, { preview: (await response.json()) as Preview, step: { name: "shown" } });
  } catch (error) {
    if (!(error instanceof Failure)) return;
    set(id, { step: { name: "refused", problem: error.problem } });
  }
}

/** What a preview needs of the file. */
async function beginning(file: File): Promise<Blob> {
  const marks = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  const whole = WHOLE.some((mark) => mark.every((byte, at) => marks[at] === byte));
  return whole ? file : file.slice(0, HEAD);
}

/** Send a file, and follow it until the ledger has finished with it. `dryRun`: count and change nothing. */
export async function upload(id: number, dryRun = false): Promise<void> {
  const chosen = find(id);
  if (!chosen) return;
  set(id, { step: { name: "sending", share: 0 }, upload: undefined });
  try {
    const { entry, earlier } = await sent(chosen, dryRun);
    set(id, { step: { name: "counting" }, upload: entry, earlier });
    await follow(id, entry);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    set(id, { step: { name: "refused", problem: error.problem } });
  }
}

/** fetch tells nothing of what was sent, so this is an XMLHttpRequest. Throws Failure. */
function sent(chosen: Chosen, dryRun: boolean): Promise<{ entry: Upload; earlier: boolean }> {
  const query = { ...chosen.given, filename: chosen.file.name, ...(dryRun && { dry_run: "true" }) };
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", addressOf(pathOf("/uploads", { query })));
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.setRequestHeader("content-type", "application/octet-stream");
    request.setRequestHeader("idempotency-key", crypto.randomUUID?.() ?? `page-${Date.now()}-${chosen.id}`);
    request.responseType = "json";
    request.upload.onprogress = (event) => set(chosen.id, { step: { name: "sending", share: event.loaded / chosen.file.size } });
    request.onload = () => (request.status < 300 ? resolve({ entry: request.response as Upload, earlier: request.status === 200 }) : reject(refused(request.response as Problem)));
    request.onerror = () => reject(new Failure(unreachable()));
    request.send(chosen.file);
  });
}

async function follow(id: number, entry: Upload): Promise<void> {
  const path = entry.links.upload;
  const control = new AbortController();
  let last = entry;
  if (!ENDED.has(entry.state)) {
    for await (const _ of events(entry.links.events, control.signal)) {
      if (!find(id)) return control.abort();
      last = (await (await send("GET", path)).json()) as Upload;
      set(id, { upload: last });
      if (ENDED.has(last.state)) control.abort();
    }
  }
  set(id, { upload: (await (await send("GET", path)).json()) as Upload });
}

export function ended(entry: Upload): boolean {
  return ENDED.has(entry.state);
}

/** Upload the files whose reading is certain. */
export function uploadAll(): void {
  for (const each of files.value) if (each.step.name === "shown" && each.preview?.certain) void upload(each.id);
}

