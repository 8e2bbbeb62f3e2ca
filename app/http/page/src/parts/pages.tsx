/** A list that grows page by page, by the `next` of the API's answers. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Failure, follow, key, type Problem } from "../api/client";

export interface Paged<Page> {
  readonly pages: readonly Page[];
  readonly problem: Problem | undefined;
  readonly busy: boolean;
  /** Load the next page; undefined on the last. */
  readonly more: (() => void) | undefined;
  /** Load the first page anew. */
  readonly again: () => void;
}

/** The pages from `first` on; it starts anew when `first` changes. */
export function usePages<Page extends { readonly next: string | null }>(first: string): Paged<Page> {
  const pages = useSignal<readonly Page[]>([]);
  const problem = useSignal<Problem | undefined>(undefined);
  const busy = useSignal(false);
  const turn = useSignal(0);
  const load = async (path: string, before: readonly Page[], signal?: AbortSignal): Promise<void> => {
    busy.value = true;
    try {
      const page = (await follow(path, signal)) as Page;
      pages.value = [...before, page];
      problem.value = undefined;
    } catch (error) {
      if (error instanceof Failure) problem.value = error.problem;
      else if (!signal?.aborted) throw error;
    } finally {
      busy.value = false;
    }
  };
  useEffect(() => {
    const control = new AbortController();
    void load(first, [], control.signal);
    return () => control.abort();
  }, [first, turn.value, key.value]);
  const next = pages.value.at(-1)?.next;
  return { pages: pages.value, problem: problem.value, busy: busy.value, more: next && !busy.value ? () => void load(next, pages.value) : undefined, again: () => void turn.value++ };
}
