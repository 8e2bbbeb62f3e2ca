/** Add files: drop them, see how each is read, correct what is wrong, count the posts, watch. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { type Chosen, add, ended, files, find, openId, remove, upload, uploadAll } from "../adding/files";
import { Asked, unreadable } from "../adding/asked";
import { Reading } from "../adding/reading";
import { Rows } from "../adding/rows";
import { lacks } from "../api/caller";
import { pathOf } from "../api/client";
import { bytes, count, number, percent, when } from "../format";
import { LackNote } from "../keying";
import { quoted, useCurl } from "../parts/curl";
import { Icon } from "../parts/icon";
import { FileName } from "../parts/filename";
import { ProblemNote } from "../parts/problem";
import { StateMark } from "../parts/state";
import { href } from "../router";

export function Start() {
  const chosen = openId.value === null ? undefined : find(openId.value);
  const name = chosen ? quoted(`@${chosen.file.name}`) : "@posts.csv";
  useCurl(pathOf("/uploads", { query: { ...chosen?.given, filename: chosen?.file.name } }), `--data-binary ${name}`);
  const over = useSignal(false);
  const denied = lacks("uploads:write");
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    over.value = false;
    if (event.dataTransfer && !denied) add(event.dataTransfer.files);
  };
  return (
    <main
      id="main"
      tabIndex={-1}
      class={`start${over.value ? " over" : ""}${files.value.length ? "" : " first"}`}
      onDragOver={(event) => (event.preventDefault(), (over.value = true))}
      onDragLeave={() => (over.value = false)}
      onDrop={drop}
    >
      <div>
        <h1>Add files</h1>
        {files.value.length === 0 && <Welcome />}
        <LackNote why={denied} />
        <DropZone />
        {files.value.length > 0 ? <List /> : <Needed />}
      </div>
      {chosen && <Opened chosen={chosen} />}
    </main>
  );
}

function DropZone() {
  const input = useRef<HTMLInputElement>(null);
  return (
    <div class="dropz">
      <Icon name="drop" />
      <p class="strong">Drop files of posts here</p>
      <p class="s soft">CSV, Excel, JSON, Parquet; also zipped.</p>
      <button type="button" class={files.value.length ? "btn" : "btn primary big"} disabled={Boolean(lacks("uploads:write"))} onClick={() => input.current?.click()}>
        Choose files
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        onChange={(event) => {
          add(event.currentTarget.files ?? []);
          event.currentTarget.value = "";
        }}
      />
    </div>
  );
}

function Welcome() {
  return (
    <p class="finding">A file of posts becomes a network: who mentions whom, how often, and since when.</p>
  );
}

function Needed() {
  return (
    <p class="soft needed">
      Each post needs a text, a time and an author. You see how a file is read before anything of it counts. <a href={href(["network"])}>Look at the network</a> that is there.
    </p>
  );
}

function List() {
  const certain = files.value.filter((each) => each.step.name === "shown" && each.preview?.certain).length;
  return (
    <>
      <ul class="files">
        {files.value.map((each) => (
          <li key={each.id} class={each.id === openId.value ? "on" : undefined}>
            <button type="button" class="fn" aria-current={each.id === openId.value} onClick={() => (openId.value = each.id)}>
              <FileName name={each.file.name} />
            </button>
            <span class="muted">{bytes(each.file.size)}</span>
            <FileState chosen={each} />
          </li>
        ))}
      </ul>
      {certain > 1 && (
        <button type="button" class="btn" onClick={uploadAll}>
          Count {certain} files
        </button>
      )}
    </>
  );
}

function FileState({ chosen }: { chosen: Chosen }) {
  const { step, preview, upload: entry } = chosen;
  if (step.name === "looking") return <span class="st">Looking at it</span>;
  if (step.name === "refused")
    return (
      <span class="st failed">
        <Icon name="s-failed" />
        {step.problem.title}
      </span>
    );
  if (step.name === "sending")
    return (
      <>
        <span class="st receiving">
          <Icon name="s-receiving" />
          Sending, {percent(step.share)}
        </span>
        <span class="track">
          <i style={{ width: `${100 * step.share}%` }} />
        </span>
      </>
    );
  if (step.name === "counting" && entry) return <StateMark state={entry.state}>{ended(entry) ? "" : `, ${percent(entry.progress.share)}`}</StateMark>;
  const open = preview?.questions.length ?? 0;
  if (preview && unreadable(preview))
    return (
      <span class="st failed">
        <Icon name="s-failed" />
        Can’t be read
      </span>
    );
  return open ? (
    <span class="st warn">
      <Icon name="warn" />
      {open === 1 ? "One thing to say" : `${open} things to say`}
    </span>
  ) : (
    <span class="st applied">
      <Icon name="s-applied" />
      Ready
    </span>
  );
}

function Opened({ chosen }: { chosen: Chosen }) {
  const { step, preview, upload: entry } = chosen;
  const busy = step.name === "sending" || (step.name === "counting" && entry !== undefined && !ended(entry));
  const ready = step.name === "shown" && preview?.certain === true;
  return (
    <section class="panel pre" aria-labelledby="pv">
      <header>
        <div>
          <p class="label">{entry ? (ended(entry) ? "Read to its end" : "On its way into the graph") : /\.zip$/i.test(chosen.file.name) ? "Preview of the first file in the zip, nothing is counted yet" : "Preview, nothing is counted yet"}</p>
          <h2 id="pv">
            <FileName name={chosen.file.name} />
          </h2>
        </div>
        <div class="end">
          {!entry && (
            <>
              <button type="button" class="btn" onClick={() => remove(chosen.id)} disabled={busy}>
                Leave it out
              </button>
              <button type="button" class="btn" onClick={() => void upload(chosen.id, true)} disabled={!ready}>
                Dry run
              </button>
              <button type="button" class="btn primary" onClick={() => void upload(chosen.id)} disabled={!ready} title={ready ? undefined : preview && unreadable(preview) ? "This file can’t be read" : "Say first what the file leaves open"}>
                Count these posts
              </button>
            </>
          )}
        </div>
      </header>
      {step.name === "refused" && <ProblemNote problem={step.problem} />}
      {entry ? <Progress chosen={chosen} /> : preview && <Forecast chosen={chosen} />}
      {preview && !entry && !unreadable(preview) && (
        <>
          <Reading chosen={chosen} preview={preview} />
          <Rows chosen={chosen} preview={preview} />
        </>
      )}
    </section>
  );
}

/** What the whole file will give, from what its first rows gave. */
function Forecast({ chosen }: { chosen: Chosen }) {
  const { preview, file } = chosen;
  if (!preview) return null;
  if (preview.questions.length) return <Asked chosen={chosen} preview={preview} />;
  const counted = preview.counted;
  if (!counted?.rows) return null;
  const scale = counted.whole ? 1 : Math.max(1, file.size / counted.bytes);
  const about = (value: number): string => number(counted.whole ? value : rounded(value * scale));
  const { rows, rejected, mentioning, mentions } = counted;
  const word = counted.whole ? "" : "About ";
  return (
    <>
      <div class="fore" role="status">
        <p class="finding">
          {word}
          <b>{about(rows - rejected)}</b> of {about(rows)} posts will count, with {counted.whole ? "" : "some "}
          <b>{about(mentions)}</b> mentions.{" "}
          {rejected > 0 && (
            <>
              {word}
              <b class="bad">{about(rejected)}</b> {about(rejected) === "1" ? "row" : "rows"} can’t be read.
            </>
          )}
        </p>
      </div>
      <div class="cover" role="img" aria-label={`Of ${about(rows)} rows, ${about(mentioning)} mention somebody and ${about(rejected)} can’t be read`}>
        <i style={{ flexGrow: mentioning }} />
        <i style={{ flexGrow: rows - rejected - mentioning }} />
        <i style={{ flexGrow: rejected, minWidth: rejected ? "5px" : 0 }} />
      </div>
      <div class="key">
        <span>
          <i />
          mention somebody, {about(mentioning)}
        </span>
        <span class="b">
          <i />
          mention nobody, {about(rows - rejected - mentioning)}
        </span>
        {rejected > 0 && (
          <span class="c">
            <i />
            can’t be read, {about(rejected)}
          </span>
        )}
      </div>
    </>
  );
}

