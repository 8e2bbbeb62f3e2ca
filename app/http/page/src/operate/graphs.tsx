/** Graphs: which there are and how large; create, change, rename and drop them. */
import { useSignal } from "@preact/signals";
import { lacks } from "../api/caller";
import { type Schemas, change, get, pathOf } from "../api/client";
import { turn } from "../api/graphs";
import { useResource } from "../api/resource";
import { bytes, count, number, when } from "../format";
import { Dialog, say } from "../frame";
import { LackNote } from "../keying";
import { useAsking } from "../parts/asking";
import { useCurl } from "../parts/curl";
import { Icon } from "../parts/icon";
import { usePages } from "../parts/pages";
import { ProblemNote } from "../parts/problem";
import { go, href, place } from "../router";
import { span } from "./words";

type Graph = Schemas["GraphAnswer"];
type Detail = Schemas["GraphDetail"];

const PROFILES = ["twitter", "mastodon", "bluesky", "instagram", "tiktok", "youtube", "reddit", "telegram", "weibo", "github", "word"];
const HALF_LIVES: readonly (readonly [string, string])[] = [
  ["1d", "1 day"],
  ["7d", "7 days"],
  ["30d", "30 days"],
  ["365d", "365 days"],
  ["none", "none: weights stay"],
];
const GB = 1e9;
const PAGE = 20;

export function Graphs() {
  const why = lacks("graph:read");
  return why ? <LackNote why={why} /> : <List />;
}

type Open = { readonly make: true } | { readonly change: Graph } | { readonly drop: Graph };

