/** Operate: is everything well, what waits, is the graph exact; settings, keys and graphs. */
import { useSignal } from "@preact/signals";
import { Failure, type Problem, type Schemas, change, get, pathOf } from "../api/client";
import { useResource } from "../api/resource";
import { bytes, count, duration, number, percent, when } from "../format";
import { useCurl } from "../parts/curl";
import { Icon } from "../parts/icon";
import { ProblemNote } from "../parts/problem";
import { href, place } from "../router";

const EVERY = 3000;
const TABS = { now: "Now", settings: "Settings", keys: "Keys", graphs: "Graphs" } as const;
type Tab = keyof typeof TABS;

export default function Operate() {
  const tab = (place.value.path[1] ?? "now") as Tab;
  return (
    <main id="main" tabIndex={-1} class="operate">
      <nav class="tbs" aria-label="Parts">
        {Object.entries(TABS).map(([name, title]) => (
          <a key={name} class="tb" href={href(name === "now" ? ["operate"] : ["operate", name])} aria-current={name === tab ? "page" : undefined}>
            {title}
          </a>
        ))}
      </nav>
      {tab === "settings" ? <Settings /> : tab === "keys" ? <Keys /> : tab === "graphs" ? <Graphs /> : <Now />}
    </main>
  );
}

// Now -----------------------------------------------------------------------------------------------------------------

function Now() {
  const graph = place.value.graph;
  const fleet = useResource((signal) => get("/health/processes", { signal }), [graph], EVERY);
  const queues = useResource((signal) => get("/health/queues", { signal }), [graph], EVERY);
  const decay = useResource((signal) => get("/health/decay", { signal }), [graph], 10 * EVERY);
  const cache = useResource((signal) => get("/health/cache", { signal }), [graph], EVERY);
  const audits = useResource((signal) => get("/audit", { signal }), [graph], EVERY);
  useCurl(pathOf("/health/processes"));
  const problem = fleet.problem ?? queues.problem;
  return (
    <>
      <div class="lead">
        <div>
          <h1>Operate</h1>
          <Finding fleet={fleet.value} audits={audits.value} />
        </div>
        {queues.value && <Stats queues={queues.value} />}
      </div>
      {problem && <ProblemNote problem={problem} again={fleet.again} />}
      <div class="cols">
        <div>
          {queues.value && <Waiting queues={queues.value} />}
          {fleet.value && <Processes fleet={fleet.value} />}
          {fleet.value && <Periods fleet={fleet.value} />}
        </div>
        <div>
          <Audit audits={audits.value} problem={audits.problem} again={audits.again} />
          {decay.value && <Decay decay={decay.value} />}
          {cache.value && <Cache cache={cache.value} />}
        </div>
      </div>
    </>
  );
}

function Finding({ fleet, audits }: { fleet: Schemas["Fleet"] | undefined; audits: Schemas["Audits"] | undefined }) {
  if (!fleet) return <p class="finding">&nbsp;</p>;
  const ill = fleet.processes.filter((each) => each.ailment !== null);
  const result = audits?.last?.result;
  const exact = result ? (result.exact ? ", and the graph is exact." : ".") : ".";
  return (
    <p class="finding">
      {fleet.processes.length === ill.length ? "Nothing works at present. " : `Work goes on${exact} `}
      {ill.length > 0 && <span class="bad">{`${count(ill.length, "process", "processes")} ${ill.length === 1 ? "is" : "are"} in trouble. `}</span>}
      {result && !result.exact && <span class="bad">{`The last audit found a difference of ${number(result.difference)} mentions.`}</span>}
    </p>
  );
}

function Stats({ queues }: { queues: Schemas["Queues"] }) {
  const oldest = Math.max(0, ...queues.staged.map((each) => each.seconds ?? 0));
  const { applied } = queues;
  return (
    <div class="stats">
      <span class="stat">
        <b>{duration(oldest)}</b>
        <span>oldest batch waits</span>
      </span>
      {applied.p99_seconds !== null && (
        <span class="stat">
          <b>{duration(applied.p99_seconds)}</b>
          <span>99 % of uploads applied within</span>
        </span>
      )}
      <span class="stat">
        <b>{number(applied.uploads)}</b>
        <span>uploads applied lately</span>
      </span>
    </div>
  );
}

