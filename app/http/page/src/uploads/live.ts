/** Rows of uploads stay true while work goes on, and none moves under the pointer. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { Schemas } from "../api/client";
import { follow, get } from "../api/client";
import { useResource } from "../api/resource";

type Entry = Schemas["Upload"];

export const RUNNING: readonly Schemas["UploadState"][] = ["receiving", "staged", "applying", "checking", "cancelling", "retracting"];
const EVERY = 3000;
/** Running uploads that are asked for one by one, since they are not on the first page any more. */
const MOST_APART = 10;

export interface Live {
  readonly rows: readonly Entry[];
  /** Uploads on the first page that the rows do not show yet. */
  readonly fresh: number;
}

/** The rows as they are now. `first`: path of the first page, which is asked for again and again. */
export function useLive(first: string, loaded: readonly Entry[]): Live {
  const news = useSignal<{ readonly of: string; readonly entries: ReadonlyMap<string, Entry> }>({ of: first, entries: new Map() });
  const ids = new Set(loaded.map((row) => row.id));
  const rows = loaded.map((row) => (news.value.of === first ? (news.value.entries.get(row.id) ?? row) : row));
  // What is asked for later is about the rows of that time.
  const latest = useRef(rows);
  latest.current = rows;
  const page = useResource(
    async (signal) => {
      if (!latest.current.length) return undefined;
      const found = (await follow(first, signal)) as Schemas["Uploads"];
      const entries = new Map(found.uploads.map((entry) => [entry.id, entry]));
      const apart = latest.current.filter((row) => RUNNING.includes(row.state) && !entries.has(row.id)).slice(0, MOST_APART);
      for (const entry of await Promise.all(apart.map((row) => get("/uploads/{upload_id}", { in: { upload_id: row.id }, signal })))) entries.set(entry.id, entry);
      news.value = { of: first, entries };
      return { of: first, newest: found.uploads };
    },
    [first, loaded.length > 0],
    EVERY,
  );
  const newest = loaded[0]?.id ?? "";
  const fresh = page.value?.of === first && loaded.length ? page.value.newest.filter((entry) => !ids.has(entry.id) && entry.id > newest).length : 0;
  return { rows, fresh };
}
