/** Who did what, and what was denied: the audit events, newest first. */
import { useSignal } from "@preact/signals";
import { lacks } from "../api/caller";
import { type Schemas, pathOf } from "../api/client";
import { when } from "../format";
import { LackNote } from "../keying";
import { useCurl } from "../parts/curl";
import { Icon } from "../parts/icon";
import { usePages } from "../parts/pages";
import { ProblemNote } from "../parts/problem";
import { href, place, refine } from "../router";

type Event = Schemas["AuditEvent"];

const ACTIONS: Readonly<Record<string, string>> = {
  upload: "Uploads",
  graph: "Graphs",
  key: "Keys",
  user: "Forgetting",
  data: "Backups and purges",
  request: "Denied requests",
};
const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function Events() {
  const why = lacks("admin");
  return why ? <LackNote why={why} /> : <List />;
}

function List() {
  const { action, outcome, owner } = place.value.query;
  const first = pathOf("/audit-events", { query: { action, outcome, owner, limit: 50 } });
  const { pages, problem, busy, more, again } = usePages<Schemas["AuditEvents"]>(first);
  const who = useSignal(owner ?? "");
  useCurl(first);
  const events = pages.flatMap((page) => page.events);
  return (
    <>
      <div class="lead">
        <p class="finding">Every change, by whom and from where; and every request that was denied.</p>
        <form
          class="end"
          role="search"
          aria-label="Events"
          onSubmit={(event) => {
            event.preventDefault();
            refine({ owner: who.value.trim() });
          }}
        >
          <input class="field" aria-label="Owner" placeholder="Owner" value={who.value} onInput={(event) => (who.value = event.currentTarget.value)} onBlur={() => refine({ owner: who.value.trim() })} />
          <select class="field" aria-label="What" value={action ?? ""} onChange={(event) => refine({ action: event.currentTarget.value })}>
            <option value="">Everything</option>
            {Object.entries(ACTIONS).map(([name, title]) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
          </select>
          <select class="field" aria-label="Outcome" value={outcome ?? ""} onChange={(event) => refine({ outcome: event.currentTarget.value })}>
            <option value="">done or denied</option>
            <option>done</option>
            <option>denied</option>
          </select>
        </form>
      </div>
      {problem && <ProblemNote problem={problem} again={again} />}
      {events.length > 0 ? (
        <div class="panel scroll" tabIndex={0} role="region" aria-label="Events" aria-busy={busy}>
          <table class="table flow">
            <thead>
              <tr>
                <th>Outcome</th>
                <th>When</th>
                <th>Who</th>
                <th>What</th>
                <th>On what</th>
                <th>With</th>
                <th>From</th>
              </tr>
            </thead>
            <tbody>
              {events.map((each) => (
                <Row key={each.id} each={each} />
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        !busy && !problem && <p class="panel empty">No event matches.</p>
      )}
      {more && (
        <button type="button" class="btn" onClick={more}>
          Older
        </button>
      )}
    </>
  );
}

function Row({ each }: { each: Event }) {
  const done = each.outcome === "done";
  return (
    <tr>
      <td>
        <span class={done ? "st applied" : "st failed"}>
          <Icon name={done ? "s-applied" : "s-failed"} />
          {each.outcome}
        </span>
      </td>
      <td class="nowrap">{when(each.at)}</td>
      <td>
        {each.owner ? <bdi class="strong">{each.owner}</bdi> : <span class="muted">nobody known</span>}
        {each.key_id && <span class="label mono"> {each.key_id}</span>}
      </td>
      <td class="nowrap">{each.action}</td>
      <td class="wrap">{each.subject && ID.test(each.subject) && each.action.startsWith("upload") ? <a href={href(["uploads", each.subject])}>{each.subject.slice(0, 8)}…</a> : <bdi>{each.subject}</bdi>}</td>
      <td class="soft wrap">{each.detail && detail(each.detail)}</td>
      <td class="nowrap">
        <span class="mono">{each.address ?? ""}</span> <span class="label">{each.process}</span>
      </td>
    </tr>
  );
}

/** "expected 3, dry_run false", as far as a cell has room; what is nested stays JSON. */
function detail(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${Array.isArray(value) ? value.join(" ") : typeof value === "object" ? JSON.stringify(value) : String(value)}`)
    .join(", ");
}
