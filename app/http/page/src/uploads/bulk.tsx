/** What is done to many uploads at once. The server counts first, and changes nothing that it did not count. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { lacks } from "../api/caller";
import { Failure, type Problem, type Schemas, change } from "../api/client";
import { useResource } from "../api/resource";
import { count, number } from "../format";
import { Dialog, say } from "../frame";
import { useShortcuts } from "../keyboard";
import { Icon } from "../parts/icon";
import { FileName } from "../parts/filename";
import { ProblemNote } from "../parts/problem";
import { Prose } from "../parts/prose";
import { href } from "../router";
import { MOST, all, chosen, clear } from "./selection";

type Verb = Schemas["Change"];
type Counted = Schemas["BulkForecast"];
type Entry = Schemas["Upload"];

/** Which uploads a request is about, in the words of the API. */
export type Wanted = { readonly uploads: readonly string[] } | { readonly filter: Record<string, unknown> };

interface Words {
  readonly button: string;
  readonly doing: string;
  readonly total: string;
  readonly done: string;
  readonly does: string;
  readonly unfit: string;
  readonly key: string;
}

const WORDS: Readonly<Record<Verb, Words>> = {
  retract: {
    button: "Retract",
    doing: "Retracting",
    total: "Uploads retracted",
    done: "are being taken out of the graph",
    does: "Their mentions are taken out of the graph again. The files may be uploaded again later.",
    unfit: "Only an upload that is applied or failed can be retracted.",
    key: "t",
  },
  replay: {
    button: "Replay",
    doing: "Replaying",
    total: "Uploads replayed",
    done: "are being counted again",
    does: "Their failed batches are counted again, from the rows that the ledger keeps.",
    unfit: "Only an upload with failed batches can be replayed, while its rows are kept.",
    key: "r",
  },
  cancel: {
    button: "Cancel",
    doing: "Cancelling",
    total: "Uploads cancelled",
    done: "are being stopped",
    does: "They stop, and what was counted of them is taken out of the graph again.",
    unfit: "Only an upload that is in progress, or failed, can be cancelled.",
    key: "c",
  },
};
const VERBS = Object.keys(WORDS) as readonly Verb[];

export interface Bulk {
  /** Number of uploads that match the filter of the list. */
  readonly matching: number | undefined;
  readonly filter: Record<string, unknown>;
  readonly rows: readonly Entry[];
  readonly changed: () => void;
}

export function BulkBar({ matching, filter, rows, changed }: Bulk) {
  const verb = useSignal<Verb | null>(null);
  const ids = [...chosen.value];
  const size = all.value ? (matching ?? 0) : ids.length;
  const wanted: Wanted = all.value ? { filter } : { uploads: ids };
  const possible = size > 0 && (all.value || size <= MOST);
  const asked = JSON.stringify(wanted);
  const counted = useResource(
    async (signal) => (possible ? { asked, found: (await change("post", "/uploads/bulk", { body: { ...wanted, dry_run: true }, signal })) as unknown as Counted } : undefined),
    [asked, matching],
  );
  // Numbers of another selection say nothing about this one.
  const numbers = counted.value?.asked === asked ? counted.value.found : undefined;
  useEffect(() => {
    if (size) say(`${count(size, "upload")} selected`);
  }, [size]);
  const fits = (each: Verb): number | undefined => numbers?.[each].fits;
  useShortcuts(
    "Selected uploads",
    size
      ? [
          ...VERBS.map((each) => ({ keys: WORDS[each].key, does: `${WORDS[each].button}…`, act: () => void (fits(each) && (verb.value = each)) })),
          { keys: "Escape", does: "Clear the selection", act: clear },
        ]
      : [],
  );
  if (!size) return null;
  return (
    <>
      <div class="bulk" role="region" aria-label="Selected uploads" aria-busy={counted.slow}>
        <b>{all.value ? `All ${number(size)} selected` : `${number(size)} selected`}</b>
        {!all.value && matching !== undefined && matching > size && (
          <button type="button" class="lk wide2" onClick={() => (all.value = true)}>
            Select all {number(matching)} that match
          </button>
        )}
        <span class="sep" />
        {possible ? (
          VERBS.map((each) => <VerbButton key={each} verb={each} fits={fits(each)} open={() => (verb.value = each)} />)
        ) : (
          <span>At most {number(MOST)} rows go at once. Select all that match instead.</span>
        )}
        {counted.problem && (
          <span role="alert">
            <Icon name="warn" /> <Prose text={counted.problem.detail} />
          </span>
        )}
        <button type="button" class="lk" onClick={clear}>
          <span class="narrow">Clear</span>
          <span class="sr wide">Clear the selection</span>
          <kbd class="wide2" aria-hidden="true">
            Esc
          </kbd>
        </button>
      </div>
      {verb.value && numbers && (
        <Box
          verb={verb.value}
          wanted={wanted}
          counted={numbers}
          mentions={mentions(verb.value, rows, all.value ? (rows.length === matching ? new Set(rows.map((row) => row.id)) : undefined) : chosen.value)}
          names={new Map(rows.map((row) => [row.id, row.filename ?? "a file without a name"]))}
          again={counted.again}
          close={(did) => {
            verb.value = null;
            if (!did) return;
            clear();
            changed();
          }}
        />
      )}
    </>
  );
}

