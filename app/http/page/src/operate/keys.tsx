/** Keys: who has one and for what; make, replace and end them. */
import { useSignal } from "@preact/signals";
import { type Scope, lacks, self } from "../api/caller";
import { type Schemas, change, get, pathOf } from "../api/client";
import { useResource } from "../api/resource";
import { count, number, when } from "../format";
import { Dialog, say } from "../frame";
import { LackNote } from "../keying";
import { useAsking } from "../parts/asking";
import { useCurl } from "../parts/curl";
import { Icon } from "../parts/icon";
import { usePages } from "../parts/pages";
import { ProblemNote } from "../parts/problem";

type Key = Schemas["KeyAnswer"];

const SCOPES: readonly (readonly [Scope, string])[] = [
  ["graph:read", "ask about users, ties, networks and rankings"],
  ["graph:export", "take the graph out as a file"],
  ["uploads:write", "send files, and see and change the owner’s own uploads"],
  ["uploads:read", "see the uploads of every owner"],
  ["uploads:manage", "cancel, retract and replay the uploads of every owner"],
  ["metrics", "see processes, queues, decay and the cache"],
  ["admin", "everything, keys and graphs too"],
];
const WEEK = 7 * 86_400_000;

export function Keys() {
  const why = lacks("admin", { everywhere: true });
  return why ? <LackNote why={why} /> : <List />;
}

type Open = { readonly make: true } | { readonly rotate: Key } | { readonly revoke: Key };