function List() {
  const first = pathOf("/graphs", { query: { limit: PAGE } });
  const { pages, problem, busy, more, again } = usePages<Schemas["GraphsAnswer"]>(first);
  const open = useSignal<Open | null>(null);
  useCurl(first);
  const graphs = pages.flatMap((page) => page.graphs);
  const sizes = useResource(
    async (signal) => new Map(await Promise.all(graphs.map(async (each) => [each.name, await get("/graphs/{graph}", { in: { graph: each.name }, signal })] as const))),
    [graphs.map((each) => `${each.name} ${each.state}`).join()],
  );
  const makes = lacks("admin", { everywhere: true });
  const renew = (): void => {
    open.value = null;
    turn.value += 1;
    again();
  };
  return (
    <>
      <div class="lead">
        <p class="finding">
          <b>{count(graphs.length, "graph")}</b>
          {more && " and more"}, each with users, ties and uploads of its own.
        </p>
        <div class="end">
          <button type="button" class="btn primary" disabled={Boolean(makes)} title={makes} onClick={() => (open.value = { make: true })}>
            <Icon name="plus" />
            Create a graph…
          </button>
        </div>
      </div>
      <LackNote why={makes} />
      {(problem ?? sizes.problem) && <ProblemNote problem={(problem ?? sizes.problem)!} again={again} />}
      {graphs.length > 0 && (
        <div class="panel scroll" tabIndex={0} role="region" aria-label="Graphs" aria-busy={busy}>
          <table class="table flow">
            <thead>
              <tr>
                <th>State</th>
                <th>Graph</th>
                <th class="num">Users</th>
                <th class="num">Ties</th>
                <th class="num">Uploads</th>
                <th class="num">Size</th>
                <th class="num">Quota</th>
                <th>Half-life</th>
                <th>Mentions</th>
                <th class="num">Days kept</th>
                <th class="num">Made</th>
                <th>
                  <span class="sr">What can be done</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {graphs.map((each) => (
                <Row key={each.name} each={each} size={sizes.value?.get(each.name)} open={(what) => (open.value = what)} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {more && (
        <button type="button" class="btn" onClick={more}>
          More graphs
        </button>
      )}
      {open.value && "make" in open.value && <Make close={() => (open.value = null)} done={renew} />}
      {open.value && "change" in open.value && <Change each={open.value.change} close={() => (open.value = null)} done={renew} />}
      {open.value && "drop" in open.value && <Drop each={open.value.drop} close={() => (open.value = null)} done={renew} />}
    </>
  );
}

function Row({ each, size, open }: { each: Graph; size: Detail | undefined; open: (what: Open) => void }) {
  const ready = each.state === "ready";
  const changes = lacks("admin");
  const drops = lacks("admin", { everywhere: true });
  return (
    <tr>
      <td>
        <span class={ready ? "st applied" : "st warn"}>
          <Icon name={ready ? "s-applied" : "s-applying"} />
          {each.state}
        </span>
      </td>
      <td>
        <a class="strong" href={href(["network"], {}, each.name)}>
          <bdi>{each.name}</bdi>
        </a>
        {each.name === place.value.graph && <span class="label"> open</span>}
      </td>
      {(["users", "edges", "uploads"] as const).map((what) => [what, size?.[what]] as const).map(([what, value]) => (
        <td key={what} class="num" data-title={what === "edges" ? "ties" : what}>
          {value === null || value === undefined ? "" : number(value)}
        </td>
      ))}
      <td class="num nowrap" data-title="size">{size?.size_bytes ? bytes(size.size_bytes) : ""}</td>
      <td class="num nowrap" data-title="quota">{each.quota_bytes ? bytes(each.quota_bytes) : <span class="muted">none</span>}</td>
      <td class="nowrap" data-title="half-life">{span(each.half_life)}</td>
      <td data-title="mentions">{each.profile ?? <span class="muted">as found</span>}</td>
      <td class="num" data-title="days kept">{number(each.days_kept)}</td>
      <td class="num soft nowrap" data-title="made">{each.created_at ? when(each.created_at) : "at the start"}</td>
      <td class="acts">
        {each.name === "default" ? (
          <a class="label" href={href(["operate", "settings"])}>
            as the settings say
          </a>
        ) : (
          <>
            <button type="button" class="btn small" disabled={Boolean(changes) || !ready} title={changes} onClick={() => open({ change: each })}>
              Change…
            </button>
            <button type="button" class="btn small danger" disabled={Boolean(drops)} title={drops} onClick={() => open({ drop: each })}>
              Drop…
            </button>
          </>
        )}
      </td>
    </tr>
  );
}

function Profile({ value, change: said }: { value: string; change: (profile: string) => void }) {
  return (
    <label>
      <span class="label">What counts as a mention, where a file does not say</span>
      <select class="field" value={value} onChange={(event) => said(event.currentTarget.value)}>
        <option value="">as found in each file</option>
        {PROFILES.map((each) => (
          <option key={each}>{each}</option>
        ))}
      </select>
    </label>
  );
}

function Amount({ title, value, change: said, hint }: { title: string; value: string; change: (value: string) => void; hint: string }) {
  return (
    <label>
      <span class="label">{title}</span>
      <input class="field" type="number" min="0" step="any" placeholder={hint} value={value} onInput={(event) => said(event.currentTarget.value)} />
    </label>
  );
}

function whole(text: string, unit = 1): number | null {
  return text === "" ? null : Math.round(Number(text) * unit);
}

function Make({ close, done }: { close: () => void; done: () => void }) {
  const name = useSignal("");
  const half = useSignal("7d");
  const profile = useSignal("");
  const quota = useSignal("");
  const asking = useAsking();
  const make = async (): Promise<void> => {
    const did = await asking.run(async () => {
      await change("post", "/graphs", { body: { name: name.value.trim(), half_life: half.value, profile: profile.value || null, quota_bytes: whole(quota.value, GB) } });
    });
    if (!did) return;
    say(`The graph ${name.value} is there.`);
    done();
  };
  return (
    <Dialog title="Create a graph" close={close}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void make();
        }}
      >
        <label>
          <span class="label">Name, as it stands in addresses</span>
          <input class="field" required autofocus autocomplete="off" autocapitalize="off" spellcheck={false} value={name.value} onInput={(event) => (name.value = event.currentTarget.value)} />
        </label>
        <label>
          <span class="label">Half-life of weights, fixed for ever</span>
          <select class="field" value={half.value} onChange={(event) => (half.value = event.currentTarget.value)}>
            {HALF_LIVES.map(([value, title]) => (
              <option key={value} value={value}>
                {title}
              </option>
            ))}
          </select>
        </label>
        <Profile value={profile.value} change={(value) => (profile.value = value)} />
        <Amount title="Quota in GB" hint="none" value={quota.value} change={(value) => (quota.value = value)} />
        {asking.problem && <ProblemNote problem={asking.problem} />}
        <p class="s soft">The graph gets a database of its own. That takes some seconds.</p>
        <button type="submit" class="btn primary" disabled={asking.busy || !name.value.trim()}>
          {asking.busy ? "Creating it…" : "Create the graph"}
        </button>
      </form>
    </Dialog>
  );
}

function Change({ each, close, done }: { each: Graph; close: () => void; done: () => void }) {
  const name = useSignal(each.name);
  const profile = useSignal(each.profile ?? "");
  const days = useSignal(String(each.days_kept));
  const retention = useSignal(String(each.retention_days));
  const quota = useSignal(each.quota_bytes ? String(each.quota_bytes / GB) : "");
  const asking = useAsking();
  const some = lacks("admin", { everywhere: true });
  const save = async (): Promise<void> => {
    const wanted: Record<string, [unknown, unknown]> = {
      profile: [profile.value || null, each.profile],
      days_kept: [whole(days.value), each.days_kept],
      ...(!some && {
        name: [name.value.trim(), each.name],
        retention_days: [whole(retention.value), each.retention_days],
        quota_bytes: [whole(quota.value, GB), each.quota_bytes],
      }),
    };
    const body = Object.fromEntries(Object.entries(wanted).flatMap(([field, [now, before]]) => (now === before ? [] : [[field, now]])));
    const did = await asking.run(async () => {
      if (Object.keys(body).length) await change("patch", "/graphs/{graph}", { in: { graph: each.name }, body });
    });
    if (!did) return;
    say(`The graph ${name.value} is changed.`);
    if (body["name"] && place.value.graph === each.name) go(["operate", "graphs"], {}, name.value.trim());
    done();
  };
  return (
    <Dialog title={`Change ${each.name}`} close={close}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        {!some && (
          <label>
            <span class="label">Name. A new name changes the graph’s addresses; its keys stay good.</span>
            <input class="field" required autocomplete="off" autocapitalize="off" spellcheck={false} value={name.value} onInput={(event) => (name.value = event.currentTarget.value)} />
          </label>
        )}
        <Profile value={profile.value} change={(value) => (profile.value = value)} />
        <Amount title="Days for which daily numbers are kept" hint="as the service has it" value={days.value} change={(value) => (days.value = value)} />
        {!some && (
          <>
            <Amount title="Days for which an upload can be replayed and retracted" hint="as the service has it" value={retention.value} change={(value) => (retention.value = value)} />
            <Amount title="Quota in GB" hint="as the service has it" value={quota.value} change={(value) => (quota.value = value)} />
          </>
        )}
        <LackNote why={some && `${some} Name, retention and quota stay.`} />
        {asking.problem && <ProblemNote problem={asking.problem} />}
        <button type="submit" class="btn primary" disabled={asking.busy}>
          {asking.busy ? "Changing it…" : "Change the graph"}
        </button>
      </form>
    </Dialog>
  );
}

function Drop({ each, close, done }: { each: Graph; close: () => void; done: () => void }) {
  const detail = useResource((signal) => get("/graphs/{graph}", { in: { graph: each.name }, signal }), [each.name]);
  const typed = useSignal("");
  const asking = useAsking();
  const size = detail.value;
  const drop = async (): Promise<void> => {
    const did = await asking.run(async () => {
      await change("delete", "/graphs/{graph}", { in: { graph: each.name } });
    });
    if (!did) return;
    say(`The graph ${each.name} is dropped.`);
    if (place.value.graph === each.name) go(["operate", "graphs"], {}, "default");
    done();
  };
  const figures: readonly (readonly [string, number | null | undefined])[] = [
    ["Users", size?.users],
    ["Ties", size?.edges],
    ["Uploads, with all that the ledger knows of them", size?.uploads],
  ];
  return (
    <Dialog title={`Before you drop ${each.name}`} close={close}>
      <p>Everything in this graph goes at once and for ever, whoever works with it. Keys that are good for this graph alone are revoked.</p>
      {detail.problem && <ProblemNote problem={detail.problem} />}
      {!size && !detail.problem && <p class="s muted">Counting…</p>}
      {size && (
        <ul class="figures">
          {figures.map(([title, value]) => (
            <li key={title}>
              <span>{title}</span>
              <b>{value === null || value === undefined ? "not known" : number(value)}</b>
            </li>
          ))}
          <li>
            <span>On disk</span>
            <b>{size.size_bytes === null ? "not known" : bytes(size.size_bytes)}</b>
          </li>
        </ul>
      )}
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void drop();
        }}
      >
        <label>
          <span class="label">
            Type <b>{each.name}</b> to drop it
          </span>
          <input class="field" autocomplete="off" autocapitalize="off" spellcheck={false} value={typed.value} onInput={(event) => (typed.value = event.currentTarget.value)} />
        </label>
        {asking.problem && <ProblemNote problem={asking.problem} />}
        <div class="acts">
          <button type="submit" class="btn danger" disabled={asking.busy || typed.value !== each.name || (!size && !detail.problem)}>
            {asking.busy ? "Dropping it…" : "Drop the graph"}
          </button>
          <button type="button" class="btn quiet" onClick={close}>
            Keep it
          </button>
        </div>
      </form>
    </Dialog>
  );
}
