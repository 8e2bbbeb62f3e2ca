/** The drawing as a table: the drawn users in rank order, or the drawn ties. Arrow keys walk it and the drawing together. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Graph } from "../drawing/graph";
import { LETTERED, type Laid } from "../drawing/layout";
import { communitiesOf, LETTERS } from "../drawing/scene";
import type { Shown } from "../drawing/shown";
import { number } from "../format";
import { Icon } from "../parts/icon";
import { kindOf } from "./dock";
import { save } from "./saving";
import { tiesTable, usersTable } from "./tables";
import { see, type View } from "./view";

interface Drawn {
  readonly graph: Graph;
  readonly laid: Laid;
  readonly shown: Shown;
  readonly view: View;
  /** The user whom the keys have come to. */
  readonly cursor: number | null;
  readonly walk: (by: number) => void;
  readonly select: (user: number) => void;
}

const ROWS = 100;

export function Twin(drawn: Drawn) {
  const { graph, shown, view } = drawn;
  const table = view.list === "users" ? usersTable(graph, drawn.laid, shown) : tiesTable(graph, shown);
  return (
    <section class="twin" id="table" aria-labelledby="twin">
      <div class="head">
        <div>
          <h2 id="twin">The same as a table</h2>
          <p class="s soft" id="keys">
            {number(shown.users.size)} users in rank order. Arrow keys walk the list and the drawing together; <kbd>Enter</kbd> selects, <kbd>e</kbd> expands.
          </p>
        </div>
        <div class="end">
          <span class="seg" role="group" aria-label="Rows">
            <button type="button" aria-pressed={view.list === "users"} onClick={() => see({ list: "users" })}>
              Users {number(shown.users.size)}
            </button>
            <button type="button" aria-pressed={view.list === "ties"} onClick={() => see({ list: "ties" })}>
              Ties {number(shown.ties.length)}
            </button>
          </span>
          <button type="button" class="btn" onClick={() => save(`mentiongraph-${view.list}.csv`, "text/csv", table.csv())}>
            CSV
          </button>
        </div>
      </div>
      <div class="panel">{view.list === "users" ? <Users {...drawn} /> : <Ties {...drawn} />}</div>
    </section>
  );
}

function useRows(length: number, wanted: number): [number, () => void] {
  const rows = useSignal(ROWS);
  const many = Math.max(rows.value, wanted < 0 ? 0 : Math.ceil((wanted + 1) / ROWS) * ROWS);
  return [Math.min(length, many), () => (rows.value = many + ROWS)];
}