function VerbButton({ verb, fits, open }: { verb: Verb; fits: number | undefined; open: () => void }) {
  const words = WORDS[verb];
  const why = lacks(["uploads:write", "uploads:manage"]) ?? (fits === 0 ? words.unfit : undefined);
  return (
    <button type="button" class={fits === 0 ? "btn wide2" : "btn"} aria-disabled={why || fits === undefined ? true : undefined} title={why} onClick={() => !why && fits && open()}>
      {words.button} {fits === undefined ? "…" : number(fits)}
      {fits ? "…" : ""}
    </button>
  );
}

/** Mentions in the graph of the selected uploads; undefined where not every one of these is on the page. */
function mentions(verb: Verb, rows: readonly Entry[], selected: ReadonlySet<string> | undefined): number | undefined {
  if (verb === "replay" || !selected) return undefined;
  const found = rows.filter((row) => selected.has(row.id));
  return found.length === selected.size ? found.reduce((sum, row) => sum + row.mentions_applied, 0) : undefined;
}

interface Progress {
  readonly fits: number;
  readonly done: number;
  readonly refused: readonly Schemas["Changed"][];
  readonly over: boolean;
  readonly stopped: boolean;
}

interface Asked {
  readonly verb: Verb;
  readonly wanted: Wanted;
  readonly counted: Counted;
  readonly mentions: number | undefined;
  readonly names: ReadonlyMap<string, string>;
  /** Count anew. */
  readonly again: () => void;
  /** `did`: whether anything was changed. */
  readonly close: (did: boolean) => void;
}

