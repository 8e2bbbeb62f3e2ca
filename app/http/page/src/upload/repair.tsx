/** Rejected rows, edited in place and sent again as a new upload. Their neighbours have counted. */
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { Failure, type Problem, type Schemas, pathOf, send } from "../api/client";
import { useResource } from "../api/resource";
import { count, number } from "../format";
import { say } from "../frame";
import { useShortcuts } from "../keyboard";
import { ProblemNote } from "../parts/problem";
import { useRowKeys } from "../parts/rows";
import { href } from "../router";
import { parse, write } from "./csv";

type Upload = Schemas["Upload"];

interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Fields as the user left them, by line. */
type Repairs = ReadonlyMap<number, readonly string[]>;

const AT_ONCE = 50;
const PREFIX = "reject_";
const kept = signal<ReadonlyMap<string, Repairs>>(new Map());

export function Rejects({ entry }: { entry: Upload }) {
  const table = useResource(async (aborted): Promise<Table> => {
    const text = await (await send("GET", entry.links.rejects_csv, { signal: aborted })).text();
    const [head = [], ...rows] = parse(text, entry.options.delimiter === "tab" ? "\t" : entry.options.delimiter || ",");
    return { head, rows };
  }, [entry.id, entry.rejects_kept]);
  const shown = useSignal(AT_ONCE);
  const open = useSignal<number | null>(null);
  const repairs = kept.value.get(entry.id) ?? new Map<number, readonly string[]>();
  const { value } = table;
  const rejected = entry.rows_rejected ?? 0;
  useRowKeys("Rejected rows", "row", "main.upload [data-line]");
  return (
    <section aria-labelledby="rejects">
      <div class="sh">
        <h2 id="rejects">{count(rejected, "rejected row")}</h2>
        <span class="s muted">Their neighbours count. Repair them here, and they go in as a new upload.</span>
        <span class="end">
          <a class="btn small" href={`.${entry.links.rejects_csv}`} download>
            rejects.csv
          </a>
        </span>
      </div>
      {table.problem && <ProblemNote problem={table.problem} again={table.again} />}
      {value && (
        <div class="panel">
          <table class="table compact">
            <thead>
              <tr>
                <th class="num">Line</th>
                <th>Why</th>
                <th>The row as it is in the file</th>
                <th>
                  <span class="sr">Repair</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {value.rows.slice(0, shown.value).map((row) => (
                <Row key={lineOf(value, row)} entry={entry} table={value} row={row} repairs={repairs} open={open.value === lineOf(value, row)} toggle={(on) => (open.value = on ? lineOf(value, row) : null)} />
              ))}
            </tbody>
          </table>
          {value.rows.length > shown.value && (
            <button type="button" class="btn quiet" onClick={() => (shown.value += AT_ONCE)}>
              {number(value.rows.length - shown.value)} more
            </button>
          )}
          <Send entry={entry} table={value} repairs={repairs} />
        </div>
      )}
    </section>
  );
}

function cell(table: Table, row: readonly string[], name: string): string {
  return row[table.head.indexOf(name)] ?? "";
}

function lineOf(table: Table, row: readonly string[]): number {
  return Number(cell(table, row, `${PREFIX}line`));
}

/** The columns of the file itself, by their place. */
function own(table: Table): readonly number[] {
  return table.head.flatMap((name, at) => (name.startsWith(PREFIX) ? [] : [at]));
}

function keep(upload: string, line: number, fields: readonly string[] | undefined): void {
  const repairs = new Map(kept.value.get(upload));
  if (fields) repairs.set(line, fields);
  else repairs.delete(line);
  kept.value = new Map(kept.value).set(upload, repairs);
}

