/** The panel beside the drawing: the selected user in a sentence, days, partners, and the lines that made a tie. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type Answer, get } from "../api/client";
import { useResource } from "../api/resource";
import type { Graph } from "../drawing/graph";
import { LETTERED, type Laid } from "../drawing/layout";
import { communitiesOf, LETTERS } from "../drawing/scene";
import type { Shown } from "../drawing/shown";
import { UserField } from "../find";
import { count, day, number } from "../format";
import { Icon } from "../parts/icon";
import { Marked } from "../parts/marked";
import { ProblemNote } from "../parts/problem";
import { href, place } from "../router";
import { endOf, lengthOf, spanOf } from "./days";
import { kindOf } from "./dock";
import type { Loaded } from "./load";
import { see, type View } from "./view";

interface Drawn {
  readonly loaded: Loaded;
  readonly laid: Laid;
  readonly shown: Shown;
  readonly view: View;
}

const PARTNERS = 6;
const LINES = 7;
const WORDS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight"];
const inWords = (value: number): string => WORDS[value] ?? number(value);

export function Panel(drawn: Drawn) {
  const { loaded, view } = drawn;
  const user = view.selected === null ? undefined : placeOf(loaded.graph, view.selected);
  return user === undefined ? <Summary {...drawn} /> : <Selected key={loaded.graph.users[user]!.handle} {...drawn} user={user} />;
}

/** The place of a handle in any spelling. */
export function placeOf(graph: Graph, handle: string): number | undefined {
  return graph.at.get(handle) ?? graph.at.get(handle.toLowerCase().normalize("NFC"));
}

/** What is seen, in a sentence, while nobody is selected. */
function Summary({ loaded, laid, shown }: Drawn) {
  const { graph } = loaded;
  const best = graph.ranked.filter((user) => shown.users.has(user)).slice(0, 10);
  const first = best[0] === undefined ? null : graph.users[best[0]]!;
  const communities = communitiesOf(graph, laid).filter(Boolean).length;
  return (
    <aside class="side" aria-label="What is seen">
      <h2>{loaded.middle === null ? "The whole network" : <span>Around <bdi>{loaded.middle}</bdi></span>}</h2>
      <p class="finding">
        {first ? (
          <>
            <b>{number(shown.users.size)}</b> users{communities > 1 && <> in {inWords(communities)} communities</>}. <bdi>{first.spelling}</bdi> is mentioned most: <b>{number(first.received)}</b> times.
          </>
        ) : (
          graph.users.length ? "Nobody is drawn." : "No post that mentions somebody was counted yet."
        )}
      </p>
      <section hidden={!best.length}>
        <h3>
          Most mentioned<span class="label">in the whole graph</span>
        </h3>
        <ul>
          {best.map((user) => (
            <li key={user}>
              <button type="button" class="pt best" onClick={() => see({ selected: graph.users[user]!.handle, tie: null })}>
                <span class={`sw ${kindOf(laid.community[user]!)}`} />
                <bdi class="nm">{graph.users[user]!.spelling}</bdi>
                <span class="bb">
                  <i>
                    <b style={{ width: `${(100 * graph.users[user]!.received) / Math.max(1, first!.received)}%` }} />
                  </i>
                </span>
                <span class="v">{number(graph.users[user]!.received)}</span>
              </button>
            </li>
          ))}
        </ul>
      </section>
      {loaded.usersCut > 0 && <p class="label">{count(loaded.usersCut, "more user")} with weaker ties did not fit into the answer.</p>}
    </aside>
  );
}

