/** Uploads: those of a state, by keyset pages, with filters in the address. */
import { useSignal } from "@preact/signals";
import { get, pathOf, type Schemas } from "../api/client";
import { useResource } from "../api/resource";
import { bytes, count, number, percent, when } from "../format";
import { useShortcuts } from "../keyboard";
import { useCurl } from "../parts/curl";
import { Icon } from "../parts/icon";
import { usePages } from "../parts/pages";
import { ProblemNote } from "../parts/problem";
import { StateMark, stateIcon } from "../parts/state";
import { go, href, place, refine } from "../router";
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
const RUNNING: readonly State[] = ["receiving", "staged", "applying", "checking", "cancelling", "retracting"];
const LIMIT = 50;
const EVERY = 3000;
const DAY = 86_400_000;
const PERIODS: Readonly<Record<string, number>> = { "the last day": 1, "the last 7 days": 7, "the last 30 days": 30 };

export default function Screen() {
  const id = place.value.path[1];
  return id ? <Upload key={id} id={id} /> : <Uploads />;
}

function Uploads() {
  const { query } = place.value;
  const tab = TABS.find(([name]) => name === query["state"]);
  const since = query["period"] && PERIODS[query["period"]];
  const filter = { text: query["text"], since: since ? new Date(Math.floor(Date.now() / DAY - since) * DAY).toISOString() : undefined };
  const counts = useResource((signal) => get("/uploads/counts", { query: filter, signal }), [query["text"], query["period"], place.value.graph], EVERY);
  const first = pathOf("/uploads", { query: { ...filter, state: tab?.[1], limit: LIMIT } });
  const { pages, problem, busy, more } = usePages<Schemas["Uploads"]>(first);
  useCurl(first);
  const rows = pages.flatMap((page) => page.uploads);
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
      <Filters total={total(counts.value, tab?.[1])} />
      {(problem ?? counts.problem) && <ProblemNote problem={(problem ?? counts.problem)!} />}
      {rows.length > 0 ? <List rows={rows} /> : !busy && !problem && <Empty />}
      <div class="foot">
        <span>
          <kbd>j</kbd> <kbd>k</kbd> move
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
    </main>
  );
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
  const move = (by: number): void => {
    cursor.value = Math.max(0, Math.min(rows.length - 1, cursor.value + by));
    document.querySelectorAll<HTMLElement>("main.uploads tbody a.fn")[cursor.value]?.focus();
  };
  useShortcuts("Uploads", [
    { keys: "j", does: "Next upload", act: () => move(1) },
    { keys: "k", does: "Upload before", act: () => move(-1) },
    { keys: "Enter", does: "Open the upload", act: () => rows[cursor.value] && go(["uploads", rows[cursor.value]!.id]) },
  ]);
  return (
    <div class="panel list">
      <table class="table">
        <thead>
          <tr>
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
          {rows.map((row, at) => (
            <Row key={row.id} row={row} chosen={at === cursor.value} focus={() => (cursor.value = at)} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ row, chosen, focus }: { row: Entry; chosen: boolean; focus: () => void }) {
  const running = RUNNING.includes(row.state);
  const name = row.filename ?? "a file without a name";
  return (
    <tr class={chosen ? "cursor" : undefined}>
      <td class="stc">
        <StateMark state={row.state}>{running && row.state !== "staged" ? `, ${percent(row.progress.share)}` : ""}</StateMark>
        {running && (
          <span class="track">
            <i style={{ width: `${100 * row.progress.share}%` }} />
          </span>
        )}
      </td>
      <td>
        <a class="fn" href={href(["uploads", row.id])} onFocus={focus}>
          <bdi>{name}</bdi>
        </a>
        <span class="nt">{row.note ?? row.error?.title}</span>
      </td>
      <td class="num soft wide">{bytes(row.size_bytes)}</td>
      <td class="num">{row.rows_received === null ? "" : number(row.rows_received)}</td>
      <td class="num wide rj">{row.rows_rejected ? <a href={href(["uploads", row.id])}>{number(row.rows_rejected)}</a> : row.rows_rejected}</td>
      <td class="num">{row.mentions === null ? "" : number(row.mentions)}</td>
      <td class="num soft nowrap wide">{when(row.received_at)}</td>
    </tr>
  );
}
