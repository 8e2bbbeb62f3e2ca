/** What happened to an upload and its batches, from the ledger's events as they come in. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Failure, type Schemas, get, pathOf } from "../api/client";
import { events } from "../api/events";

/** A change of state in the ledger. */
export interface Change {
  readonly id: number;
  readonly at: string;
  /** Null: the change is of the upload. */
  readonly batch_id: number | null;
  readonly from_state: string | null;
  readonly to_state: string;
  readonly reason: string | null;
  readonly owner: string | null;
}

export interface Story {
  readonly changes: readonly Change[];
  readonly over: boolean;
}

const MOST = 20_000;

/** The changes so far; `moved` is called when the entry may have changed. An upload that had ended may begin again, as one
 * that is retracted does: its story is then read anew. */
export function useStory(upload: string, ended: boolean, moved: () => void): Story {
  const story = useSignal<Story>({ changes: [], over: false });
  const turn = useRef({ ended, begun: 0 });
  if (turn.current.ended !== ended) turn.current = { ended, begun: turn.current.begun + (ended ? 0 : 1) };
  useEffect(() => {
    const control = new AbortController();
    const listen = async (): Promise<void> => {
      let known: readonly Change[] = [];
      let waiting: Change[] = [];
      let due: ReturnType<typeof setTimeout> | undefined;
      const show = (over = false): void => {
        due = undefined;
        known = [...known, ...waiting].slice(-MOST);
        story.value = { changes: known, over };
        waiting = [];
        moved();
      };
      for await (const each of events(pathOf("/uploads/{upload_id}/events", { in: { upload_id: upload } }), control.signal)) {
        if (each.event === "state") waiting.push(JSON.parse(each.data) as Change);
        due ??= setTimeout(show, 250);
      }
      clearTimeout(due);
      if (!control.signal.aborted) show(true);
    };
    void listen();
    return () => control.abort();
  }, [upload, turn.current.begun]);
  return story.value;
}

const BATCHES = 200;

/** The first batches of an upload, and those that failed. */
export async function batches(upload: string, signal: AbortSignal): Promise<readonly Schemas["Batch"][]> {
  try {
    return (await get("/uploads/{upload_id}/batches", { in: { upload_id: upload }, query: { limit: BATCHES }, signal })).batches;
  } catch (error) {
    if (error instanceof Failure && error.problem.status === 404) return [];
    throw error;
  }
}
