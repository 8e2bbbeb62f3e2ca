/** What stands around every screen: the bar with its places, the form for a key, the help. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { known, lacks, self } from "./api/caller";
import { get } from "./api/client";
import { turn } from "./api/graphs";
import { useResource } from "./api/resource";
import { KeyMenu, KeyScreen } from "./keying";
import { lettersOn, type Shortcut, shortcuts, switchLetters, useShortcuts } from "./keyboard";
import { SameCommand, SameData } from "./parts/curl";
import { giveBack } from "./parts/focus";
import { Icon, type IconName } from "./parts/icon";
import { go, href, place } from "./router";
import { FindUser } from "./find";

interface Screen {
  readonly path: string;
  readonly title: string;
  readonly key: string;
  /** In the bar of narrow screens; the others are in its last place. */
  readonly icon?: IconName;
}

const SCREENS: readonly Screen[] = [
  { path: "add", title: "Add files", key: "a", icon: "plus" },
  { path: "uploads", title: "Uploads", key: "u", icon: "list" },
  { path: "network", title: "Network", key: "n", icon: "net" },
  { path: "rankings", title: "Rankings", key: "r", icon: "page" },
  { path: "operate", title: "Operate", key: "o", icon: "menu" },
];

export function Frame({ children }: { children: ComponentChildren }) {
  const [first = "add"] = place.value.path;
  const current = first === "users" ? "network" : first;
  const helping = useSignal(false);
  useShortcuts("Everywhere", [
    ...SCREENS.map((screen) => ({ keys: `g ${screen.key}`, does: screen.title, act: () => go([screen.path]) })),
    { keys: "/", does: "Find a user", act: () => document.querySelector<HTMLInputElement>("#find")?.focus() },
    { keys: "?", does: "Help and keys", act: () => (helping.value = true) },
  ]);
  useEffect(() => {
    const screen = SCREENS.find((each) => each.path === first);
    document.title = `${screen?.title ?? place.value.path[1] ?? "Network"} · mentiongraph`;
  }, [first, place.value.path[1]]);
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href={href([])}>
          <span class="marked">mention</span>
          <span>graph</span>
        </a>
        {known.value && <GraphMenu />}
        <nav class="nav" aria-label="Screens">
          {SCREENS.map((screen) => (
            <a key={screen.path} href={href([screen.path])} aria-current={screen.path === current ? "page" : undefined}>
              {screen.title}
            </a>
          ))}
        </nav>
        <div class="end">
          {known.value && <FindUser />}
          <KeyMenu />
          <Theme />
          <button type="button" class="icon" aria-label="Help and keys" title="Help and keys  ?" onClick={() => (helping.value = true)}>
            <Icon name="help" />
          </button>
        </div>
      </header>
      {known.value ? children : <KeyScreen />}
      {known.value && <SameData />}
      <nav class="tabs-bottom" aria-label="Screens">
        {SCREENS.map((screen) => (
          <a key={screen.path} href={href([screen.path])} aria-current={screen.path === current ? "page" : undefined}>
            {screen.icon && <Icon name={screen.icon} />}
            {screen.title}
          </a>
        ))}
      </nav>
      {helping.value && <Help close={() => (helping.value = false)} />}
      <div id="live" class="sr" aria-live="polite" />
    </>
  );
}

/** `#main` names no screen, so the link moves the focus itself. */
function skip(event: MouseEvent): void {
  event.preventDefault();
  document.querySelector<HTMLElement>("main")?.focus();
}

/** Tell people who do not see the page what has changed on it. */
export function say(text: string): void {
  const live = document.querySelector("#live");
  if (live) live.textContent = text;
}

function GraphMenu() {
  const graphs = useResource(async (signal) => (lacks("graph:read") ? undefined : get("/graphs", { query: { limit: 500 }, signal })), [self.value, turn.value]);
  // A key without graph:read lists no graphs, and still names those that it is for.
  const names = [...(graphs.value?.graphs.map((each) => each.name) ?? self.value?.graphs ?? ["default"])];
  const { graph } = place.value;
  if (!names.includes(graph)) names.push(graph);
  if (names.length === 1 && graph === "default") return null;
  return (
    <select
      class="gsel"
      aria-label="Graph"
      value={graph}
      onChange={(event) => go(place.value.path.slice(0, 1), {}, event.currentTarget.value)}
    >
      {names.map((name) => (
        <option key={name}>{name}</option>
      ))}
    </select>
  );
}

function Theme() {
  const turn = (): void => {
    const root = document.documentElement;
    const dark = root.dataset["theme"] === "dark" || (!root.dataset["theme"] && matchMedia("(prefers-color-scheme: dark)").matches);
    root.dataset["theme"] = dark ? "light" : "dark";
    localStorage.setItem("mentiongraph.theme", root.dataset["theme"]);
  };
  return (
    <button type="button" class="icon" aria-label="Light or dark" onClick={turn}>
      <Icon name="theme" />
    </button>
  );
}

/** A box over the page; `Escape` and a press beside it close it. */
export function Dialog({ title, close, children }: { title: string; close: () => void; children: ComponentChildren }) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    box.current?.showModal();
    return () => giveBack(box.current, before);
  }, []);
  return (
    <dialog ref={box} class="dialog" aria-label={title} onClose={close} onClick={(event) => event.target === box.current && box.current?.close()}>
      <div class="inside">
        <div class="dhead">
          <h2>{title}</h2>
          <button type="button" class="icon" aria-label="Close" onClick={() => box.current?.close()}>
            <Icon name="x" />
          </button>
        </div>
        {children}
      </div>
    </dialog>
  );
}

const SIGNS: Readonly<Record<string, string>> = { ArrowDown: "↓", ArrowUp: "↑", Escape: "Esc" };

/** What can be done, each with all its shortcuts. */
function rowsOf(list: readonly Shortcut[]): readonly (readonly [string, readonly string[]])[] {
  const rows = new Map<string, string[]>();
  for (const { does, keys } of list) rows.set(does, [...(rows.get(does) ?? []), keys]);
  return [...rows];
}

function Help({ close }: { close: () => void }) {
  return (
    <Dialog title="Help and keys" close={close}>
      <p>
        <a href="guide/">The guide</a> explains each step. <a href="doc">The API</a> gives everything that this page shows.
      </p>
      <SameCommand />
      {shortcuts.value.filter(([, list]) => list.length > 0).map(([of, list]) => (
        <section key={of}>
          <h3>{of}</h3>
          <dl class="keys">
            {rowsOf(list).map(([does, ways]) => (
              <div key={does}>
                <dt>
                  {ways.map((keys, at) => (
                    <span key={keys}>
                      {at > 0 && <span class="label"> or </span>}
                      {keys.split(/[ +](?=.)/).map((one) => (
                        <kbd key={one}>{SIGNS[one] ?? one}</kbd>
                      ))}
                    </span>
                  ))}
                </dt>
                <dd>{does}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
      <label class="check">
        <input type="checkbox" checked={lettersOn.value} onChange={(event) => switchLetters(event.currentTarget.checked)} />
        Single letters are shortcuts
      </label>
    </Dialog>
  );
}