function Row({ entry, table, row, repairs, open, toggle }: { entry: Upload; table: Table; row: readonly string[]; repairs: Repairs; open: boolean; toggle: (on: boolean) => void }) {
  const line = lineOf(table, row);
  const column = cell(table, row, `${PREFIX}column`);
  const repaired = repairs.get(line);
  const fields = repaired ?? row;
  // A row that could not be cut into fields stands in the first of them, as it is in the file.
  const uncut = !repaired && /^too_(few|many)_fields$/.test(cell(table, row, `${PREFIX}code`));
  const places = uncut ? own(table).filter((at) => fields[at]) : own(table);
  if (open) return <Form entry={entry} table={table} row={row} fields={fields} close={() => toggle(false)} />;
  return (
    <tr>
      <td class="num ln">{line}</td>
      <td class="why">{repaired ? "repaired" : short(cell(table, row, `${PREFIX}code`))}</td>
      <td class="raw">
        <bdi>
          {places.map((at, index) => (
            <span key={at}>
              {index > 0 && <i>,</i>}
              {table.head[at] === column && !repaired ? <b class="er">{fields[at] || "\u00a0"}</b> : unguarded(table, row, fields[at] ?? "")}
            </span>
          ))}
        </bdi>
      </td>
      <td class="num">
        <button type="button" class="btn small" data-line={line} onClick={() => toggle(true)} aria-label={`Repair line ${line}`}>
          Repair
        </button>
      </td>
    </tr>
  );
}

function short(code: string): string {
  return code.replaceAll("_", " ");
}

/** Without the sign that keeps spreadsheets from taking a field for a formula. */
function unguarded(table: Table, row: readonly string[], field: string): string {
  const guard = cell(table, row, `${PREFIX}guard`);
  return guard && field.startsWith(guard) ? field.slice(guard.length) : field;
}

function Form({ entry, table, row, fields, close }: { entry: Upload; table: Table; row: readonly string[]; fields: readonly string[]; close: () => void }) {
  const line = lineOf(table, row);
  const edited = useSignal(fields.map((field) => unguarded(table, row, field)));
  const reads = useReads(entry, table, row, edited.value);
  const column = cell(table, row, `${PREFIX}column`);
  const longest = own(table).reduce((best, at) => ((fields[at]?.length ?? 0) > (fields[best]?.length ?? 0) ? at : best), own(table)[0] ?? 0);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    const field = form.current?.querySelector<HTMLElement>("input.wrong") ?? form.current?.querySelector("input");
    field?.focus();
    // The row's own button, which is there again once the form is gone.
    return () => queueMicrotask(() => document.activeElement === document.body && document.querySelector<HTMLElement>(`[data-line="${line}"]`)?.focus());
  }, []);
  useShortcuts("Repair", [{ keys: "Escape", does: "Close the form", act: close }]);
  return (
    <tr class="open">
      <td class="num ln">{line}</td>
      <td colSpan={3}>
        <form
          ref={form}
          class="rep"
          onSubmit={(event) => {
            event.preventDefault();
            keep(entry.id, line, edited.value);
            say(`Line ${line} is repaired.`);
            close();
          }}
        >
          <div class="rt">
            <span>{cell(table, row, `${PREFIX}message`)}</span>
            <span class="mono xs muted">{cell(table, row, `${PREFIX}code`)}</span>
          </div>
          <div class="flds">
            {own(table).map((at) => (
              <label key={at} class={at === longest ? "long" : undefined}>
                {table.head[at]}
                <input
                  class={table.head[at] === column ? "field mono wrong" : "field mono"}
                  dir="auto"
                  value={edited.value[at]}
                  onInput={(event) => (edited.value = edited.value.with(at, event.currentTarget.value))}
                />
                {edited.value[at] !== unguarded(table, row, row[at] ?? "") && (
                  <span class="was">
                    was <s class="mono">{row[at] || "empty"}</s>
                  </span>
                )}
              </label>
            ))}
          </div>
          <div class="acts">
            <button type="submit" class="btn primary">
              Keep this repair
            </button>
            <button type="button" class="btn quiet" onClick={() => (keep(entry.id, line, undefined), close())}>
              Leave it out
            </button>
            <span class={reads.good ? "ok" : "soft xs"} role="status">
              {reads.text === cell(table, row, `${PREFIX}message`) ? "Can’t be read yet." : reads.text}
            </span>
          </div>
        </form>
      </td>
    </tr>
  );
}

