/** One upload: what it brought, when, what is wrong with it, and what can be done. */
import { useSignal } from "@preact/signals";
import { lacks } from "../api/caller";
import { Failure, type Problem, type Schemas, change, get, pathOf } from "../api/client";
import { useResource } from "../api/resource";
import { bytes, number, percent, when } from "../format";
import { useShortcuts } from "../keyboard";
import { Icon } from "../parts/icon";
import { useCurl } from "../parts/curl";
import { FileName } from "../parts/filename";
import { ProblemNote } from "../parts/problem";
import { StateMark } from "../parts/state";
import { href } from "../router";
import { Box, type Verb, fitting } from "../upload/actions";
import { Came } from "../upload/came";
import { Rejects } from "../upload/repair";
import { batches, useStory } from "../upload/story";
import { Events, Timeline } from "../upload/timeline";

type Entry = Schemas["Upload"];

const VERBS: Readonly<Record<Verb, string>> = { cancel: "Cancel…", retract: "Retract…", replay: "Replay…" };

export function Upload({ id }: { id: string }) {
  const asked = { in: { upload_id: id } };
  const entry = useResource((signal) => get("/uploads/{upload_id}", { ...asked, signal }), [id]);
  useCurl(pathOf("/uploads/{upload_id}/events", asked), "--no-buffer");
  return (
    <main id="main" tabIndex={-1} class="upload" aria-busy={entry.slow}>
      {entry.problem && <ProblemNote problem={entry.problem} again={entry.again} />}
      {entry.value && <Found entry={entry.value} again={entry.again} />}
    </main>
  );
}

function Found({ entry, again }: { entry: Entry; again: () => void }) {
  const story = useStory(entry.id, entry.finished_at !== null, again);
  const parts = useResource((signal) => batches(entry.id, signal), [entry.id, entry.state, story.changes.length]);
  const shown = useSignal<"timeline" | "events">("timeline");
  const verb = useSignal<Verb | null>(null);
  const noting = useSignal(false);
  const denied = lacks(["uploads:write", "uploads:manage"]);
  const verbs = denied ? [] : fitting(entry);
  useShortcuts(
    "This upload",
    verbs.map((each) => ({ keys: { cancel: "c", retract: "t", replay: "r" }[each], does: VERBS[each].replace("…", ""), act: () => (verb.value = each) })),
  );
  return (
    <>
      <div class="head">
        <div>
          <p class="crumb">
            <a href={href(["uploads"])}>Uploads</a> / {entry.id.slice(0, 8)}…{entry.id.slice(-5)}
          </p>
          <h1>
            <FileName name={entry.filename} />
            <StateMark state={entry.state} tint>
              {entry.finished_at ? "" : `, ${percent(entry.progress.share)}`}
            </StateMark>
          </h1>
          {noting.value ? <NoteForm entry={entry} close={() => ((noting.value = false), again())} /> : entry.note && <p class="soft">{entry.note}</p>}
        </div>
        <div class="end">
          <button type="button" class="btn" disabled={Boolean(denied)} title={denied} onClick={() => (noting.value = true)}>
            Note
          </button>
          {verbs.map((each) => (
            <button key={each} type="button" class={each === "replay" ? "btn" : "btn danger"} onClick={() => (verb.value = each)}>
              {VERBS[each]}
            </button>
          ))}
        </div>
      </div>
      <div>
        <Figures entry={entry} />
        {entry.error && <ProblemNote problem={entry.error as Problem} />}
        <section class="when">
          <div class="sh">
            <h2>Timeline</h2>
            <span class="s muted">thin line waits, pale counts, full merges</span>
            <span class="end seg" role="group" aria-label="How it is shown">
              <button type="button" aria-pressed={shown.value === "timeline"} onClick={() => (shown.value = "timeline")}>
                Timeline
              </button>
              <button type="button" aria-pressed={shown.value === "events"} onClick={() => (shown.value = "events")}>
                Events {number(story.changes.length)}
              </button>
            </span>
          </div>
          {parts.value && <Came batches={parts.value} />}
          {shown.value === "events" ? <Events changes={story.changes} /> : parts.value && <Timeline entry={entry} batches={parts.value} changes={story.changes} over={story.over} />}
        </section>
        {(entry.rows_rejected ?? 0) > 0 && entry.rejects_kept > 0 && <Rejects entry={entry} />}
      </div>
      <aside>
        {verb.value && <Box key={verb.value} entry={entry} verb={verb.value} close={() => (verb.value = null)} done={again} />}
        <Warnings entry={entry} />
        <HowRead entry={entry} />
      </aside>
    </>
  );
}

