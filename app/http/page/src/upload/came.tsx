/** The line and the batch that led here, when somebody comes from a tie: where in the file its evidence stands. */
import type { Schemas } from "../api/client";
import { count, number } from "../format";
import { href, place } from "../router";

export function Came({ batches }: { batches: readonly Schemas["Batch"][] }) {
  const { batch, line, source, target } = place.value.query;
  const at = batches.findIndex((each) => String(each.id) === batch);
  const found = batches[at];
  if (!found) return null;
  const next = batches[at + 1];
  return (
    <p class="came" role="note">
      {line && (
        <>
          <mark>Line {number(Number(line))}</mark> is in{" "}
        </>
      )}
      batch {number(found.ordinal + 1)} of {count(batches.length, "batch", "batches")}, which begins at line {number(found.first_line)}
      {next && <> and ends before line {number(next.first_line)}</>}.
      {source && target && (
        <>
          {" "}
          It made the tie{" "}
          <a href={href(["users", source], { to: target })}>
            <bdi>{source}</bdi> → <bdi>{target}</bdi>
          </a>
          .
        </>
      )}
    </p>
  );
}