/** Whether the row could be read now, as a preview of it says. */
function useReads(entry: Upload, table: Table, row: readonly string[], edited: readonly string[]): { good: boolean; text: string } {
  const found = useSignal({ good: false, text: "" });
  const text = csvOf(table, [[row, edited]]);
  useEffect(() => {
    const control = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const path = pathOf("/uploads/preview", { query: given(entry) });
        const answer = (await (await send("POST", path, { body: text, headers: { "content-type": "text/csv" }, signal: control.signal })).json()) as Schemas["Preview"];
        const counted = answer.counted;
        found.value =
          counted && counted.rejected === 0 && counted.rows > 0
            ? { good: true, text: `Reads as ${count(counted.rows, "post")} with ${count(counted.mentions, "mention")}` }
            : { good: false, text: answer.rejects[0]?.message ?? answer.questions[0]?.found ?? "" };
      } catch (error) {
        if (error instanceof Failure) found.value = { good: false, text: error.problem.detail };
      }
    }, 300);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [text]);
  return found.value;
}

/** A file of repaired rows. It has no columns of rejects, so that it is read like any other file. */
function csvOf(table: Table, rows: readonly (readonly [readonly string[], readonly string[]])[]): string {
  const places = own(table);
  return write([places.map((at) => table.head[at] ?? ""), ...rows.map(([, fields]) => places.map((at) => fields[at] ?? ""))]);
}

/** How the first upload was read, as far as it holds for the repaired rows, which are UTF-8 with commas. */
function given(entry: Upload): Record<string, string> {
  const { columns, profile, retweets } = entry.options;
  const of = entry.options.given ?? {};
  const roles = Object.fromEntries(Object.entries({ ...columns }).filter(([, name]) => name !== ""));
  const said = Object.fromEntries(["dates", "timezone", "timestamp_format", "author_is"].flatMap((name) => (name in of && typeof (of as Record<string, unknown>)[name] === "string" ? [[name, (of as Record<string, string>)[name]!]] : [])));
  return { ...roles, ...said, ...(profile && { profile }), ...(retweets && { retweets: String(retweets) }), format: "csv", encoding: "utf-8", delimiter: ",", header: "true" };
}

function Send({ entry, table, repairs }: { entry: Upload; table: Table; repairs: Repairs }) {
  const problem = useSignal<Problem | undefined>(undefined);
  const sent = useSignal<Upload | undefined>(undefined);
  const ready = table.rows.filter((row) => repairs.has(lineOf(table, row)));
  const go = async (): Promise<void> => {
    const rows = ready.map((row) => [row, repairs.get(lineOf(table, row))!] as const);
    const query = { ...given(entry), clock: entry.options.clock, filename: `repaired ${entry.filename ?? "rows"}` };
    try {
      const response = await send("POST", pathOf("/uploads", { query }), { body: csvOf(table, rows), headers: { "content-type": "text/csv" } });
      sent.value = (await response.json()) as Upload;
      kept.value = new Map([...kept.value].filter(([id]) => id !== entry.id));
      say(`${count(rows.length, "row")} sent.`);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      problem.value = error.problem;
    }
  };
  return (
    <>
      {problem.value && <ProblemNote problem={problem.value} />}
      <div class="send">
        <b>{number(ready.length)} repaired</b>
        <span class="muted">{number(table.rows.length - ready.length)} left</span>
        {sent.value && <a href={href(["uploads", sent.value.id])}>The repaired rows are on their way</a>}
        <span class="end">
          <button type="button" class="btn small primary" disabled={!ready.length} onClick={() => void go()}>
            Send {count(ready.length, "row")}
          </button>
        </span>
      </div>
    </>
  );
}