function Waiting({ queues }: { queues: Schemas["Queues"] }) {
  const staged = queues.staged.reduce((sum, each) => sum + each.bytes, 0);
  return (
    <section class="panel">
      <h2>
        Queues<span class="label">{bytes(staged)} wait</span>
      </h2>
      <div class="q">
        {queues.staged.map((each) => (
          <div key={each.priority}>
            <b>{each.priority}</b>
            <span class="meter">
              <i style={{ width: `${Math.min(100, (100 * each.bytes) / Math.max(1, queues.max_backlog_bytes))}%` }} />
            </span>
            <span>{each.batches ? `${bytes(each.bytes)}, ${count(each.batches, "batch", "batches")}` : "nothing waits"}</span>
          </div>
        ))}
      </div>
      <p class="s soft">
        New uploads wait once {bytes(queues.max_backlog_bytes)} are staged. {count(queues.unmerged.batches, "batch is", "batches are")} counted and not in the graph yet, with {count(queues.unmerged.mentions, "mention")}.
      </p>
    </section>
  );
}

function Health({ ailment }: { ailment: string | null }) {
  return (
    <span class={ailment === null ? "st applied" : "st failed"}>
      <Icon name={ailment === null ? "s-applied" : "s-failed"} />
      {ailment === null ? "healthy" : "in trouble"}
    </span>
  );
}

