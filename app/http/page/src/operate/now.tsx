/** What goes on: queues, processes, periodic work, the audit, decay and the cache. */
import { useSignal } from "@preact/signals";
import { lacks } from "../api/caller";
import { Failure, type Problem, type Schemas, change, get, pathOf } from "../api/client";
import { useResource } from "../api/resource";
import { bytes, count, duration, number, percent, when } from "../format";
import { say } from "../frame";
import { LackNote } from "../keying";
import { useCurl } from "../parts/curl";
import { Icon } from "../parts/icon";
import { ProblemNote } from "../parts/problem";
import { place } from "../router";
import { Backlog, keepBacklog } from "./backlog";
import { every, span } from "./words";

const EVERY = 3000;

export function Now() {
  const watches = lacks("metrics");
  const fleet = lacks("metrics", { everywhere: true });
  const audits = lacks("admin");
  useCurl(pathOf("/health/processes"));
  return watches && audits ? <LackNote why={watches} /> : <Seen watches={!watches} fleet={!fleet} audits={!audits} />;
}

/** Each part is asked for only where the key allows it. */
function Seen({ watches, fleet: whole, audits: proves }: { watches: boolean; fleet: boolean; audits: boolean }) {
  const graph = place.value.graph;
  const fleet = useResource(async (signal) => (whole ? get("/health/processes", { signal }) : undefined), [graph, whole], EVERY);
  const queues = useResource(async (signal) => (watches ? keepBacklog(graph, await get("/health/queues", { signal })) : undefined), [graph, watches], EVERY);
  const decay = useResource(async (signal) => (watches ? get("/health/decay", { signal }) : undefined), [graph, watches], 10 * EVERY);
  const cache = useResource(async (signal) => (watches ? get("/health/cache", { signal }) : undefined), [graph, watches], EVERY);
  const audits = useResource(async (signal) => (proves ? get("/audit", { signal }) : undefined), [graph, proves], EVERY);
  useCurl(pathOf(whole ? "/health/processes" : watches ? "/health/queues" : "/audit"));
  const problem = fleet.problem ?? queues.problem ?? decay.problem ?? cache.problem;
  return (
    <>
      <div class="lead">
        <Finding fleet={fleet.value} queues={queues.value} audits={audits.value} />
        {queues.value && <Stats queues={queues.value} />}
      </div>
      {problem && <ProblemNote problem={problem} again={fleet.again} />}
      <div class="cols">
        <div>
          {queues.value && <Waiting queues={queues.value} graph={graph} />}
          {fleet.value && <Processes fleet={fleet.value} />}
          {fleet.value && <Periods fleet={fleet.value} />}
        </div>
        <div>
          {proves && <Audit audits={audits.value} problem={audits.problem} again={audits.again} />}
          {decay.value && <Decay decay={decay.value} />}
          {cache.value && <Cache cache={cache.value} />}
        </div>
      </div>
    </>
  );
}

function Finding({ fleet, queues, audits }: { fleet: Schemas["Fleet"] | undefined; queues: Schemas["Queues"] | undefined; audits: Schemas["Audits"] | undefined }) {
  const known = fleet ?? queues ?? audits;
  if (!known) return <p class="finding">&nbsp;</p>;
  const ill = fleet?.processes.filter((each) => each.ailment !== null) ?? [];
  const stands = fleet && !fleet.processes.some((each) => each.role === "worker" && each.ailment === null);
  const result = audits?.last?.result;
  const waits = queues && queues.staged.some((each) => each.batches > 0);
  return (
    <p class="finding">
      {stands ? <span class="bad">No worker is healthy, so nothing is counted. </span> : `${waits ? "Work goes on" : "Nothing waits"}${result?.exact ? ", and the graph is exact" : ""}. `}
      {ill.length === 1 && <span class="bad">{`The ${ill[0]!.role} ${ill[0]!.pid} on ${ill[0]!.host} is in trouble: ${ill[0]!.ailment}. `}</span>}
      {ill.length > 1 && <span class="bad">{`${number(ill.length)} processes are in trouble. `}</span>}
      {fleet?.graphs.map((each) => (
        <span class="bad" key={each.graph}>{`The graph ${each.graph} is in trouble: ${each.ailment}. `}</span>
      ))}
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
        <b>{oldest ? duration(oldest) : "0 s"}</b>
        <span>oldest batch waits</span>
      </span>
      {applied.p99_seconds !== null && (
        <span class="stat">
          <b>{duration(applied.p99_seconds)}</b>
          <span>99 % of uploads applied within</span>
        </span>
      )}
      {applied.median_seconds !== null && (
        <span class="stat">
          <b>{duration(applied.median_seconds)}</b>
          <span>half of them within</span>
        </span>
      )}
    </div>
  );
}