function List() {
  const first = pathOf("/keys", { query: { limit: 50 } });
  const { pages, problem, busy, more, again } = usePages<Schemas["Keys"]>(first);
  const ended = useSignal(false);
  const open = useSignal<Open | null>(null);
  useCurl(first);
  const keys = pages.flatMap((page) => page.keys);
  const shown = ended.value ? keys : keys.filter((each) => each.state === "usable");
  const close = (): void => {
    open.value = null;
  };
  return (
    <>
      <div class="lead">
        <Finding keys={keys} more={Boolean(more)} />
        <div class="end">
          <label class="check">
            <input type="checkbox" checked={ended.value} onChange={(event) => (ended.value = event.currentTarget.checked)} />
            Show those that ended
          </label>
          <button type="button" class="btn primary" onClick={() => (open.value = { make: true })}>
            <Icon name="plus" />
            Make a key…
          </button>
        </div>
      </div>
      {problem && <ProblemNote problem={problem} again={again} />}
      {shown.length > 0 ? (
        <div class="panel scroll" tabIndex={0} role="region" aria-label="Keys" aria-busy={busy}>
          <table class="table flow">
            <thead>
              <tr>
                <th>State</th>
                <th>Owner</th>
                <th>Key</th>
                <th>Allows</th>
                <th>Graphs</th>
                <th class="num">Made</th>
                <th class="num">Ends</th>
                <th>
                  <span class="sr">What can be done</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((each) => (
                <Row key={each.id} each={each} open={(what) => (open.value = what)} />
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        !busy && !problem && <p class="panel empty">No key works. While the API listens on this machine alone, none may be needed.</p>
      )}
      {more && (
        <button type="button" class="btn" onClick={more}>
          Older
        </button>
      )}
      {open.value && "make" in open.value && <Make close={close} made={again} />}
      {open.value && "rotate" in open.value && <Rotate each={open.value.rotate} close={close} made={again} />}
      {open.value && "revoke" in open.value && <Revoke each={open.value.revoke} close={close} done={again} />}
    </>
  );
}

function Finding({ keys, more }: { keys: readonly Key[]; more: boolean }) {
  const works = keys.filter((each) => each.state === "usable");
  const soon = works.filter((each) => each.expires_at && Date.parse(each.expires_at) - Date.now() < WEEK);
  return (
    <p class="finding">
      {more && "At least "}
      <b>{count(works.length, "key")}</b> {works.length === 1 ? "works" : "work"}, of {count(new Set(works.map((each) => each.owner)).size, "owner")}.{" "}
      {soon.length > 0 && <span class="bad">{`${number(soon.length)} of them ${soon.length === 1 ? "ends" : "end"} within a week.`}</span>}
    </p>
  );
}

function Row({ each, open }: { each: Key; open: (what: Open) => void }) {
  const works = each.state === "usable";
  return (
    <tr>
      <td>
        <span class={works ? "st applied" : "st cancelled"}>
          <Icon name={works ? "s-applied" : "s-cancelled"} />
          {works ? "works" : each.state}
        </span>
      </td>
      <td class="strong">
        <bdi>{each.owner}</bdi>
        {each.id === self.value?.key_id && <span class="label"> yours</span>}
      </td>
      <td class="mono">{each.id}</td>
      <td class="wrap">{each.scopes.includes("admin") ? "everything" : each.scopes.join(", ")}</td>
      <td class="wrap" data-title="graphs">{each.graphs?.join(", ") ?? "all"}</td>
      <td class="num soft nowrap" data-title="made">{when(each.created_at)}</td>
      <td class="num soft nowrap" data-title={each.revoked_at ? "ended" : "ends"}>{each.revoked_at ? when(each.revoked_at) : each.expires_at ? when(each.expires_at) : "never"}</td>
      <td class="acts">
        {works && (
          <>
            <button type="button" class="btn small" onClick={() => open({ rotate: each })}>
              Replace…
            </button>
            <button type="button" class="btn small danger" onClick={() => open({ revoke: each })}>
              Revoke…
            </button>
          </>
        )}
      </td>
    </tr>
  );
}

const LIVES: readonly (readonly [string, string])[] = [
  ["7", "7 days"],
  ["30", "30 days"],
  ["90", "90 days"],
  ["365", "a year"],
  ["", "without an end"],
];

function Lifetime({ value, change: said }: { value: string; change: (days: string) => void }) {
  return (
    <label>
      <span class="label">Works for</span>
      <select class="field" value={value} onChange={(event) => said(event.currentTarget.value)}>
        {LIVES.map(([days, title]) => (
          <option key={days} value={days}>
            {title}
          </option>
        ))}
      </select>
    </label>
  );
}

function Make({ close, made }: { close: () => void; made: () => void }) {
  const owner = useSignal("");
  const scopes = useSignal<readonly string[]>(["graph:read", "uploads:write"]);
  const graphs = useSignal<readonly string[] | null>(null);
  const days = useSignal("90");
  const token = useSignal<Schemas["KeyMade"] | null>(null);
  const asking = useAsking();
  const names = useResource((signal) => get("/graphs", { query: { limit: 500 }, signal }), []);
  const flip = (list: readonly string[], each: string): string[] => (list.includes(each) ? list.filter((one) => one !== each) : [...list, each]);
  const make = (): Promise<boolean> =>
    asking.run(async () => {
      token.value = await change("post", "/keys", { body: { owner: owner.value.trim(), scopes: scopes.value, graphs: graphs.value, days: days.value ? Number(days.value) : null } });
      made();
    });
  if (token.value) return <Token made={token.value} close={close} />;
  const whole = scopes.value.includes("admin");
  return (
    <Dialog title="Make a key" close={close}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void make();
        }}
      >
        <label>
          <span class="label">Owner: a person, a team or a program</span>
          <input class="field" required pattern="[A-Za-z0-9][A-Za-z0-9.@+_\-]{0,63}" title="Letters of ASCII, digits and . @ + _ -" autofocus autocomplete="off" spellcheck={false} value={owner.value} onInput={(event) => (owner.value = event.currentTarget.value)} />
        </label>
        <fieldset>
          <legend class="label">What it allows</legend>
          {SCOPES.map(([scope, does]) => (
            <label key={scope} class="check">
              <input type="checkbox" checked={whole || scopes.value.includes(scope)} disabled={whole && scope !== "admin"} onChange={() => (scopes.value = flip(scopes.value, scope))} />
              <span>
                <b>{scope}</b> <span class="soft">{does}</span>
              </span>
            </label>
          ))}
        </fieldset>
        <fieldset>
          <legend class="label">For which graphs</legend>
          <label class="check">
            <input type="checkbox" checked={graphs.value === null} onChange={() => (graphs.value = graphs.value ? null : ["default"])} />
            all, later ones too
          </label>
          {graphs.value &&
            names.value?.graphs.map((each) => (
              <label key={each.name} class="check in">
                <input type="checkbox" checked={graphs.value?.includes(each.name)} onChange={() => (graphs.value = flip(graphs.value ?? [], each.name))} />
                <bdi>{each.name}</bdi>
              </label>
            ))}
        </fieldset>
        <Lifetime value={days.value} change={(value) => (days.value = value)} />
        {asking.problem && <ProblemNote problem={asking.problem} />}
        <button type="submit" class="btn primary" disabled={asking.busy || !owner.value.trim() || !scopes.value.length || graphs.value?.length === 0}>
          {asking.busy ? "Making it…" : "Make the key"}
        </button>
      </form>
    </Dialog>
  );
}

