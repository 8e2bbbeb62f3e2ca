/** Which physical lines made a tie. */
import { type Schemas, pathOf } from "../api/client";
import { count, day } from "../format";
import { href } from "../router";
import { FileName } from "./filename";
import { Icon } from "./icon";
import { Marked } from "./marked";
import { usePages } from "./pages";
import { ProblemNote } from "./problem";

export function Tie({ source, target }: { source: string; target: string }) {
  const first = pathOf("/edges/{source}/{target}/lines", { in: { source, target }, query: { limit: 20 } });
  const { pages, problem, busy, more } = usePages<Schemas["LinesAnswer"]>(first);
  const lines = pages.flatMap((page) => page.lines);
  const unread = pages.flatMap((page) => page.unread);
  const uploads = new Map(lines.map((line) => [line.upload_id, line.filename]));
  return (
    <section class="tie" aria-labelledby="tie">
      <h2 id="tie" class="tiehead">
        <bdi>{source}</bdi>
        <Icon name="arrow" />
        <span class="sr">mentions</span>
        <bdi>{target}</bdi>
      </h2>
      {problem && <ProblemNote problem={problem} />}
      {pages.length > 0 && (
        <p class="s soft">
          {lines.length === 0 && !unread.length ? "No line made this tie." : `${count(lines.length, "line")}${more ? " so far" : ""}, from `}
          {[...uploads].map(([id, name], at) => (
            <span key={id}>
              {at > 0 && ", "}
              <a href={href(["uploads", id])}>
                <FileName name={name} />
              </a>
            </span>
          ))}
          {lines.length > 0 && "."} {pages.at(-1)?.purged && "Older uploads made it, too; their rows are no longer kept."}
        </p>
      )}
      <ol class="lines" aria-busy={busy}>
        {lines.map((line) => (
          <li key={`${line.batch_id} ${line.line}`} class={line.retracted || line.repeated ? "gone" : undefined}>
            <a class="ln" href={href(["uploads", line.upload_id], { batch: String(line.batch_id), line: String(line.line), source, target })} title={`${line.filename ?? "A file"}, line ${line.line}`}>
              {line.line}
            </a>
            <p>
              {line.cut_before && "…"}
              <Marked text={line.text} places={line.mentions} />
              {line.cut_after && "…"}
              {line.retracted && <span class="label"> retracted</span>}
              {line.repeated && <span class="label"> counted in another file</span>}
            </p>
            <time dateTime={line.at}>{day(line.at)}</time>
          </li>
        ))}
      </ol>
      {unread.length > 0 && <p class="s soft">The rows of {count(unread.length, "batch", "batches")} can’t be shown any more.</p>}
      {more && (
        <button type="button" class="btn" onClick={more}>
          More lines
        </button>
      )}
    </section>
  );
}