function Waiting({ queues, graph }: { queues: Schemas["Queues"]; graph: string }) {
  const messages = queues.messages ? Object.values(queues.messages).reduce((sum, each) => sum + each, 0) : undefined;
  return (
    <section class="panel split">
      <div>
        <h2>
          Backlog<span class="label">staged, while this page was open</span>
        </h2>
        <Backlog graph={graph} />
      </div>
      <div>
      <h2>Queues</h2>
      <div class="q">
        {queues.staged.map((each) => (
          <div key={each.priority}>
            <b>{each.priority}</b>
            <span class="meter">
              <i style={{ width: `${Math.min(100, (100 * each.bytes) / Math.max(1, queues.max_backlog_bytes))}%` }} />
            </span>
            <span>{each.batches ? bytes(each.bytes) : "idle"}</span>
          </div>
        ))}
      </div>
      <p class="s soft">
        New uploads wait once {bytes(queues.max_backlog_bytes)} are staged. {count(queues.unmerged.batches, "batch is", "batches are")} counted and not in the graph yet.
        {messages !== undefined && ` ${count(messages, "message waits", "messages wait")} for workers.`}
      </p>
      </div>
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

function tally(fleet: Schemas["Fleet"]): string {
  const ill = fleet.processes.filter((each) => each.ailment !== null).length;
  return `${number(fleet.processes.length)}, ${ill ? `${number(ill)} in trouble` : "all healthy"}`;
}

function Processes({ fleet }: { fleet: Schemas["Fleet"] }) {
  const now = Date.now();
  return (
    <section class="panel">
      <h2>
        Processes<span class="label">{tally(fleet)}</span>
      </h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Processes">
        <table class="table flow">
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
                <td class="num mono" data-title="pid">{each.pid}</td>
                <td class="soft">{each.ailment}</td>
                <td class="num soft" data-title="started">{when(each.started_at)}</td>
                <td class="num nowrap" data-title="heartbeat">{Math.max(0, Math.round((now - Date.parse(each.seen_at)) / 1000))} s ago</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

const DOES: Readonly<Record<string, string>> = {
  sweep: "finds work that was left lying",
  summarize: "adds up days and users",
  decay: "writes down weights of old ties",
  purge: "lets go of rows past their time",
};

function Periods({ fleet }: { fleet: Schemas["Fleet"] }) {
  return (
    <section class="panel">
      <h2>
        Periods<span class="label">of the graph default</span>
      </h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="Periods">
      <table class="table flow">
        <thead>
          <tr>
            <th>What</th>
            <th>When</th>
            <th>Now</th>
            <th class="num">Last done</th>
            <th class="num">Next</th>
          </tr>
        </thead>
        <tbody>
          {fleet.periods.map((each) => (
            <tr key={each.actor}>
              <td>
                <b class="strong">{each.actor}</b> <span class="label">{DOES[each.actor]}</span>
              </td>
              <td class="soft">{every(each.every)}</td>
              <td>{each.running ? <span class="st applying"><Icon name="s-applying" />runs</span> : <span class="muted">waits</span>}</td>
              <td class="num" data-title="last done">{each.finished_at ? when(each.finished_at) : "never"}</td>
              <td class="num soft" data-title="next">{when(each.next_run)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      </div>
    </section>
  );
}

function Audit({ audits, problem, again }: { audits: Schemas["Audits"] | undefined; problem: Problem | undefined; again: () => void }) {
  const refused = useSignal<Problem | undefined>(undefined);
  const run = async (): Promise<void> => {
    try {
      await change("post", "/audit");
      refused.value = undefined;
      say("The audit is asked for.");
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
          {running ? (running.state === "waiting" ? "Waits…" : "Runs…") : "Run now"}
        </button>
      </h2>
      {(refused.value ?? problem) && <ProblemNote problem={(refused.value ?? problem)!} />}
      {last?.result ? <Receipt result={last.result} at={last.finished_at} sample={last.sample} /> : <p class="s soft">{running ? "A worker compares every mention in the graph with the ledger." : "No audit was asked for here yet. An audit compares every mention in the graph with the ledger."}</p>}
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
      <p class="s" role="status">
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
        <dd>{decay.half_life ? span(decay.half_life) : "none"}</dd>
        <dt>Ties written down today</dt>
        <dd>{number(decay.written_down_today)}</dd>
        <dt>Moved to the archive today</dt>
        <dd>{number(decay.archived_today)}</dd>
        <dt>In the archive</dt>
        <dd>{number(decay.archived_edges)}</dd>
      </dl>
      <Runs runs={decay.runs} />
    </section>
  );
}

/** The latest runs, newest right; the height is how many ties a run wrote down. */
function Runs({ runs }: { runs: Schemas["Decay"]["runs"] }) {
  if (!runs.length) return null;
  const most = Math.max(1, ...runs.map((each) => each.written_down));
  const last = runs[0]!;
  return (
    <>
      <div class="runs" role="img" aria-label={`${count(runs.length, "run")}; the last began ${when(last.started_at)} and wrote down ${count(last.written_down, "tie")}`}>
        {[...runs].reverse().map((each) => (
          <i key={each.started_at} class={each.finished_at ? undefined : "open"} style={{ height: `${20 + (80 * each.written_down) / most}%` }} title={`${when(each.started_at)}: ${count(each.written_down, "tie")} written down`} />
        ))}
      </div>
      <p class="label">{count(runs.length, "run", "runs")}, the last {when(last.started_at)}</p>
    </>
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

