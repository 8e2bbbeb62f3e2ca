/** What a screen shows of the API: the last answer, and what is the matter with the next. */
import { type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Failure, type Problem, key, keyWanted } from "./client";

export interface Resource<T> {
  /** The last answer; it stays while the next is on its way, and if the next fails. */
  readonly value: T | undefined;
  readonly problem: Problem | undefined;
  /** Whether an answer has been awaited for so long that the user should see it. */
  readonly slow: boolean;
  readonly again: () => void;
}

const SLOW = 300;

/** Ask `load` whenever something of `inputs` changes, and every `every` milliseconds while the tab can be seen. */
export function useResource<T>(load: (signal: AbortSignal) => Promise<T>, inputs: readonly unknown[], every?: number): Resource<T> {
  const value: Signal<T | undefined> = useSignal(undefined);
  const problem: Signal<Problem | undefined> = useSignal(undefined);
  const slow = useSignal(false);
  const turn = useSignal(0);
  useEffect(() => {
    const control = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      const late = setTimeout(() => (slow.value = true), SLOW);
      try {
        const found = await load(control.signal);
        if (control.signal.aborted) return;
        value.value = found;
        problem.value = undefined;
      } catch (error) {
        if (control.signal.aborted) return;
        if (!(error instanceof Failure)) throw error;
        problem.value = error.problem;
      } finally {
        clearTimeout(late);
        slow.value = false;
        // What the key does not allow is not asked for again: the API writes down each denied request.
        if (every && problem.peek()?.status !== 403 && !control.signal.aborted) timer = setTimeout(whenSeen, every);
      }
    };
    const whenSeen = (): void => {
      if (keyWanted.peek()) timer = setTimeout(whenSeen, every);
      else if (!document.hidden) void ask();
      else document.addEventListener("visibilitychange", whenSeen, { once: true, signal: control.signal });
    };
    void ask();
    return () => {
      control.abort();
      clearTimeout(timer);
    };
  }, [...inputs, turn.value, key.value]);
  return { value: value.value, problem: problem.value, slow: slow.value, again: () => void turn.value++ };
}