function Selected(drawn: Drawn & { user: number }) {
  const { loaded, laid, view, user } = drawn;
  const { graph } = loaded;
  const { handle, spelling } = graph.users[user]!;
  const of = laid.community[user]!;
  const totals = useResource((signal) => get("/users/{handle}", { in: { handle }, signal }), [handle, place.value.graph]);
  // The screen of a user leads here with "?" for the user who is still to be named.
  const asking = useSignal(place.value.query["path"] === "?");
  const hide = (): void => see({ hidden: [...view.hidden, handle], selected: null, tie: null });
  return (
    <aside class="side" aria-label="Selected user">
      <h2>
        <span class={`sw letter ${kindOf(of)}`} aria-label={of < LETTERED ? `Community ${LETTERS[of]}` : "No large community"}>
          {LETTERS[of] ?? "–"}
        </span>
        <bdi>{spelling}</bdi>
        <button type="button" class="icon" aria-label="Clear the selection" title="Clear the selection  Esc" onClick={() => see({ selected: null, tie: null })}>
          <Icon name="x" />
        </button>
      </h2>
      {totals.problem && <ProblemNote problem={totals.problem} again={totals.again} />}
      <Sentence graph={graph} laid={laid} user={user} totals={totals.value} />
      <div class="acts">
        <a class="btn small" href={href(["users", spelling])}>
          Open
        </a>
        <button type="button" class="btn small" disabled={view.more.includes(handle) || (view.around !== null && placeOf(graph, view.around) === user)} title="Add this user’s own surroundings  e" onClick={() => see({ more: [...view.more, handle] })}>
          Expand
        </button>
        <button type="button" class="btn small" aria-expanded={asking.value} title="Who leads to whom  p" data-path onClick={() => (asking.value = !asking.value)}>
          Path to…
        </button>
        <button type="button" class="btn small" onClick={hide}>
          Hide
        </button>
      </div>
      {asking.value && <PathField handle={handle} done={() => (asking.value = false)} />}
      {view.path && <PathSection loaded={loaded} view={view} />}
      <Days graph={graph} handle={handle} />
      <Partners {...drawn} totals={totals.value} />
      {view.tie && <Lines graph={graph} tie={view.tie} />}
    </aside>
  );
}

/** Mentioned 72 times by 18 users, mentions 82 times to 23. */
function Sentence({ graph, laid, user, totals }: { graph: Graph; laid: Laid; user: number; totals: Answer<"get", "/users/{handle}"> | undefined }) {
  const own = graph.users[user]!;
  const lettered = communitiesOf(graph, laid).filter(Boolean).length;
  const home = laid.community[user]!;
  const others = new Set<number>();
  for (const tie of graph.ties) {
    if (tie.source !== user && tie.target !== user) continue;
    const of = laid.community[tie.source === user ? tie.target : tie.source]!;
    if (of !== home && of < LETTERED) others.add(of);
  }
  const elsewhere = lettered - (home < LETTERED ? 1 : 0);
  return (
    <p class="finding">
      Mentioned <b>{number(totals?.mentions_received ?? own.received)}</b> {(totals?.mentions_received ?? own.received) === 1 ? "time" : "times"}
      {totals && totals.mentioning_users > 0 && <> by {count(totals.mentioning_users, "user")}</>}, mentions others <b>{number(totals?.mentions_made ?? own.made)}</b>{" "}
      {(totals?.mentions_made ?? own.made) === 1 ? "time" : "times"}
      {totals && totals.mentioned_users > 0 && <>, {count(totals.mentioned_users, "user")} in all</>}.
      {elsewhere > 0 && (
        <>
          {" "}
          Has ties into {others.size === elsewhere && elsewhere > 1 ? `all ${inWords(elsewhere)}` : others.size === 0 ? "none" : `${inWords(others.size)}`}
          {others.size === elsewhere && elsewhere > 1 ? "" : ` of the ${inWords(elsewhere)}`} other {elsewhere === 1 ? "community" : "communities"}.
        </>
      )}
    </p>
  );
}

function PathField({ handle, done }: { handle: string; done: () => void }) {
  const text = useSignal("");
  useEffect(() => document.querySelector<HTMLInputElement>("#path-to")?.focus(), []);
  return (
    <div class="find to">
      <Icon name="find" />
      <UserField id="path-to" label="Path to which user" value={text} chosen={(target) => (see({ path: [handle, target], tie: null }), done())} />
    </div>
  );
}