function Figures({ entry }: { entry: Entry }) {
  const figures: readonly (readonly [string, string])[] = [
    [entry.rows_received === null ? "…" : number(entry.rows_received), "posts received"],
    [entry.rows_accepted === null ? "…" : number(entry.rows_accepted), "accepted"],
    [entry.rows_rejected === null ? "…" : number(entry.rows_rejected), "rejected"],
    [entry.mentions === null ? "…" : number(entry.mentions), "mentions counted"],
    [number(entry.mentions_applied), "of them in the graph"],
    [bytes(entry.size_bytes), entry.seconds_receiving ? `${bytes(entry.size_bytes / Math.max(0.001, entry.seconds_receiving))} a second` : "received so far"],
  ];
  return (
    <section>
      <div class="nums">
        {figures.map(([value, title]) => (
          <span class="stat" key={title}>
            <b>{value}</b>
            <span>{title}</span>
          </span>
        ))}
      </div>
    </section>
  );
}

function Warnings({ entry }: { entry: Entry }) {
  if (!entry.warnings.length) return null;
  return (
    <section>
      <h2>{entry.warnings.length === 1 ? "1 warning" : `${entry.warnings.length} warnings`}</h2>
      {entry.warnings.map((each) => (
        <div class="note warn" key={each.code}>
          <Icon name="warn" />
          <p class="strong">{each.title}</p>
          <p>{each.detail}</p>
        </div>
      ))}
    </section>
  );
}

const SEPARATORS: Readonly<Record<string, string>> = { ",": "comma", ";": "semicolon", "|": "bar", "\t": "tab" };

function HowRead({ entry }: { entry: Entry }) {
  const { options } = entry;
  const columns = Object.values(options.columns ?? {}).join(", ");
  const rows: readonly (readonly [string, string, boolean])[] = [
    ["Columns", columns, true],
    ["Reading", [options.format?.toUpperCase(), SEPARATORS[options.delimiter] ?? options.delimiter, options.encoding.toUpperCase()].filter(Boolean).join(", "), false],
    ["Mentions", `${options.profile} rule`, false],
    ["Counted", options.clock === "event" ? "at the post’s own time" : "on arrival", false],
    ["Received", `${when(entry.received_at)} UTC`, false],
    ["SHA-256", entry.sha256 ? `${entry.sha256.slice(0, 8)}…${entry.sha256.slice(-5)}` : "…", true],
  ];
  return (
    <section>
      <h2>How it was read</h2>
      <dl>
        {rows.map(([title, value, mono]) => (
          <div key={title}>
            <dt>{title}</dt>
            <dd class={mono ? "mono" : undefined}>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function NoteForm({ entry, close }: { entry: Entry; close: () => void }) {
  const text = useSignal(entry.note ?? "");
  const problem = useSignal<Problem | undefined>(undefined);
  const save = async (): Promise<void> => {
    try {
      await change("patch", "/uploads/{upload_id}", { in: { upload_id: entry.id }, body: { note: text.value.trim() || null } });
      close();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      problem.value = error.problem;
    }
  };
  return (
    <form
      class="noting"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <input class="field" aria-label="Note" maxLength={500} autofocus value={text.value} onInput={(event) => (text.value = event.currentTarget.value)} />
      <button type="submit" class="btn">
        Keep the note
      </button>
      <button type="button" class="btn quiet" onClick={close}>
        Leave it
      </button>
      {problem.value && <ProblemNote problem={problem.value} />}
    </form>
  );
}
