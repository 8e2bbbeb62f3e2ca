/** What can be done with an upload; each says in numbers what it changes, before its button. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { Failure, type Problem, type Schemas, change } from "../api/client";
import { useResource } from "../api/resource";
import { number } from "../format";
import { say } from "../frame";
import { useShortcuts } from "../keyboard";
import { useFocusWhile } from "../parts/focus";
import { ProblemNote } from "../parts/problem";

type Upload = Schemas["Upload"];
export type Verb = "cancel" | "retract" | "replay";

const FITS: Readonly<Record<Verb, (entry: Upload) => boolean>> = {
  cancel: (entry) => ["receiving", "staged", "applying", "failed", "checking"].includes(entry.state),
  retract: (entry) => ["applied", "failed"].includes(entry.state),
  replay: (entry) => entry.batches.failed > 0,
};
const WORDS: Readonly<Record<Verb, { readonly title: string; readonly does: string; readonly button: string; readonly keep: string }>> = {
  cancel: { title: "Before you cancel", does: "Cancelling stops this upload and takes its mentions out of the graph again.", button: "Cancel the upload", keep: "Keep it" },
  retract: { title: "Before you retract", does: "Retracting takes the mentions of this upload out of the graph again. The file may be uploaded again later.", button: "Retract the upload", keep: "Keep it" },
  replay: { title: "Before you replay", does: "The failed batches are counted again, from the rows that the ledger keeps.", button: "Replay the failed batches", keep: "Leave them" },
};

export function fitting(entry: Upload): readonly Verb[] {
  return (Object.keys(FITS) as Verb[]).filter((verb) => FITS[verb](entry));
}

/** The box with what an action would change. */
export function Box({ entry, verb, close, done }: { entry: Upload; verb: Verb; close: () => void; done: () => void }) {
  const path = `/uploads/{upload_id}/${verb}` as "/uploads/{upload_id}/cancel";
  const asked = { in: { upload_id: entry.id } };
  const forecast = useResource(async (signal) => (await change("post", path, { ...asked, query: { dry_run: true }, signal })) as unknown as Record<string, unknown>, [entry.id, verb]);
  const problem = useSignal<Problem | undefined>(undefined);
  const busy = useSignal(false);
  const act = async (): Promise<void> => {
    busy.value = true;
    try {
      await change("post", path, asked);
      say(`${WORDS[verb].button}: done.`);
      close();
      done();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      problem.value = error.problem;
    } finally {
      busy.value = false;
    }
  };
  useShortcuts(WORDS[verb].title, [{ keys: "Escape", does: WORDS[verb].keep, act: close }]);
  const words = WORDS[verb];
  const box = useRef<HTMLElement>(null);
  useFocusWhile(box);
  return (
    <section ref={box} tabIndex={-1} aria-labelledby="before">
      <h2 id="before">{words.title}</h2>
      <div class="what">
        <p class="s">{words.does}</p>
        {(problem.value ?? forecast.problem) && <ProblemNote problem={(problem.value ?? forecast.problem)!} />}
        {forecast.value ? (
          <ul>
            {figures(forecast.value).map(([title, value]) => (
              <li key={title}>
                <span>{title}</span>
                <b>{value}</b>
              </li>
            ))}
          </ul>
        ) : (
          !forecast.problem && <p class="s muted">Counting…</p>
        )}
        <div class="acts">
          <button type="button" class={verb === "replay" ? "btn primary" : "btn danger"} disabled={busy.value || !forecast.value} onClick={() => void act()}>
            {words.button}
          </button>
          <button type="button" class="btn quiet" onClick={close}>
            {words.keep}
          </button>
        </div>
      </div>
    </section>
  );
}

const TITLES: Readonly<Record<string, string>> = {
  batches: "Batches",
  rows: "Posts counted again",
  batches_purged: "Batches that are no longer kept",
  batches_not_counted: "Batches not counted yet",
  mentions_taken_out: "Mentions taken out",
  edges_gone: "Ties that disappear",
  edges_weaker: "Ties that get weaker",
  users_gone: "Users left without a tie",
};

function figures(forecast: Record<string, unknown>): (readonly [string, string])[] {
  const about = forecast["exact"] === false ? "about " : "";
  return Object.entries(TITLES)
    .filter(([name]) => typeof forecast[name] === "number")
    .map(([name, title]) => [title, `${about}${number(forecast[name] as number)}`] as const);
}