function Users({ graph, laid, shown, view, cursor, walk, select }: Drawn) {
  const body = useRef<HTMLTableSectionElement>(null);
  const users = useMemo(() => graph.ranked.filter((user) => shown.users.has(user)), [graph, shown]);
  const strongest = useMemo(() => strongestTies(graph, shown), [graph, shown]);
  const names = useMemo(() => communitiesOf(graph, laid), [graph, laid]);
  const [rows, more] = useRows(users.length, cursor === null ? -1 : users.indexOf(cursor));
  useEffect(() => {
    const row = cursor === null ? null : body.current?.querySelector<HTMLElement>(".cursor");
    if (row && body.current?.closest("table")?.contains(document.activeElement)) row.scrollIntoView({ block: "nearest" });
  }, [cursor]);
  const onKeyDown = (event: KeyboardEvent): void => {
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (by) walk(by);
    else if (event.key === "Enter" && cursor !== null && event.target === event.currentTarget) select(cursor);
    else return;
    event.preventDefault();
  };
  return (
    <>
      <table class="table compact" tabIndex={0} aria-label="Drawn users, most mentioned first" aria-describedby="keys" onKeyDown={onKeyDown}>
        <thead>
          <tr>
            <th class="num" aria-sort="ascending">
              Rank
            </th>
            <th>User</th>
            <th class="wide">Community</th>
            <th class="num">Mentioned</th>
            <th class="num">Mentions</th>
            <th class="num wide">Ties drawn</th>
            <th class="wide">Strongest tie</th>
            <th class="num wide">Mentions</th>
          </tr>
        </thead>
        <tbody ref={body}>
          {users.slice(0, rows).map((user) => {
            const each = graph.users[user]!;
            const of = laid.community[user]!;
            const tie = strongest.get(user);
            return (
              <tr key={each.handle} class={`${user === cursor ? "cursor " : ""}${view.selected === each.handle ? "sel" : ""}`}>
                <td class="num muted">{number(graph.rank[user]!)}</td>
                <td class="nm">
                  <button type="button" class="name" onClick={() => select(user)}>
                    <bdi>{each.spelling}</bdi>
                  </button>
                </td>
                <td class="wide nowrap">
                  <span class={`sw letter ${kindOf(of)}`}>{LETTERS[of] ?? "–"}</span>{" "}
                  <span class="soft">
                    {of < LETTERED ? <>around <bdi>{graph.users[names[of]!.best]!.spelling}</bdi></> : "none of the large ones"}
                  </span>
                </td>
                <td class="num">{number(each.received)}</td>
                <td class="num">{number(each.made)}</td>
                <td class="num wide">{number(shown.drawn[user]!)}</td>
                <td class="wide soft tie">
                  {tie && (
                    <>
                      <bdi>{graph.users[tie.source]!.spelling}</bdi> <Icon name="arrow" /> <bdi>{graph.users[tie.target]!.spelling}</bdi>
                    </>
                  )}
                </td>
                <td class="num wide">{tie && number(tie.mentions)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {rows < users.length && <More left={users.length - rows} more={more} what="users" />}
    </>
  );
}

function strongestTies(graph: Graph, shown: Shown): Map<number, Graph["ties"][number]> {
  const found = new Map<number, Graph["ties"][number]>();
  for (const place of shown.ties) {
    // The heaviest come last.
    const tie = graph.ties[place]!;
    found.set(tie.source, tie).set(tie.target, tie);
  }
  return found;
}

function Ties({ graph, shown, view }: Drawn) {
  const ties = useMemo(() => [...shown.ties].reverse(), [shown]);
  const [rows, more] = useRows(ties.length, -1);
  return (
    <>
      <table class="table compact" aria-label="Drawn ties, heaviest first">
        <thead>
          <tr>
            <th>Mentions</th>
            <th>Is mentioned</th>
            <th class="num" aria-sort="descending">
              How often
            </th>
            <th class="wide">First</th>
            <th class="wide">Last</th>
          </tr>
        </thead>
        <tbody>
          {ties.slice(0, rows).map((place) => {
            const tie = graph.ties[place]!;
            const [source, target] = [graph.users[tie.source]!, graph.users[tie.target]!];
            const on = view.tie?.[0] === source.handle && view.tie[1] === target.handle;
            return (
              <tr key={place} class={on ? "sel" : ""}>
                <td class="nm">
                  <button type="button" class="name" title="Show the lines that made this tie" onClick={() => see({ selected: source.handle, tie: [source.handle, target.handle] })}>
                    <bdi>{source.spelling}</bdi>
                  </button>
                </td>
                <td class="nm">
                  <bdi>{target.spelling}</bdi>
                </td>
                <td class="num">{number(tie.mentions)}</td>
                <td class="wide soft">{new Date(tie.first).toISOString().slice(0, 10)}</td>
                <td class="wide soft">{new Date(tie.last).toISOString().slice(0, 10)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {rows < ties.length && <More left={ties.length - rows} more={more} what="ties" />}
    </>
  );
}

function More({ left, more, what }: { left: number; more: () => void; what: string }) {
  return (
    <p class="more">
      <button type="button" class="btn small" onClick={more}>
        Show {number(Math.min(ROWS, left))} more
      </button>
      <span class="label">
        {number(left)} more {what}
      </span>
    </p>
  );
}