function PathSection({ loaded, view }: { loaded: Loaded; view: View }) {
  const found = loaded.path;
  const [source, target] = view.path!;
  return (
    <section class="path">
      <h3>
        <span>
          Path to <bdi>{found?.target ?? target}</bdi>
        </span>
        <button type="button" class="btn quiet small" onClick={() => see({ path: null })}>
          Clear
        </button>
      </h3>
      {!found ? (
        <p class="s soft">Nobody of that name is in the graph.</p>
      ) : found.outcome !== "found" ? (
        <p class="s soft">
          {found.detail}{" "}
          <button type="button" class="btn quiet small" onClick={() => see({ path: [target, source] })}>
            Look the other way
          </button>
        </p>
      ) : (
        <ol>
          {found.edges.map((edge, index) => (
            <li key={edge.source}>
              <button type="button" class="pt step" aria-pressed={view.tie?.[0] === edge.source && view.tie[1] === edge.target} onClick={() => see({ tie: [edge.source, edge.target] })}>
                <bdi class="nm">{found.users[index]?.spelling}</bdi>
                <Icon name="arrow" />
                <bdi class="nm">{found.users[index + 1]?.spelling}</bdi>
                <span class="v">{number(edge.mention_count)}</span>
              </button>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

function Days({ graph, handle }: { graph: Graph; handle: string }) {
  const span = spanOf(graph);
  const found = useResource(async (signal) => (span ? get("/users/{handle}/days", { in: { handle }, query: { days: lengthOf(span), as_of: endOf(span.last) }, signal }) : null), [handle, span?.first, span?.last, place.value.graph]);
  const days = found.value?.days ?? [];
  const most = Math.max(1, ...days.map((each) => Math.max(each.made ?? 0, each.received ?? 0)));
  const kept = days.filter((each) => each.made !== null);
  const mark = (index: number): string => (days[index] ? day(days[index].day) : "");
  return (
    <section>
      <h3>
        Days<span class="label">made above, received below the line</span>
      </h3>
      {found.problem && <ProblemNote problem={found.problem} again={found.again} />}
      <div class="updown" role="img" aria-label={`Mentions a day: ${number(kept.reduce((sum, each) => sum + (each.made ?? 0), 0))} made, ${number(kept.reduce((sum, each) => sum + (each.received ?? 0), 0))} received from ${mark(0)} to ${mark(days.length - 1)}`}>
        {days.map((each) => (
          <i key={each.day} title={`${day(each.day)}: made ${number(each.made ?? 0)}, received ${number(each.received ?? 0)}`}>
            <b style={{ height: `${(50 * (each.made ?? 0)) / most}%` }} />
            <u style={{ height: `${(50 * (each.received ?? 0)) / most}%` }} />
          </i>
        ))}
      </div>
      <div class="ticks apart">
        {days.length > 1 && [0, Math.round(days.length / 3), Math.round((2 * days.length) / 3), days.length - 1].map((index) => <span key={index}>{mark(index)}</span>)}
      </div>
      {days.length > kept.length && found.value?.days_from && <p class="label">Days are kept from {day(found.value.days_from)} on.</p>}
    </section>
  );
}

interface Partner {
  readonly handle: string;
  readonly spelling: string;
  readonly made: number;
  readonly received: number;
}

/** Whom the user mentions and who mentions the user, of both lists' first page. */
async function partnersOf(handle: string, signal: AbortSignal): Promise<{ partners: Partner[]; whole: boolean }> {
  const asked = { in: { handle }, query: { limit: 100 }, signal };
  const [out, back] = await Promise.all([get("/users/{handle}/outgoing", asked), get("/users/{handle}/incoming", asked)]);
  const partners = new Map<string, Partner>();
  for (const each of out.mentions) partners.set(each.handle, { handle: each.handle, spelling: each.spelling, made: each.mention_count, received: 0 });
  for (const each of back.mentions) {
    const was = partners.get(each.handle);
    partners.set(each.handle, { handle: each.handle, spelling: each.spelling, made: was?.made ?? 0, received: each.mention_count });
  }
  const strength = (each: Partner): number => each.made + each.received;
  return { partners: [...partners.values()].sort((one, two) => strength(two) - strength(one) || (one.handle < two.handle ? -1 : 1)), whole: !out.next && !back.next };
}

function Partners({ loaded, laid, view, user }: Drawn & { user: number; totals: unknown }) {
  const { graph } = loaded;
  const { handle, spelling } = graph.users[user]!;
  const found = useResource((signal) => partnersOf(handle, signal), [handle, place.value.graph]);
  const partners = found.value?.partners.slice(0, PARTNERS) ?? [];
  const most = Math.max(1, ...partners.map((each) => Math.max(each.made, each.received)));
  const isOn = (each: Partner): boolean => view.tie !== null && view.tie.includes(each.handle) && view.tie.includes(handle);
  const choose = (each: Partner): void => see({ tie: each.made > 0 ? [handle, each.handle] : [each.handle, handle] });
  return (
    <section>
      <h3>
        Partners<span class="label">mentions · is mentioned by</span>
        <a href={href(["users", spelling])}>{found.value?.whole ? `All ${number(found.value.partners.length)}` : "All"}</a>
      </h3>
      {found.problem && <ProblemNote problem={found.problem} again={found.again} />}
      {found.value && !partners.length && <p class="s soft">No ties with others.</p>}
      <ul>
        {partners.map((each) => {
          const at = graph.at.get(each.handle);
          return (
            <li key={each.handle}>
              <button type="button" class={isOn(each) ? "pt on" : "pt"} aria-pressed={isOn(each)} title="Show the lines that made this tie" onClick={() => choose(each)}>
                <span class={`sw ${at === undefined ? "k0" : kindOf(laid.community[at]!)}`} />
                <bdi class="nm">{each.spelling}</bdi>
                <span class="v">{number(each.made)}</span>
                <span class="bb" aria-hidden="true">
                  <i class="l">
                    <b style={{ width: `${(100 * each.made) / most}%` }} />
                  </i>
                  <i class="r">
                    <b style={{ width: `${(100 * each.received) / most}%` }} />
                  </i>
                </span>
                <span class="v w">{number(each.received)}</span>
              </button>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

/** From a tie to the physical lines of files that made it. */
function Lines({ graph, tie: [source, target] }: { graph: Graph; tie: readonly [string, string] }) {
  const whole = useSignal(false);
  const found = useResource((signal) => get("/edges/{source}/{target}/lines", { in: { source, target }, query: { limit: whole.value ? 100 : LINES }, signal }), [source, target, whole.value, place.value.graph]);
  const [from, to] = [graph.at.get(source), graph.at.get(target)];
  const mentions = graph.ties.find((tie) => tie.source === from && tie.target === to)?.mentions;
  const back = graph.ties.some((tie) => tie.source === to && tie.target === from);
  const lines = found.value?.lines ?? [];
  const files = [...new Map(lines.map((each) => [each.upload_id, each.filename ?? "an upload without a name"]))];
  return (
    <section>
      <h3>
        {found.value && !found.value.next ? count(lines.length, "line") : mentions !== undefined ? count(mentions, "mention") : "Lines"} made this tie
        {found.value?.next && !whole.value && (
          <button type="button" class="btn quiet small" onClick={() => (whole.value = true)}>
            More
          </button>
        )}
        {back && (
          <button type="button" class="btn quiet small" onClick={() => see({ tie: [target, source] })}>
            Other direction
          </button>
        )}
      </h3>
      <p class="label files">
        <bdi>{found.value?.source ?? source}</bdi> → <bdi>{found.value?.target ?? target}</bdi>
        {files.length > 0 && <>, {lines.length > 1 && files.length === 1 && "all "}in </>}
        {files.map(([id, name], at) => (
          <span key={id}>
            {at > 0 && ", "}
            <a href={href(["uploads", id])}>
              <bdi>{name}</bdi>
            </a>
          </span>
        ))}
      </p>
      {found.problem && <ProblemNote problem={found.problem} again={found.again} />}
      {found.slow && !found.value && <p class="s soft">Reading the files again…</p>}
      <ol class="lines">
        {lines.map((line) => (
          <li key={`${line.batch_id} ${line.line}`}>
            <a class="ln" href={href(["uploads", line.upload_id], { batch: String(line.batch_id), line: String(line.line), source, target })} title={`${line.filename ?? "A file without a name"}, line ${line.line}, batch ${line.batch_id}`}>
              {line.line}
            </a>
            <span class="tx">
              {line.cut_before && "… "}
              <Marked text={line.text} places={line.mentions} />
              {line.cut_after && " …"}
              {line.repeated && <span class="label"> repeated, adds nothing</span>}
              {line.retracted && <span class="label"> retracted</span>}
            </span>
            <time dateTime={line.at}>{day(line.at)}</time>
          </li>
        ))}
      </ol>
      {found.value && lines.length === 0 && !found.value.unread.length && <p class="s soft">No line makes this tie now.</p>}
      {found.value?.unread.map((each) => (
        <p key={each.batch_id} class="label">
          {count(each.mention_count, "mention")} in <bdi>{each.filename ?? "an upload"}</bdi> can’t be shown: {each.why.replace("_", " ")}.
        </p>
      ))}
      {found.value?.purged && <p class="label">Older uploads added mentions too. Their retention time is over.</p>}
    </section>
  );
}

