/** Uploads: those of a state, by keyset pages, with filters in the address. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { get, pathOf, type Schemas } from "../api/client";
import { useResource } from "../api/resource";
import { bytes, count, number, percent, when } from "../format";
import { useShortcuts } from "../keyboard";
import { useCurl } from "../parts/curl";
import { Icon } from "../parts/icon";
import { FileName } from "../parts/filename";
import { usePages } from "../parts/pages";
import { ProblemNote } from "../parts/problem";
import { StateMark, stateIcon } from "../parts/state";
import { go, href, place, refine } from "../router";
import { BulkBar } from "../uploads/bulk";
import { RUNNING, useLive } from "../uploads/live";
import { all, chosen, clear, toggle, toggleRows, upTo } from "../uploads/selection";
import { Upload } from "./upload";

type Entry = Schemas["Upload"];
type State = Schemas["UploadState"];

/** The tabs, and the states of the ledger that each shows. */
const TABS: readonly (readonly [State, readonly State[]])[] = [
  ["receiving", ["receiving"]],
  ["staged", ["staged"]],
  ["applying", ["applying", "checking", "cancelling", "retracting"]],
  ["applied", ["applied"]],
  ["failed", ["failed"]],
  ["checked", ["checked"]],
  ["retracted", ["retracted"]],
  ["cancelled", ["cancelled"]],
  ["aborted", ["aborted"]],
  ["duplicate", ["duplicate"]],
];
const LIMIT = 50;
const EVERY = 3000;
const DAY = 86_400_000;
const PERIODS: Readonly<Record<string, number>> = { "the last day": 1, "the last 7 days": 7, "the last 30 days": 30 };

export default function Screen() {
  const id = place.value.path[1];
  return id ? <Upload key={id} id={id} /> : <Uploads />;
}

function Uploads() {
  const { query, graph } = place.value;
  const tab = TABS.find(([name]) => name === query["state"]);
  const since = query["period"] && PERIODS[query["period"]];
  const filter = { text: query["text"], since: since ? new Date(Math.floor(Date.now() / DAY - since) * DAY).toISOString() : undefined };
  const counts = useResource((signal) => get("/uploads/counts", { query: filter, signal }), [query["text"], query["period"], graph], EVERY);
  const first = pathOf("/uploads", { query: { ...filter, state: tab?.[1], limit: LIMIT } });
  const { pages, problem, busy, more, again } = usePages<Schemas["Uploads"]>(first);
  useCurl(first);
  useEffect(() => clear, [first]);
  const { rows, fresh } = useLive(first, pages.flatMap((page) => page.uploads));
  const matching = total(counts.value, tab?.[1]);
  const renew = (): void => (again(), counts.again());
  return (
    <main id="main" tabIndex={-1} class="uploads" aria-busy={busy}>
      <div class="head">
        <div>
          <h1>Uploads</h1>
        </div>
        {counts.value && <p class="soft s wide">{sentence(counts.value)}</p>}
        <div class="end">
          <a class="btn primary" href={href(["add"])}>
            <Icon name="plus" />
            Add files
          </a>
        </div>
      </div>
      <Tabs counts={counts.value} />
      <Filters total={matching} />
      {(problem ?? counts.problem) && <ProblemNote problem={(problem ?? counts.problem)!} />}
      {fresh > 0 && (
        <button type="button" class="btn quiet fresh-rows" onClick={renew}>
          {count(fresh, "new upload")}
        </button>
      )}
      {rows.length > 0 ? <List rows={rows} /> : !busy && !problem && <Empty />}
      <div class="foot">
        <span>
          <kbd>j</kbd> <kbd>k</kbd> move
        </span>
        <span>
          <kbd>x</kbd> select
        </span>
        <span>
          <kbd>Shift</kbd> <kbd>x</kbd> select up to here
        </span>
        <span>
          <kbd>a</kbd> all that match
        </span>
        <span>
          <kbd>Enter</kbd> open
        </span>
        {more && (
          <button type="button" class="btn end" onClick={more}>
            Older
          </button>
        )}
      </div>
      <BulkBar matching={matching} filter={wanted(filter, tab?.[1])} rows={rows} changed={renew} />
    </main>
  );
}

/** The filter of the list, as a bulk change has it. */
function wanted(filter: { text?: string | undefined; since?: string | undefined }, state: readonly State[] | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries({ ...filter, state }).filter(([, value]) => value));
}

function sentence(counts: Schemas["Counts"]): string {
  const running = RUNNING.reduce((sum, state) => sum + counts.states[state], 0);
  return `${number(running)} in progress, ${number(counts.states.failed)} failed, ${number(counts.states.applied)} in the graph.`;
}

function total(counts: Schemas["Counts"] | undefined, states: readonly State[] | undefined): number | undefined {
  if (!counts) return undefined;
  return states ? states.reduce((sum, state) => sum + counts.states[state], 0) : counts.total;
}

function Tabs({ counts }: { counts: Schemas["Counts"] | undefined }) {
  const { query } = place.value;
  return (
    <nav class="tbs" aria-label="States">
      <a class="tb" href={href(["uploads"], { ...query, state: undefined })} aria-current={query["state"] ? undefined : "page"}>
        All <b>{counts && number(counts.total)}</b>
      </a>
      {TABS.map(([name, states]) => (
        <a key={name} class="tb" href={href(["uploads"], { ...query, state: name })} aria-current={query["state"] === name ? "page" : undefined}>
          <Icon name={stateIcon(name)} class={name} />
          {name} <b>{counts && number(total(counts, states) ?? 0)}</b>
        </a>
      ))}
    </nav>
  );
}

