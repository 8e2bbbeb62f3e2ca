/** A user: days, partners in, out and mutual, and the lines that made a tie. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { get, pathOf, type Schemas } from "../api/client";
import { useResource } from "../api/resource";
import { count, number } from "../format";
import { useCurl } from "../parts/curl";
import { Days, type Shown } from "../parts/days";
import { ProblemNote } from "../parts/problem";
import { Tie } from "../parts/tie";
import { usePages } from "../parts/pages";
import { href, place, refine } from "../router";

const KEPT_DAYS = 35;
const SHOWN = 10;

interface Partner {
  readonly handle: string;
  readonly spelling: string;
  readonly mentions: number;
}

export default function User() {
  const handle = place.value.path[1] ?? "";
  const user = useResource((signal) => get("/users/{handle}", { in: { handle }, signal }), [handle, place.value.graph]);
  useCurl(pathOf("/users/{handle}", { in: { handle } }));
  const { value } = user;
  return (
    <main id="main" tabIndex={-1} class="user" aria-busy={user.slow}>
      {user.problem && <ProblemNote problem={user.problem} again={user.again} />}
      {value && <Found key={value.handle} user={value} />}
    </main>
  );
}

function Found({ user }: { user: Schemas["UserAnswer"] }) {
  const name = user.spelling;
  const { source, target } = tieOf(name);
  return (
    <>
      <div class="hd">
        <div>
          <p class="crumb">
            <a href={href(["network"], { around: name })}>Network</a> / user
          </p>
          <h1>
            <bdi>{name}</bdi>
          </h1>
          <p class="finding">{sentence(user)}</p>
          <div class="acts">
            <a class="btn primary" href={href(["network"], { around: name })}>
              Draw the network
            </a>
            <a class="btn" href={href(["network"], { around: name, path: "?" })}>
              Path to…
            </a>
          </div>
        </div>
        <Facts user={user} />
      </div>
      <UserDays name={name} />
      <div class="grid2">
        <div class="three">
          <Partners title="Mentions" name={name} total={user.mentioned_users} path="/users/{handle}/outgoing" chosen={target} />
          <Partners title="Is mentioned by" name={name} total={user.mentioning_users} path="/users/{handle}/incoming" chosen={source === name ? undefined : source} />
          <Mutual name={name} />
        </div>
        {source && target ? <Tie source={source} target={target} /> : <p class="soft">Choose a partner to see the lines that made the tie.</p>}
      </div>
    </>
  );
}

/** The tie that is open, in the address as `to` or `from`. */
function tieOf(name: string): { source: string | undefined; target: string | undefined } {
  const { to, from } = place.value.query;
  return to ? { source: name, target: to } : from ? { source: from, target: name } : { source: undefined, target: undefined };
}

function sentence(user: Schemas["UserAnswer"]): ComponentChildren {
  const received = (
    <>
      Mentioned <b>{number(user.mentions_received)}</b> {user.mentions_received === 1 ? "time" : "times"} by {count(user.mentioning_users, "user")}
    </>
  );
  const made = (
    <>
      mentions others <b>{number(user.mentions_made)}</b> {user.mentions_made === 1 ? "time" : "times"}, {count(user.mentioned_users, "user")} in all
    </>
  );
  if (!user.mentions_received) return <>Nobody mentions this user, who {made}.</>;
  if (!user.mentions_made) return <>{received}. Mentions nobody.</>;
  return (
    <>
      {received}; {made}.
    </>
  );
}