/** Two digits, so that a guess does not look like a count. */
function rounded(value: number): number {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, value))) - 1);
  return Math.round(value / unit) * unit;
}

function Progress({ chosen }: { chosen: Chosen }) {
  const entry = chosen.upload;
  if (!entry) return null;
  const done = ended(entry);
  const around = entry.state === "applied" ? mostMentioned(chosen) : undefined;
  return (
    <div class="fore" aria-live="polite">
      <p class="finding">
        {done ? <Outcome chosen={chosen} /> : <>The posts are being counted: <b>{percent(entry.progress.share)}</b>.</>}
      </p>
      {!done && (
        <div class="track">
          <i style={{ width: `${100 * entry.progress.share}%` }} />
        </div>
      )}
      {entry.error && <ProblemNote problem={entry.error as never} />}
      <p class="next">
        {done && (entry.state === "applied" || entry.state === "duplicate") && (
          <a class="btn primary" href={href(["network"])}>
            Look at the network
          </a>
        )}
        {done && around && (
          <a class="btn" href={href(["network"], { around })}>
            See who surrounds <bdi>{around}</bdi>
          </a>
        )}
        <a class="btn" href={href(["uploads", entry.id])}>
          Open the upload
        </a>
      </p>
    </div>
  );
}

/** The user whom the first rows mention most: where to begin in a large network. */
function mostMentioned({ preview }: Chosen): string | undefined {
  const times = new Map<string, number>();
  for (const { handle } of preview?.rows.flatMap((row) => row.mentions) ?? []) times.set(handle, (times.get(handle) ?? 0) + 1);
  return [...times].sort(([, one], [, other]) => other - one)[0]?.[0];
}

function Outcome({ chosen }: { chosen: Chosen }) {
  const entry = chosen.upload;
  if (!entry) return null;
  const rejected = entry.rows_rejected ?? 0;
  const repeated = entry.rows_repeated ?? 0;
  if (chosen.earlier || entry.state === "duplicate") return <>This file is here already, received {when(entry.received_at)}. It counts once, so nothing was added.</>;
  if (entry.state === "failed") return <>This upload failed. Nothing of it is lost: it can be replayed.</>;
  if (entry.state === "checked" || entry.state === "applied")
    return (
      <>
        <b>{count((entry.rows_received ?? 0) - rejected - repeated, "post")}</b> {entry.state === "checked" ? "would count" : "counted"}, with <b>{count(entry.mentions ?? 0, "mention")}</b>.{" "}
        {repeated > 0 && (
          <>
            <b>{count(repeated, "post")}</b> {repeated === 1 ? "was" : "were"} counted in another file already.{" "}
          </>
        )}
        {rejected > 0 && (
          <>
            <b class="bad">{count(rejected, "row")}</b> can’t be read; <a href={href(["uploads", entry.id])}>{rejected === 1 ? "repair it" : "repair them"}</a>.
          </>
        )}
      </>
    );
  return <>This upload is {entry.state}.</>;
}