function Filters({ total: found }: { total: number | undefined }) {
  const { query } = place.value;
  const text = useSignal(query["text"] ?? "");
  return (
    <form
      class="filters"
      role="search"
      aria-label="Uploads"
      onSubmit={(event) => {
        event.preventDefault();
        refine({ text: text.value.trim() });
      }}
    >
      <label class="field q">
        <Icon name="find" />
        <input aria-label="File name or note" placeholder="File name or note" value={text.value} onInput={(event) => (text.value = event.currentTarget.value)} onBlur={() => refine({ text: text.value.trim() })} />
      </label>
      <select class="field" aria-label="Received" value={query["period"] ?? ""} onChange={(event) => refine({ period: event.currentTarget.value })}>
        <option value="">received at any time</option>
        {Object.keys(PERIODS).map((each) => (
          <option key={each} value={each}>
            received in {each}
          </option>
        ))}
      </select>
      {found !== undefined && <span class="end">{count(found, "upload")}, newest first</span>}
    </form>
  );
}

function Empty() {
  return (
    <p class="panel empty">
      No upload matches. <a href={href(["add"])}>Add a file</a>, or <a href={href(["uploads"])}>show all uploads</a>.
    </p>
  );
}

function List({ rows }: { rows: readonly Entry[] }) {
  const cursor = useSignal(-1);
  const ids = rows.map((row) => row.id);
  const at = (): Entry | undefined => rows[cursor.value];
  const move = (by: number): void => {
    cursor.value = Math.max(0, Math.min(rows.length - 1, cursor.value + by));
    document.querySelectorAll<HTMLElement>("main.uploads tbody a.fn")[cursor.value]?.focus();
  };
  useShortcuts("Uploads", [
    { keys: "j", does: "Next upload", act: () => move(1) },
    { keys: "k", does: "Upload before", act: () => move(-1) },
    { keys: "ArrowDown", does: "Next upload", act: () => move(1) },
    { keys: "ArrowUp", does: "Upload before", act: () => move(-1) },
    { keys: "x", does: "Select the upload, or not", act: () => at() && toggle(at()!.id) },
    { keys: "Shift+x", does: "Select up to here", act: () => at() && upTo(at()!.id, ids) },
    { keys: "a", does: "Select all that match", act: () => (all.value = true) },
    { keys: "Enter", does: "Open the upload", act: () => at() && go(["uploads", at()!.id]) },
  ]);
  return (
    <div class="panel list">
      <table class="table">
        <thead>
          <tr>
            <th class="cb">
              <AllBox ids={ids} />
            </th>
            <th class="stc">State</th>
            <th>File</th>
            <th class="num wide">Size</th>
            <th class="num">Posts</th>
            <th class="num wide">Rejected</th>
            <th class="num">Mentions</th>
            <th class="num wide" aria-sort="descending">
              Received ↓
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <Row key={row.id} row={row} ids={ids} chosen={index === cursor.value} focus={() => (cursor.value = index)} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The box over the column: all rows that are shown. */
function AllBox({ ids }: { ids: readonly string[] }) {
  const box = useRef<HTMLInputElement>(null);
  const some = chosen.value.size;
  const every = all.value || (some > 0 && ids.every((id) => chosen.value.has(id)));
  useEffect(() => {
    if (box.current) box.current.indeterminate = some > 0 && !every;
  });
  return (
    <label class="tick">
      <input ref={box} type="checkbox" class="check-box" checked={every} aria-label="Select the uploads that are shown" onChange={() => toggleRows(ids)} />
    </label>
  );
}

function Row({ row, ids, chosen: here, focus }: { row: Entry; ids: readonly string[]; chosen: boolean; focus: () => void }) {
  const running = RUNNING.includes(row.state);
  const name = row.filename ?? "a file without a name";
  const selected = all.value || chosen.value.has(row.id);
  const tick = (event: MouseEvent): void => (focus(), event.shiftKey ? upTo(row.id, ids) : toggle(row.id));
  return (
    <tr class={`${here ? "cursor" : ""}${selected ? " sel" : ""}`}>
      <td class="cb">
        <label class="tick">
          <input type="checkbox" class="check-box" checked={selected} aria-label={`Select ${name}`} onClick={tick} onFocus={focus} />
        </label>
      </td>
      <td class="stc">
        <StateMark state={row.state}>{running && row.state !== "staged" ? `, ${percent(row.progress.share)}` : ""}</StateMark>
        {running && (
          <span class="track">
            <i style={{ width: `${100 * row.progress.share}%` }} />
          </span>
        )}
      </td>
      <td class="fnc">
        <a class="fn" href={href(["uploads", row.id])} onFocus={focus}>
          <FileName name={row.filename} />
        </a>
        <span class="nt">{row.note ?? row.error?.title}</span>
      </td>
      <td class="num soft wide">{bytes(row.size_bytes)}</td>
      <td class="num" data-unit={row.rows_received === 1 ? "post" : "posts"}>{row.rows_received === null ? "" : number(row.rows_received)}</td>
      <td class="num wide rj">{row.rows_rejected ? <a href={href(["uploads", row.id])}>{number(row.rows_rejected)}</a> : row.rows_rejected}</td>
      <td class="num" data-unit={row.mentions === 1 ? "mention" : "mentions"}>{row.mentions === null ? "" : number(row.mentions)}</td>
      <td class="num soft nowrap wide">{when(row.received_at)}</td>
    </tr>
  );
}
