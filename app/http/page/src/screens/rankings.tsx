/** Rankings and trends: who is mentioned most, who mentions most, the strongest ties, who is mentioned more than before. */
import { get, pathOf, type Schemas } from "../api/client";
import { useResource } from "../api/resource";
import { number, when } from "../format";
import { useCurl } from "../parts/curl";
import { ProblemNote } from "../parts/problem";
import { useRowKeys } from "../parts/rows";
import { href, place, refine } from "../router";

const LISTS = {
  mentioned: "Mentioned most now",
  mentioning: "Mentions most now",
  edges: "Strongest ties",
  trending: "Trending",
} as const;
type Name = keyof typeof LISTS;

const LIMITS = [20, 50, 100] as const;

export default function Rankings() {
  const name = nameOf(place.value.query["list"]);
  const limit = Number(place.value.query["limit"] ?? LIMITS[0]);
  const path = `/rankings/${name}` as const;
  useCurl(pathOf(path, { query: { limit } }));
  const found = useResource(async (signal) => ({ name, answer: await get(path, { query: { limit }, signal }) }), [name, limit, place.value.graph]);
  const answer = found.value?.name === name ? found.value.answer : undefined;
  useRowKeys("Rankings", name === "edges" ? "tie" : "user", `main.rankings tbody td:nth-child(${name === "edges" ? 3 : 2}) a`);
  return (
    <main id="main" tabIndex={-1} class="rankings" aria-busy={found.slow}>
      <div class="head">
        <h1>Rankings</h1>
      </div>
      <nav class="tbs" aria-label="Lists">
        {Object.entries(LISTS).map(([each, title]) => (
          <a key={each} class="tb" href={href(["rankings"], { list: each })} aria-current={each === name ? "page" : undefined}>
            {title}
          </a>
        ))}
      </nav>
      {found.problem && <ProblemNote problem={found.problem} again={found.again} />}
      {answer && (
        <>
          <p class="finding">{finding(name, answer as never)}</p>
          <div class="panel">
            {name === "edges" ? <Edges edges={(answer as Schemas["EdgeRanking"]).edges} /> : name === "trending" ? <TrendingUsers answer={answer as Schemas["Trending"]} /> : <Users users={(answer as Schemas["UserRanking"]).users} />}
          </div>
          <p class="foot">
            {answer.stale_since ? `Mentions since ${when(answer.stale_since)} are not in it yet.` : "Every applied upload is in it."}
            <span class="end seg" role="group" aria-label="How many">
              {LIMITS.map((each) => (
                <button key={each} type="button" aria-pressed={each === limit} onClick={() => refine({ limit: String(each) })}>
                  {each}
                </button>
              ))}
            </span>
          </p>
        </>
      )}
    </main>
  );
}

function nameOf(text: string | undefined): Name {
  return text !== undefined && text in LISTS ? (text as Name) : "mentioned";
}

function finding(name: Name, answer: Schemas["UserRanking"] & Schemas["EdgeRanking"] & Schemas["Trending"]) {
  if (name === "edges") {
    const [first] = answer.edges;
    if (!first) return "The graph has no tie yet.";
    return (
      <>
        The strongest tie at present: <bdi>{first.source_spelling}</bdi> mentions <bdi>{first.target_spelling}</bdi> <b>{number(first.mention_count)}</b> times.
      </>
    );
  }
  const [first] = answer.users;
  if (!first) return name === "trending" ? "Nobody is mentioned more than before." : "The graph has no mention yet.";
  if (name === "trending")
    return (
      <>
        <bdi>{first.spelling}</bdi> was mentioned <b>{number(first.mentions)}</b> times in the last {answer.days} days, after {number(first.mentions_before)} in those before.
      </>
    );
  return (
    <>
      <bdi>{first.spelling}</bdi> {name === "mentioned" ? "is mentioned most" : "mentions others most"} at present, and <b>{number(first.mentions)}</b> times in all. Older mentions weigh less.
    </>
  );
}

function UserLink({ name }: { name: string }) {
  return (
    <a class="fn" href={href(["users", name])}>
      <bdi>{name}</bdi>
    </a>
  );
}

function Bar({ value, most }: { value: number; most: number }) {
  return (
    <td class="bar">
      <i style={{ width: `${(100 * value) / Math.max(1, most)}%` }} />
    </td>
  );
}

function Users({ users }: { users: Schemas["UserRanking"]["users"] }) {
  const most = users[0]?.weight ?? 1;
  return (
    <table class="table">
      <thead>
        <tr>
          <th class="num">Rank</th>
          <th>User</th>
          <th class="wide">
            <span class="sr">As a bar</span>
          </th>
          <th class="num">Mentions</th>
          <th class="num wide">Weight now</th>
        </tr>
      </thead>
      <tbody>
        {users.map((each, at) => (
          <tr key={each.handle}>
            <td class="num muted">{at + 1}</td>
            <td>
              <UserLink name={each.spelling} />
            </td>
            <Bar value={each.weight} most={most} />
            <td class="num">{number(each.mentions)}</td>
            <td class="num soft wide">{each.weight.toFixed(1)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Edges({ edges }: { edges: Schemas["EdgeRanking"]["edges"] }) {
  const most = edges[0]?.weight ?? 1;
  return (
    <table class="table">
      <thead>
        <tr>
          <th class="num">Rank</th>
          <th>Who mentions</th>
          <th>Who is mentioned</th>
          <th class="wide">
            <span class="sr">As a bar</span>
          </th>
          <th class="num">Mentions</th>
          <th class="num wide">Weight now</th>
          <th class="num wide">Last</th>
        </tr>
      </thead>
      <tbody>
        {edges.map((each, at) => (
          <tr key={`${each.source} ${each.target}`}>
            <td class="num muted">{at + 1}</td>
            <td>
              <UserLink name={each.source_spelling} />
            </td>
            <td>
              <a href={href(["users", each.source_spelling], { to: each.target_spelling })}>
                <bdi>{each.target_spelling}</bdi>
              </a>
            </td>
            <Bar value={each.weight} most={most} />
            <td class="num">{number(each.mention_count)}</td>
            <td class="num soft wide">{each.weight.toFixed(1)}</td>
            <td class="num soft wide">{when(each.last_seen)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function TrendingUsers({ answer }: { answer: Schemas["Trending"] }) {
  const most = Math.max(1, ...answer.users.map((each) => each.mentions));
  return (
    <table class="table">
      <thead>
        <tr>
          <th class="num">Rank</th>
          <th>User</th>
          <th class="wide">
            <span class="sr">As a bar</span>
          </th>
          <th class="num">Last {answer.days} days</th>
          <th class="num">Before</th>
        </tr>
      </thead>
      <tbody>
        {answer.users.map((each, at) => (
          <tr key={each.handle}>
            <td class="num muted">{at + 1}</td>
            <td>
              <UserLink name={each.spelling} />
            </td>
            <Bar value={each.mentions} most={most} />
            <td class="num">{number(each.mentions)}</td>
            <td class="num soft">{number(each.mentions_before)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