/** The token, shown this once. */
function Token({ made, close }: { made: Schemas["KeyMade"]; close: () => void }) {
  const copied = useSignal(false);
  const field = (element: HTMLInputElement | null): void => element?.select();
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(made.token);
    } catch {
      // A page over plain HTTP has no clipboard: the token is selected, and the keyboard copies it.
      document.querySelector<HTMLInputElement>("#token")?.select();
      return;
    }
    copied.value = true;
    say("The token is copied.");
  };
  return (
    <Dialog title={`The key of ${made.key.owner}`} close={close}>
      <p>This is the token. Nobody can show it again: the service keeps only a digest of it.</p>
      <div class="token">
        <input id="token" class="field mono" readOnly aria-label="Token" value={made.token} ref={field} onFocus={(event) => event.currentTarget.select()} />
        <button type="button" class="btn" onClick={() => void copy()}>
          {copied.value ? "Copied" : "Copy"}
        </button>
      </div>
      <p class="s soft">
        {made.key.scopes.join(", ")}; {made.key.graphs ? `for ${made.key.graphs.join(", ")}` : "for all graphs"}; {made.key.expires_at ? `works until ${when(made.key.expires_at)} UTC` : "has no end"}.
      </p>
      <div class="acts">
        <button type="button" class="btn primary" onClick={close}>
          I have it
        </button>
      </div>
    </Dialog>
  );
}

function Rotate({ each, close, made }: { each: Key; close: () => void; made: () => void }) {
  const grace = useSignal("24");
  const token = useSignal<Schemas["KeyMade"] | null>(null);
  const asking = useAsking();
  if (token.value) return <Token made={token.value} close={close} />;
  const rotate = (): Promise<boolean> =>
    asking.run(async () => {
      token.value = await change("post", "/keys/{key_id}/rotate", { in: { key_id: each.id }, body: { grace_hours: Number(grace.value) } });
      made();
    });
  return (
    <Dialog title={`Replace the key of ${each.owner}`} close={close}>
      <p>The new key has the same owner, scopes and graphs. The old token works beside it for a while.</p>
      <div class="stack">
        <label>
          <span class="label">The old token works for another</span>
          <select class="field" value={grace.value} onChange={(event) => (grace.value = event.currentTarget.value)}>
            <option value="0">0 hours: it ends now</option>
            <option value="1">hour</option>
            <option value="24">24 hours</option>
            <option value="168">7 days</option>
          </select>
        </label>
        {asking.problem && <ProblemNote problem={asking.problem} />}
      </div>
      <div class="acts">
        <button type="button" class="btn primary" disabled={asking.busy} onClick={() => void rotate()}>
          Make the new key
        </button>
        <button type="button" class="btn quiet" onClick={close}>
          Leave it
        </button>
      </div>
    </Dialog>
  );
}

function Revoke({ each, close, done }: { each: Key; close: () => void; done: () => void }) {
  const asking = useAsking();
  const revoke = async (): Promise<void> => {
    const did = await asking.run(async () => {
      await change("delete", "/keys/{key_id}", { in: { key_id: each.id } });
    });
    if (!did) return;
    say(`The key ${each.id} is revoked.`);
    close();
    done();
  };
  return (
    <Dialog title={`Before you revoke the key of ${each.owner}`} close={close}>
      <p>
        Every process refuses <code>{each.id}</code> within five seconds, for ever. Downloads and uploads that it is at break off. The uploads of {each.owner} stay.
      </p>
      {each.id === self.value?.key_id && <p class="bad strong">This page uses this key, and will ask for another.</p>}
      {asking.problem && <ProblemNote problem={asking.problem} />}
      <div class="acts">
        <button type="button" class="btn danger" disabled={asking.busy} onClick={() => void revoke()}>
          Revoke the key
        </button>
        <button type="button" class="btn quiet" onClick={close}>
          Leave it
        </button>
      </div>
    </Dialog>
  );
}
