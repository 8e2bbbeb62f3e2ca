import type { Problem } from "../api/client";
import { Icon } from "./icon";
import { Prose } from "./prose";

/** A problem document, in the place of what it kept from being shown. */
export function ProblemNote({ problem, again }: { problem: Problem; again?: () => void }) {
  return (
    <div class="note bad" role="alert">
      <Icon name="warn" />
      <p class="strong">{problem.title}</p>
      {again && (
        <button type="button" class="btn small do" onClick={again}>
          Try again
        </button>
      )}
      <p>
        <Prose text={problem.detail} />
      </p>
    </div>
  );
}