function Processes({ fleet }: { fleet: Schemas["Fleet"] }) {
  const now = Date.now();
  return (
    <section class="panel">
      <h2>
        Processes<span class="label">{count(fleet.processes.length, "worker or scheduler", "workers and schedulers")}</span>
      </h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Processes">
        <table class="table">
          <thead>
            <tr>
              <th>State</th>
              <th>Process</th>
              <th>Host</th>
              <th class="num">Pid</th>
              <th>Trouble</th>
              <th class="num">Started</th>
              <th class="num">Heartbeat</th>
            </tr>
          </thead>
          <tbody>
            {fleet.processes.map((each) => (
              <tr key={`${each.host} ${each.pid} ${each.started_at}`}>
                <td>
                  <Health ailment={each.ailment} />
                </td>
                <td class="strong">{each.role}</td>
                <td class="mono">{each.host}</td>
                <td class="num mono">{each.pid}</td>
                <td class="soft">{each.ailment}</td>
                <td class="num soft">{when(each.started_at)}</td>
                <td class="num nowrap">{duration(Math.max(0, (now - Date.parse(each.seen_at)) / 1000))} ago</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Periods({ fleet }: { fleet: Schemas["Fleet"] }) {
  return (
    <section class="panel">
      <h2>Periods</h2>
      <table class="table">
        <thead>
          <tr>
            <th>What</th>
            <th>Every</th>
            <th>State</th>
            <th class="num">Last done</th>
            <th class="num">Next</th>
          </tr>
        </thead>
        <tbody>
          {fleet.periods.map((each) => (
            <tr key={each.actor}>
              <td class="strong">{each.actor}</td>
              <td class="soft">{each.every}</td>
              <td>{each.running ? "runs now" : "waits"}</td>
              <td class="num">{each.finished_at ? when(each.finished_at) : "never"}</td>
              <td class="num soft">{when(each.next_run)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Audit({ audits, problem, again }: { audits: Schemas["Audits"] | undefined; problem: Problem | undefined; again: () => void }) {
  const refused = useSignal<Problem | undefined>(undefined);
  const run = async (): Promise<void> => {
    try {
      await change("post", "/audit");
      refused.value = undefined;
      again();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      refused.value = error.problem;
    }
  };
  const last = audits?.last;
  const running = audits?.unfinished;
  return (
    <section class="panel">
      <h2>
        Audit
        <button type="button" class="btn small" disabled={Boolean(running)} onClick={() => void run()}>
          {running ? "Runs…" : "Run now"}
        </button>
      </h2>
      {(refused.value ?? problem) && <ProblemNote problem={(refused.value ?? problem)!} />}
      {last?.result ? <Receipt result={last.result} at={last.finished_at} sample={last.sample} /> : <p class="s soft">No audit was asked for here yet. It compares every mention in the graph with the ledger.</p>}
      {last?.error && <ProblemNote problem={last.error as Problem} />}
    </section>
  );
}

function Receipt({ result, at, sample }: { result: Schemas["Result"]; at: string | null; sample: number }) {
  const { compared } = result;
  const together = compared.mentions_in_edges + compared.mentions_in_archive + compared.mentions_pending;
  const rows: readonly (readonly [string, number])[] = [
    ["In ties", compared.mentions_in_edges],
    ["In the archive", compared.mentions_in_archive],
    ["Counted, not yet merged", compared.mentions_pending],
  ];
  return (
    <>
      <div class="receipt">
        {rows.map(([title, value]) => (
          <div key={title}>
            <span class="soft">{title}</span>
            <span>{number(value)}</span>
          </div>
        ))}
        <div class="sum">
          <span>Together</span>
          <span>{number(together)}</span>
        </div>
        <div>
          <span class="soft">In the ledger’s batches</span>
          <span>{number(compared.mentions_in_ledger)}</span>
        </div>
        <div>
          <b>Difference</b>
          <b>{number(result.difference)}</b>
        </div>
      </div>
      <p class="s">
        <span class={result.exact ? "st applied" : "st failed"}>
          <Icon name={result.exact ? "s-applied" : "s-failed"} />
          {result.exact ? "exact" : "not exact"}
        </span>
        <span class="muted">
          {" "}
          {at && when(at)}, in one snapshot, while work went on. {count(sample, "tie was", "ties were")} counted again at random.
        </span>
      </p>
    </>
  );
}

function Decay({ decay }: { decay: Schemas["Decay"] }) {
  return (
    <section class="panel">
      <h2>Decay</h2>
      <dl class="kv">
        <dt>Half-life</dt>
        <dd>{decay.half_life ?? "none"}</dd>
        <dt>Ties written down today</dt>
        <dd>{number(decay.written_down_today)}</dd>
        <dt>Moved to the archive today</dt>
        <dd>{number(decay.archived_today)}</dd>
        <dt>In the archive</dt>
        <dd>{number(decay.archived_edges)}</dd>
      </dl>
    </section>
  );
}

function Cache({ cache }: { cache: Schemas["CacheHealth"] }) {
  const { hits, misses, not_modified: same, failures } = cache.since_start;
  const asked = Math.max(1, hits + misses + same);
  const well = cache.state === "ready" || cache.state === "off";
  return (
    <section class="panel">
      <h2>
        Cache<span class="label">of this API process</span>
      </h2>
      <dl class="kv">
        <dt>
          <span class={well ? "st applied" : "st warn"}>
            <Icon name={well ? "s-applied" : "warn"} />
            {cache.state}
          </span>
        </dt>
        <dd>{count(hits + misses + same, "question")}</dd>
        <dt>Answered from it</dt>
        <dd>{percent(hits / asked)}</dd>
        <dt>Not modified (304)</dt>
        <dd>{percent(same / asked)}</dd>
        <dt>Failures</dt>
        <dd>{number(failures)}</dd>
      </dl>
    </section>
  );
}

// Settings ------------------------------------------------------------------------------------------------------------

function Settings() {
  const settings = useResource((signal) => get("/settings", { signal }), []);
  const all = useSignal(false);
  useCurl(pathOf("/settings"));
  const differing = settings.value?.settings.filter((each) => each.differs) ?? [];
  const shown = all.value ? (settings.value?.settings ?? []) : differing;
  return (
    <>
      <div class="lead">
        <div>
          <h1>Settings</h1>
          {settings.value && (
            <p class="finding">
              <b>{number(differing.length)}</b> of {settings.value.settings.length} settings differ from their defaults.
            </p>
          )}
        </div>
        <label class="check">
          <input type="checkbox" checked={all.value} onChange={(event) => (all.value = event.currentTarget.checked)} />
          Show all
        </label>
      </div>
      {settings.problem && <ProblemNote problem={settings.problem} again={settings.again} />}
      <div class="panel scroll" tabIndex={0} role="region" aria-label="Settings">
        <table class="table">
          <thead>
            <tr>
              <th>Variable</th>
              <th>Value</th>
              <th>Default</th>
              <th>What it means</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((each) => (
              <tr key={each.name}>
                <td class={each.differs ? "mono strong" : "mono"}>{each.variable}</td>
                <td class="mono">{each.value}</td>
                <td class="mono muted">{each.default}</td>
                <td class="soft">{each.meaning}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

// Keys and graphs -----------------------------------------------------------------------------------------------------

function Keys() {
  const keys = useResource((signal) => get("/keys", { query: { limit: 200 }, signal }), []);
  useCurl(pathOf("/keys"));
  return (
    <>
      <div class="lead">
        <h1>Keys</h1>
      </div>
      {keys.problem && <ProblemNote problem={keys.problem} again={keys.again} />}
      {keys.value && (
        <div class="panel scroll" tabIndex={0} role="region" aria-label="Keys">
          <table class="table">
            <thead>
              <tr>
                <th>State</th>
                <th>Owner</th>
                <th>Key</th>
                <th>Scopes</th>
                <th>Graphs</th>
                <th class="num">Made</th>
                <th class="num">Ends</th>
                <th>Revoke</th>
              </tr>
            </thead>
            <tbody>
              {keys.value.keys.map((each) => (
                <KeyRow key={each.id} each={each} again={keys.again} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      <p class="s soft">
        <code>mentiongraph keys create --owner NAME --scope SCOPE</code> makes a key, and shows its token once.
      </p>
    </>
  );
}

function KeyRow({ each, again }: { each: Schemas["KeyAnswer"]; again: () => void }) {
  const asking = useSignal(false);
  const problem = useSignal<Problem | undefined>(undefined);
  const revoke = async (): Promise<void> => {
    try {
      await change("delete", "/keys/{key_id}", { in: { key_id: each.id } });
      again();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      problem.value = error.problem;
    }
  };
  const good = each.state === "usable";
  return (
    <tr>
      <td>
        <span class={good ? "st applied" : "st cancelled"}>
          <Icon name={good ? "s-applied" : "s-cancelled"} />
          {each.state}
        </span>
      </td>
      <td class="strong">
        <bdi>{each.owner}</bdi>
      </td>
      <td class="mono">{each.id}</td>
      <td>{each.scopes.join(", ")}</td>
      <td>{each.graphs?.join(", ") ?? "all"}</td>
      <td class="num soft">{when(each.created_at)}</td>
      <td class="num soft">{each.expires_at ? when(each.expires_at) : "never"}</td>
      <td>
        {good && (
          <button type="button" class="btn small danger" onClick={() => (asking.value ? void revoke() : (asking.value = true))} onBlur={() => (asking.value = false)}>
            {asking.value ? "Revoke it for ever" : "Revoke…"}
          </button>
        )}
        {problem.value && <ProblemNote problem={problem.value} />}
      </td>
    </tr>
  );
}

function Graphs() {
  const graphs = useResource((signal) => get("/graphs", { query: { limit: 500 }, signal }), []);
  useCurl(pathOf("/graphs"));
  return (
    <>
      <div class="lead">
        <h1>Graphs</h1>
      </div>
      {graphs.problem && <ProblemNote problem={graphs.problem} again={graphs.again} />}
      {graphs.value && (
        <div class="panel scroll" tabIndex={0} role="region" aria-label="Graphs">
          <table class="table">
            <thead>
              <tr>
                <th>State</th>
                <th>Graph</th>
                <th>Half-life</th>
                <th>Profile</th>
                <th class="num">Days kept</th>
                <th class="num">Quota</th>
                <th class="num">Made</th>
              </tr>
            </thead>
            <tbody>
              {graphs.value.graphs.map((each) => (
                <tr key={each.name}>
                  <td>
                    <span class={each.state === "ready" ? "st applied" : "st warn"}>
                      <Icon name={each.state === "ready" ? "s-applied" : "warn"} />
                      {each.state}
                    </span>
                  </td>
                  <td>
                    <a class="strong" href={href(["network"], {}, each.name)}>
                      {each.name}
                    </a>
                  </td>
                  <td>{each.half_life ?? "none"}</td>
                  <td>{each.profile ?? "as found in each file"}</td>
                  <td class="num">{each.days_kept ?? ""}</td>
                  <td class="num">{each.quota_bytes ? bytes(each.quota_bytes) : "none"}</td>
                  <td class="num soft">{each.created_at ? when(each.created_at) : ""}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <p class="s soft">
        <code>mentiongraph graphs create NAME</code> makes a graph.
      </p>
    </>
  );
}
