/** The user's key: asked for once, shown with its owner and its end, forgotten by one action. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { forget, known, self, use } from "./api/caller";
import { type Problem, key, keyWanted } from "./api/client";
import { Dialog, say } from "./frame";
import { when } from "./format";
import { Icon } from "./parts/icon";
import { Prose } from "./parts/prose";

const DAY = 86_400_000;

/** What a person can do about a key that is refused, by the problem's type. */
const WAYS: Readonly<Record<string, string>> = {
  "no-key": "Whoever runs this server makes keys. On the machine of `mentiongraph up`, a key is in the file admin.key of its directory.",
  "wrong-key": "Copy the whole token, from mg_ to its last character. If it was revoked, ask whoever runs this server for another.",
  "expired-key": "Ask whoever runs this server for another key: `mentiongraph keys rotate` replaces this one.",
  "too-many-wrong-keys": "Wait for a few seconds, and try again.",
};

function kind(problem: Problem): string {
  return problem.type.split(":").at(-1) ?? "";
}

function wayOut(problem: Problem): string {
  return WAYS[kind(problem)] ?? "";
}

/** The whole screen while the page knows no key and the server wants one. */
export function KeyScreen() {
  return (
    <main id="main" tabIndex={-1} class="keyscreen">
      {keyWanted.value && (
        <section class="panel">
          <h1>This server asks for a key</h1>
          <KeyForm problem={keyWanted.value} />
        </section>
      )}
    </main>
  );
}

function KeyForm({ problem, done }: { problem: Problem; done?: () => void }) {
  const token = useSignal("");
  const refused = useSignal<Problem | null>(null);
  const busy = useSignal(false);
  const told = refused.value ?? problem;
  const send = async (): Promise<void> => {
    busy.value = true;
    refused.value = await use(token.value.trim());
    busy.value = false;
    if (refused.value) return;
    say(`The key of ${self.value?.owner ?? "nobody"} is used.`);
    done?.();
  };
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <div role="status">
        <p class={refused.value ? "bad" : undefined}>
          <Prose text={said(told)} />
        </p>
        <p class="s soft">
          <Prose text={wayOut(told)} />
        </p>
      </div>
      <label>
        <span class="label">Key</span>
        <input
          class={refused.value ? "field wrong" : "field"}
          type="password"
          name="key"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          autofocus
          placeholder="mg_…"
          aria-invalid={refused.value !== null}
          value={token.value}
          onInput={(event) => (token.value = event.currentTarget.value)}
        />
      </label>
      <p class="s soft">This tab keeps the key until you close the tab. The key is sent to this server only.</p>
      <button type="submit" class="btn primary" disabled={busy.value || !token.value.trim()}>
        {busy.value ? "Trying it…" : "Use this key"}
      </button>
    </form>
  );
}

/** What is wrong. Which path lacked a key is nothing that helps. */
function said(problem: Problem): string {
  if (kind(problem) === "no-key") return "Each request to this server needs a key.";
  return `${problem.detail.charAt(0).toUpperCase()}${problem.detail.slice(1)}`;
}

/** In the bar: whose key the page sends. It opens what the key allows, and where it is forgotten or replaced. */
export function KeyMenu() {
  const open = useSignal(false);
  const mine = self.value;
  const wanted = keyWanted.value;
  useEffect(() => {
    if (wanted && known.peek()) open.value = true;
  }, [wanted]);
  if (!known.value || (!wanted && !mine?.key_id)) return null;
  const name = wanted ? "Enter a key" : (mine?.owner ?? "Your key");
  return (
    <>
      <button type="button" class={wanted ? "btn small keybtn bad" : "btn small keybtn"} aria-label={wanted ? name : `Key: ${name}`} title={wanted ? undefined : `Key of ${name}, ${ends(mine?.expires_at ?? null)}`} onClick={() => (open.value = true)}>
        <Icon name="key" />
        <bdi class="wide">{name}</bdi>
        {soon(mine?.expires_at ?? null) && <Icon name="warn" class="warn" />}
      </button>
      {open.value && wanted && (
        <Dialog title="The key no longer works" close={() => (open.value = false)}>
          <KeyForm problem={wanted} done={() => (open.value = false)} />
        </Dialog>
      )}
      {open.value && !wanted && mine && <Mine close={() => (open.value = false)} />}
    </>
  );
}

function Mine({ close }: { close: () => void }) {
  const mine = self.value;
  if (!mine) return null;
  return (
    <Dialog title="Your key" close={close}>
      <dl class="facts">
        <dt>Owner</dt>
        <dd>
          <bdi>{mine.owner}</bdi>
        </dd>
        <dt>Key</dt>
        <dd class="mono">mg_{mine.key_id}_…</dd>
        <dt>Allows</dt>
        <dd>{mine.scopes.includes("admin") ? "everything" : mine.scopes.join(", ")}</dd>
        <dt>Graphs</dt>
        <dd>{mine.graphs ? mine.graphs.join(", ") : "all"}</dd>
        <dt>Ends</dt>
        <dd>
          {mine.expires_at ? `${when(mine.expires_at)} UTC` : "never"}
          {soon(mine.expires_at) && <span class="st warn"> soon: ask for another key</span>}
        </dd>
      </dl>
      <p class="s soft">This tab keeps the key until you close the tab. Commands take it from MENTIONGRAPH_KEY.</p>
      <div class="acts">
        <button
          type="button"
          class="btn"
          onClick={() => {
            close();
            forget();
            say("The key is forgotten.");
          }}
        >
          Forget this key
        </button>
      </div>
    </Dialog>
  );
}

function ends(expires: string | null): string {
  return expires ? `works until ${when(expires)} UTC` : "without an end";
}

/** Whether the key ends within three days. */
function soon(expires: string | null): boolean {
  return expires !== null && key.value !== null && Date.parse(expires) - Date.now() < 3 * DAY;
}

/** A sentence in the place of what the key does not allow; nothing where it is allowed. */
export function LackNote({ why }: { why: string | undefined }) {
  if (!why) return null;
  return (
    <p class="note info lack">
      <Icon name="key" />
      <span>{why}</span>
    </p>
  );
}
