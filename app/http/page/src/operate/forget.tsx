/** Forget a person: count first what would go, then do it, then say what holds the person still. */
import { useSignal } from "@preact/signals";
import { lacks } from "../api/caller";
import { type Schemas, change, get, pathOf } from "../api/client";
import { count, number } from "../format";
import { say } from "../frame";
import { UserField } from "../find";
import { LackNote } from "../keying";
import { useAsking } from "../parts/asking";
import { useCurl } from "../parts/curl";
import { Icon } from "../parts/icon";
import { ProblemNote } from "../parts/problem";
import { Prose } from "../parts/prose";
import { place } from "../router";

type Forgetting = Schemas["Forgetting"];
type Erasure = Schemas["Erasure"];

const TITLES: readonly (readonly [keyof Forgetting & ("mentions" | "deltas" | "payloads" | "payloads_dropped" | "rejects" | "texts"), string])[] = [
  ["mentions", "Mentions that go with the person’s ties"],
  ["payloads", "Batches of files rewritten"],
  ["payloads_dropped", "Batches that can’t be rewritten, and are dropped"],
  ["deltas", "Counted batches rewritten"],
  ["rejects", "Rejected rows rewritten"],
  ["texts", "File names, notes and warnings rewritten"],
];
const LOOK_AGAIN = 1000;

export function Forget() {
  const why = lacks("admin");
  return why ? <LackNote why={why} /> : <Form />;
}

/** The handle never stands in the address, since addresses are kept by browsers. */
function Form() {
  const handle = useSignal("");
  const keepOut = useSignal(false);
  const asked = useSignal<{ readonly handle: string; readonly found: Forgetting } | null>(null);
  const typed = useSignal("");
  const gone = useSignal<Forgetting | null>(null);
  const step = useSignal<Erasure | null>(null);
  const asking = useAsking();
  useCurl(pathOf("/users/HANDLE/forget", { query: { dry_run: true } }), "--request POST");

  const look = (name: string): Promise<boolean> =>
    asking.run(async () => {
      gone.value = null;
      typed.value = "";
      asked.value = null;
      const found = (await change("post", "/users/{handle}/forget", { in: { handle: name }, query: { dry_run: true, keep_out: keepOut.value } })) as Forgetting;
      asked.value = { handle: name, found };
      say(`${count(found.mentions, "mention")} would go.`);
    });
  const forget = (name: string): Promise<boolean> =>
    asking.run(async () => {
      const path = { in: { handle: name }, query: { keep_out: keepOut.value } };
      let answer = (await change("post", "/users/{handle}/forget", path)) as Forgetting | Erasure;
      while ("state" in answer) {
        step.value = answer;
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN));
        const now: Erasure = await get("/erasures/{erasure_id}", { in: { erasure_id: String(answer.id) } });
        // The same request again waits for the same work, and answers what came of it.
        answer = now.state === "running" ? now : ((await change("post", "/users/{handle}/forget", path)) as Forgetting | Erasure);
      }
      step.value = null;
      gone.value = answer;
      asked.value = null;
      handle.value = "";
      say("The person is forgotten.");
    });
  const name = handle.value.trim().replace(/^@/, "");
  return (
    <div class="forget">
      <p class="finding">
        A person is taken out of the graph <b>{place.value.graph}</b>, of its history, and of the bytes that uploads left. All other counts stay exact.
      </p>
      <section class="panel">
        <form
          class="stack"
          onSubmit={(event) => {
            event.preventDefault();
            if (name) void look(name);
          }}
        >
          <div class="field find">
            <Icon name="find" />
            <UserField id="forget" label="Handle of the person" value={handle} chosen={(chosen) => ((handle.value = chosen), void look(chosen.replace(/^@/, "")))} />
          </div>
          <label class="check">
            <input type="checkbox" checked={keepOut.value} onChange={(event) => ((keepOut.value = event.currentTarget.checked), (asked.value = null))} />
            Count later uploads without the person, too
          </label>
          <button type="submit" class="btn primary" disabled={!name || asking.busy}>
            {asking.busy && !asked.value ? "Counting…" : "Count what would go"}
          </button>
        </form>
        {asking.problem && <ProblemNote problem={asking.problem} />}
        {asked.value && (
          <div class="before">
            <h2>
              Before you forget <bdi>{asked.value.handle}</bdi>
            </h2>
            <Figures found={asked.value.found} />
            <p class="s soft">
              Nothing brings this back: not replaying, not a rebuild. {asked.value.found.keep_out ? "Later uploads are counted without the person; only a keyed hash of the handle is kept." : "A later upload may bring the person back."} Other graphs, backups and files taken out
              earlier are not changed.
            </p>
            <form
              class="stack"
              onSubmit={(event) => {
                event.preventDefault();
                if (asked.value) void forget(asked.value.handle);
              }}
            >
              <label>
                <span class="label">
                  Type <b>{asked.value.handle}</b> to forget this person
                </span>
                <input class="field" autocomplete="off" autocapitalize="off" spellcheck={false} value={typed.value} onInput={(event) => (typed.value = event.currentTarget.value)} />
              </label>
              {step.value && <Step step={step.value} />}
              <div class="acts">
                <button type="submit" class="btn danger" disabled={asking.busy || typed.value.trim().replace(/^@/, "").toLowerCase() !== asked.value.handle.toLowerCase()}>
                  {asking.busy ? "Forgetting…" : "Forget this person"}
                </button>
                <button type="button" class="btn quiet" disabled={asking.busy} onClick={() => (asked.value = null)}>
                  Leave it
                </button>
              </div>
            </form>
          </div>
        )}
        {gone.value && (
          <div class="before" role="status">
            <h2>
              <span class="st applied">
                <Icon name="s-applied" />
                <span>The person is forgotten</span>
              </span>
            </h2>
            <Figures found={gone.value} />
            {gone.value.still_held.length > 0 && (
              <>
                <h3>What holds the person still</h3>
                <ul class="held">
                  {gone.value.still_held.map((each) => (
                    <li key={each}>
                      <Prose text={each} />
                    </li>
                  ))}
                </ul>
              </>
            )}
          </div>
        )}
      </section>
    </div>
  );
}

function Figures({ found }: { found: Forgetting }) {
  return (
    <ul class="figures">
      {TITLES.filter(([field]) => field !== "payloads_dropped" || found.payloads_dropped > 0).map(([field, title]) => (
        <li key={field}>
          <span>{title}</span>
          <b>{number(found[field])}</b>
        </li>
      ))}
    </ul>
  );
}

function Step({ step }: { step: Erasure }) {
  return (
    <div role="status" class="result">
      <p class="s">
        No count counts the person any more. {step.step ? `The ${step.step} are being rewritten: ${number(step.step_done)} of ${number(step.step_total)}.` : "The rewriting begins."}
      </p>
      <div class="track">
        <i style={{ width: `${(100 * step.step_done) / Math.max(1, step.step_total)}%` }} />
      </div>
    </div>
  );
}
