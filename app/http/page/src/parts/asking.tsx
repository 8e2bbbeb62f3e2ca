/** A change that is asked of the API by a button: while it is under way the button waits, and a refusal is kept. */
import { useSignal } from "@preact/signals";
import { Failure, type Problem } from "../api/client";

export interface Asking {
  readonly busy: boolean;
  readonly problem: Problem | undefined;
  /** Do it; true if the API did. */
  readonly run: (work: () => Promise<void>) => Promise<boolean>;
}

export function useAsking(): Asking {
  const busy = useSignal(false);
  const problem = useSignal<Problem | undefined>(undefined);
  const run = async (work: () => Promise<void>): Promise<boolean> => {
    busy.value = true;
    problem.value = undefined;
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      problem.value = error.problem;
      return false;
    } finally {
      busy.value = false;
    }
  };
  return { busy: busy.value, problem: problem.value, run };
}