/** The box in which a change is confirmed, followed, and its result shown. */
function Box({ verb, wanted, counted, mentions: inGraph, names, again, close }: Asked) {
  const progress = useSignal<Progress | null>(null);
  const problem = useSignal<Problem | null>(null);
  const left = useRef<Schemas["GoOn"] | null>(null);
  const stop = useRef(false);
  const fit = counted[verb];
  const words = WORDS[verb];

  const act = async (): Promise<void> => {
    problem.value = null;
    stop.current = false;
    let at: Progress = progress.value ?? { fits: fit.fits, done: 0, refused: [], over: false, stopped: false };
    progress.value = at = { ...at, over: false, stopped: false };
    try {
      for (;;) {
        const body = { ...wanted, action: verb, expected: fit.fits, ...(left.current ?? {}) };
        const answer = (await change("post", "/uploads/bulk", { body })) as unknown as Schemas["BulkAnswer"];
        left.current = answer.next;
        const over = answer.next === null;
        at = { ...at, done: at.done + answer.done, refused: [...at.refused, ...answer.uploads.filter((each) => each.outcome === "refused")], over: over || stop.current, stopped: !over && stop.current };
        progress.value = at;
        if (at.over) break;
      }
      say(`${count(at.done, "upload")} ${words.done}.`);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      problem.value = error.problem;
      progress.value = at.done || at.refused.length ? { ...at, over: true, stopped: true } : null;
    }
  };
  const run = progress.value;
  return (
    <Dialog title={run ? `${words.doing} ${count(run.fits, "upload")}` : `Before you ${verb} ${count(fit.fits, "upload")}`} close={() => ((stop.current = true), close(Boolean(run)))}>
      {problem.value && <ProblemNote problem={problem.value} />}
      {run ? (
        <Result run={run} words={words} names={names} />
      ) : (
        <>
          <p>{words.does}</p>
          <ul class="figures">
            <Figure title={words.total} value={fit.fits} strong />
            {fit.with_zip > 0 && <Figure title="Go with their zip" value={fit.with_zip} />}
            {fit.unfit > 0 && <Figure title="Stay as they are" value={fit.unfit} why={words.unfit} />}
            {counted.unknown > 0 && <Figure title="No longer there" value={counted.unknown} />}
            {inGraph !== undefined && <Figure title="Mentions taken out of the graph" value={inGraph} />}
          </ul>
        </>
      )}
      <div class="acts">
        {!run && problem.value && (
          <button type="button" class="btn" onClick={() => ((problem.value = null), again())}>
            Count again
          </button>
        )}
        {!run && (
          <button type="button" class={verb === "replay" ? "btn primary" : "btn danger"} disabled={problem.value !== null || !fit.fits} onClick={() => void act()}>
            {words.button} {count(fit.fits, "upload")}
          </button>
        )}
        {run && !run.over && (
          <button type="button" class="btn" onClick={() => (stop.current = true)}>
            Stop after this step
          </button>
        )}
        {run?.stopped && (
          <button type="button" class="btn" onClick={() => void act()}>
            Go on with the other {number(left.current?.expected ?? run.fits - run.done - run.refused.length)}
          </button>
        )}
        {(!run || run.over) && (
          <button type="button" class={run ? "btn primary" : "btn quiet"} onClick={() => close(Boolean(run))}>
            {run ? "Back to the list" : "Leave them"}
          </button>
        )}
      </div>
    </Dialog>
  );
}

function Figure({ title, value, why, strong }: { title: string; value: number; why?: string; strong?: boolean }) {
  return (
    <li>
      <span>
        {title}
        {why && <span class="label">{why}</span>}
      </span>
      {strong ? <b>{number(value)}</b> : <span>{number(value)}</span>}
    </li>
  );
}

function Result({ run, words, names }: { run: Progress; words: Words; names: ReadonlyMap<string, string> }) {
  const worked = run.done + run.refused.length;
  return (
    <div class="result" role="status">
      <p class="finding">
        <b>{count(run.done, "upload")}</b> {run.done === 1 ? words.done.replace(/^are/, "is") : words.done}
        {run.over ? "." : ` of ${number(run.fits)}.`}
        {run.refused.length > 0 && (
          <>
            {" "}
            <b class="bad">{number(run.refused.length)}</b> {run.refused.length === 1 ? "was" : "were"} refused.
          </>
        )}
      </p>
      <div class="track" role="progressbar" aria-label="Uploads worked through" aria-valuenow={worked} aria-valuemax={run.fits}>
        <i style={{ width: `${(100 * worked) / Math.max(1, run.fits)}%` }} />
      </div>
      {run.refused.length > 0 && (
        <ul class="refused">
          {run.refused.map((each) => (
            <li key={each.id}>
              <a href={href(["uploads", each.id])}>
                <FileName name={names.get(each.id) ?? each.id} />
              </a>
              <span>
                <Prose text={each.detail ?? ""} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