function Facts({ user }: { user: Schemas["UserAnswer"] }) {
  const rows: readonly (readonly [string, string])[] = [
    ["Mentions received", number(user.mentions_received)],
    ["Mentions made", number(user.mentions_made)],
    ["Weight received", user.weight_received.toFixed(1)],
    ["Weight made", user.weight_made.toFixed(1)],
    ["Mentions of oneself", number(user.self_mentions)],
  ];
  return (
    <section>
      <h2>In the whole graph</h2>
      <table class="table compact facts">
        <tbody>
          {rows.map(([title, value]) => (
            <tr key={title}>
              <th scope="row">{title}</th>
              <td class="num">{value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function UserDays({ name }: { name: string }) {
  const shown = useSignal<Shown>("both");
  const days = useResource((signal) => get("/users/{handle}/days", { in: { handle: name }, query: { days: KEPT_DAYS }, signal }), [name]);
  return (
    <section class="userdays">
      <div class="sh">
        <h2>Days</h2>
        <span class="s muted">made above the line, received below; grey columns are weekends</span>
        <span class="end seg" role="group" aria-label="What the columns show">
          {(["both", "made", "received"] as const).map((each) => (
            <button key={each} type="button" aria-pressed={shown.value === each} onClick={() => (shown.value = each)}>
              {each.charAt(0).toUpperCase() + each.slice(1)}
            </button>
          ))}
        </span>
      </div>
      {days.problem && <ProblemNote problem={days.problem} again={days.again} />}
      {days.value && (
        <div class="panel g">
          <Days days={days.value.days} shown={shown.value} label={`Mentions that ${name} made and received in the last ${days.value.days.length} days`} />
        </div>
      )}
    </section>
  );
}

type Listed = Schemas["Mentions"];

function Partners({ title, name, total, path, chosen }: { title: string; name: string; total: number; path: "/users/{handle}/outgoing" | "/users/{handle}/incoming"; chosen: string | undefined }) {
  const outgoing = path.endsWith("outgoing");
  const { pages, problem, more } = usePages<Listed>(pathOf(path, { in: { handle: name }, query: { limit: SHOWN } }));
  const partners = pages.flatMap((page) => page.mentions).map((each): Partner => ({ handle: each.handle, spelling: each.spelling, mentions: each.mention_count }));
  return (
    <section>
      <h2>
        {title}
        <span class="label">{count(total, "user")}</span>
      </h2>
      {problem && <ProblemNote problem={problem} />}
      <List partners={partners} chosen={chosen} side={outgoing ? "to" : "from"} />
      {more && (
        <button type="button" class="btn quiet small" onClick={more}>
          More of {number(total)}
        </button>
      )}
    </section>
  );
}

function Mutual({ name }: { name: string }) {
  const { pages, problem, more } = usePages<Schemas["Ties"]>(pathOf("/users/{handle}/reciprocal", { in: { handle: name }, query: { limit: SHOWN } }));
  const partners = pages
    .flatMap((page) => page.ties)
    .map((each): Partner => ({ handle: each.handle, spelling: each.spelling, mentions: Math.min(each.made.mention_count, each.received.mention_count) }));
  return (
    <section>
      <h2>
        Mutual<span class="label">as strong as the weaker side</span>
      </h2>
      {problem && <ProblemNote problem={problem} />}
      {pages.length > 0 && !partners.length && <p class="s soft">Nobody whom this user mentions answers.</p>}
      <List partners={partners} chosen={undefined} side="to" />
      {more && (
        <button type="button" class="btn quiet small" onClick={more}>
          More
        </button>
      )}
    </section>
  );
}

function List({ partners, chosen, side }: { partners: readonly Partner[]; chosen: string | undefined; side: "to" | "from" }) {
  const most = Math.max(1, ...partners.map((each) => each.mentions));
  return (
    <ul>
      {partners.map((each) => (
        <li key={each.handle} class={each.spelling === chosen ? "pr on" : "pr"}>
          <button type="button" aria-pressed={each.spelling === chosen} onClick={() => refine({ to: undefined, from: undefined, [side]: each.spelling })}>
            <bdi>{each.spelling}</bdi>
          </button>
          <i>
            <b style={{ width: `${(100 * each.mentions) / most}%` }} />
          </i>
          <span class="num">{number(each.mentions)}</span>
        </li>
      ))}
    </ul>
  );
}
