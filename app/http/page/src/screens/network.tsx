/** The network: who mentions whom around a user, or the heaviest ties of all, as a drawing and as a table. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { useResource } from "../api/resource";
import { key } from "../api/client";
import { LETTERED, type Laid, layOut, orderOf } from "../drawing/layout";
import { type Chosen, LETTERS } from "../drawing/scene";
import { fewOf, type Shown, show } from "../drawing/shown";
import type { Stage } from "../drawing/stage";
import { UserField } from "../find";
import { count, number } from "../format";
import { say } from "../frame";
import { useShortcuts } from "../keyboard";
import { DAY } from "../network/days";
import { Dock } from "../network/dock";
import { Drawing, shotOf } from "../network/drawing";
import { curlPath, type Loaded, load, MANY, nameOf } from "../network/load";
import { Panel, placeOf } from "../network/panel";
import { Saving } from "../network/saving";
import { Twin } from "../network/twin";
import { see, type View, viewOf } from "../network/view";
import { useCurl } from "../parts/curl";
import { Icon } from "../parts/icon";
import { ProblemNote } from "../parts/problem";
import { href, place } from "../router";

/** Ties that can be drawn at all. */
const MOST_DRAWN = 20_000;

export default function Screen() {
  const view = viewOf(place.value.query);
  const loaded = useResource((signal) => load(view, signal), [place.value.graph, view.around, view.steps, view.many, view.more.join("\n"), view.path?.join("\n"), key.value]);
  useCurl(curlPath(view));
  const { found: laid, failed } = useLayout(loaded.value);
  const wanted = nameOf(view);
  const current = laid && laid.loaded.of === wanted ? laid : undefined;
  return (
    <main id="main" tabIndex={-1} class={`network ${view.shape}`} aria-busy={!current}>
      {current ? <Drawn key={current.loaded.of} {...current} view={view} problem={loaded.problem && <ProblemNote problem={loaded.problem} again={loaded.again} />} /> : <Nothing view={view} loaded={loaded} users={loaded.value?.of === wanted ? loaded.value.graph.users.length : null} failed={failed} />}
    </main>
  );
}

interface LaidOut {
  readonly loaded: Loaded;
  readonly laid: Laid;
}

/** A scale at which a saved picture can be read, however small the screen is. */
function legible(scale: number): number {
  return Math.max(0.75, Math.min(2, scale));
}

/** The layout of what was loaded; while the next is computed, the last one. */
function useLayout(loaded: Loaded | undefined): { found: LaidOut | undefined; failed: string } {
  const found = useSignal<LaidOut | undefined>(undefined);
  const failed = useSignal("");
  useEffect(() => {
    if (!loaded) return;
    const control = new AbortController();
    layOut(orderOf(loaded.graph), control.signal).then(
      (laid) => {
        if (control.signal.aborted) return;
        found.value = { loaded, laid };
        failed.value = "";
      },
      (error: Error) => (failed.value = error.message),
    );
    return () => control.abort();
  }, [loaded]);
  return { found: found.value, failed: failed.value };
}

/** Before the first drawing: what is awaited, or why there is none. */
function Nothing({ view, loaded, users, failed }: { view: View; loaded: ReturnType<typeof useResource<Loaded>>; users: number | null; failed: string }) {
  return (
    <>
      <div class="bar">
        <Around view={view} name={view.around} />
      </div>
      <div class="canvas none">
        {loaded.problem ? (
          <div class="said">
            <ProblemNote problem={loaded.problem} again={loaded.again} />
          </div>
        ) : (
          <p class="said soft" role="status">
            {failed || (users !== null ? `Laying out ${count(users, "user")}…` : loaded.slow ? "Reading the ties…" : "")}
          </p>
        )}
      </div>
    </>
  );
}

function Drawn({ loaded, laid, view, problem }: LaidOut & { view: View; problem: preact.ComponentChildren }) {
  const { graph } = loaded;
  const stage = useRef<Stage | null>(null);
  const cursor = useSignal<number | null>(null);
  const saving = useSignal(false);
  const selected = view.selected === null ? undefined : placeOf(graph, view.selected);
  const shown = useShown(loaded, laid, view);
  const chosen = useChosen(loaded, view, selected);
  // Keys go on from whoever is selected, however that came about.
  useEffect(() => {
    cursor.value = null;
  }, [selected]);
  const select = (user: number | null): void => {
    see({ selected: user === null ? null : graph.users[user]!.handle, tie: null });
    if (user !== null) say(spoken(loaded, laid, shown, user));
  };
  const press = (user: number | null, tie: number | null): void => {
    if (tie === null) return select(user);
    const { source, target } = graph.ties[tie]!;
    const pair = [graph.users[source]!.handle, graph.users[target]!.handle] as const;
    see({ selected: view.selected !== null && pair.includes(view.selected) ? view.selected : pair[0], tie: pair });
  };
  const walk = (by: number): void => {
    const users = graph.ranked.filter((user) => shown.users.has(user));
    const from = users.indexOf(cursor.value ?? selected ?? -1);
    const next = users[from < 0 ? 0 : Math.max(0, Math.min(users.length - 1, from + by))];
    if (next === undefined) return;
    cursor.value = next;
    say(spoken(loaded, laid, shown, next));
  };
  const expand = (user: number | undefined): void => {
    const handle = user === undefined ? undefined : graph.users[user]?.handle;
    if (handle && !view.more.includes(handle)) see({ more: [...view.more, handle] });
  };
  /** Go through the drawn ties of the selected user, the heaviest first. */
  const nextTie = (by: number): void => {
    const user = selected ?? cursor.value;
    if (user === null || user === undefined) return;
    const ties = shown.ties.filter((each) => graph.ties[each]!.source === user || graph.ties[each]!.target === user).reverse();
    const at = chosen.tie === null ? (by > 0 ? 0 : ties.length - 1) : (ties.indexOf(chosen.tie) + by + ties.length) % ties.length;
    const tie = graph.ties[ties[at] ?? -1];
    if (!tie) return;
    const [source, target] = [graph.users[tie.source]!, graph.users[tie.target]!];
    see({ selected: graph.users[user]!.handle, tie: [source.handle, target.handle] });
    say(`${source.spelling} mentions ${target.spelling} ${count(tie.mentions, "time")}`);
  };
  useShortcuts("Network", [
    { keys: "+", does: "Closer", act: () => stage.current?.zoom(1.4) },
    { keys: "-", does: "Farther", act: () => stage.current?.zoom(1 / 1.4) },
    { keys: "0", does: "Show everything", act: () => document.querySelector<HTMLElement>("[data-fit]")?.click() },
    { keys: "e", does: "Add the user’s surroundings", act: () => expand(cursor.value ?? selected) },
    { keys: "p", does: "Path from here", act: () => (select(cursor.value ?? selected ?? null), setTimeout(() => document.querySelector<HTMLElement>("[data-path]")?.click())) },
    { keys: "t", does: "The next tie of the selected user, and the lines that made it", act: () => nextTie(1) },
    { keys: "Shift+t", does: "The tie before", act: () => nextTie(-1) },
    { keys: "l", does: "From the tie to its first line: the upload and the batch", act: () => document.querySelector<HTMLElement>(".side .lines .ln")?.click() },
    { keys: "w", does: "Mentions in a tie", act: () => document.querySelector<HTMLElement>("#least")?.focus() },
    { keys: "d", does: "Days", act: () => document.querySelector<HTMLElement>("#since")?.focus() },
    { keys: "v", does: "Drawing, both, table", act: () => see({ shape: view.shape === "drawing" ? "both" : view.shape === "both" ? "table" : "drawing" }) },
    { keys: "Escape", does: "Clear the selection", act: () => ((cursor.value = null), see({ selected: null, tie: null })) },
  ]);
  const onKeyDown = (event: KeyboardEvent): void => {
    const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (event.target !== event.currentTarget) return;
    if (by && event.shiftKey) stage.current?.pan(event.key === "ArrowLeft" ? 60 : event.key === "ArrowRight" ? -60 : 0, event.key === "ArrowUp" ? 60 : event.key === "ArrowDown" ? -60 : 0);
    else if (by) walk(by);
    else if (event.key === "Enter" && cursor.value !== null) select(cursor.value);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  useEffect(() => {
    document.title = `${loaded.middle === null ? "Network" : `Around ${loaded.middle}`} · mentiongraph`;
  }, [loaded.middle]);
  const title = titleOf(loaded, shown);
  const picture = { graph, laid, shown, chosen };
  return (
    <>
      <Bar loaded={loaded} shown={shown} view={view} save={() => (saving.value = true)} />
      {view.shape !== "table" && (
        <Drawing {...picture} stage={stage} camera={view.camera} cursor={cursor.value} label={`${title} The table below names all of them.`} press={press} rest={(camera) => see({ camera })} onKeyDown={onKeyDown} />
      )}
      <Empty loaded={loaded} shown={shown} view={view} />
      {problem && <div class="trouble">{problem}</div>}
      {graph.ties.length > 0 && <Dock graph={graph} laid={laid} shown={shown} view={view} />}
      <Panel loaded={loaded} laid={laid} shown={shown} view={view} />
      {view.shape === "drawing" ? <p id="keys" class="sr">Arrow keys walk the users in rank order. Enter selects.</p> : <Twin graph={graph} laid={laid} shown={shown} view={view} cursor={cursor.value} walk={walk} select={select} />}
      {saving.value && <Saving seen={{ ...picture, ...shotOf(picture, legible(stage.current?.camera.scale ?? 1)), view, title, ties: loaded.ties, middle: loaded.middle }} close={() => (saving.value = false)} />}
    </>
  );
}

function useShown({ graph }: Loaded, laid: Laid, view: View): Shown {
  const { around, selected, more, hidden, least, since, until, off, all } = view;
  const inputs = [graph, laid, around, selected, more.join("\n"), hidden.join("\n"), least, since, until, [...off].join(), all];
  return useMemo(() => {
    const places = (handles: readonly (string | null)[]): number[] => handles.flatMap((handle) => (handle === null ? [] : (placeOf(graph, handle) ?? [])));
    return show(graph, laid, {
      least,
      since: since === null ? null : Date.parse(since),
      until: until === null ? null : Date.parse(until) + DAY,
      hidden: new Set(places(hidden)),
      off,
      first: places([around, selected, ...more]),
      most: all ? MOST_DRAWN : fewOf(graph.users.length),
    });
  }, inputs);
}

function useChosen({ graph, path }: Loaded, view: View, selected: number | undefined): Chosen {
  const ties = useMemo(() => new Map(graph.ties.map((tie, at) => [`${tie.source} ${tie.target}`, at])), [graph]);
  const tieOf = (source: string, target: string): number | null => ties.get(`${placeOf(graph, source)} ${placeOf(graph, target)}`) ?? null;
  const way = useMemo(() => (path?.outcome === "found" ? new Set(path.edges.flatMap((edge) => tieOf(edge.source, edge.target) ?? [])) : null), [graph, path]);
  return { user: selected ?? null, tie: view.tie ? tieOf(...(view.tie as [string, string])) : null, path: way };
}

function spoken({ graph }: Loaded, laid: Laid, shown: Shown, user: number): string {
  const { spelling, received } = graph.users[user]!;
  const of = laid.community[user]!;
  return `${spelling}, rank ${graph.rank[user]}, ${of < LETTERED ? `community ${LETTERS[of]}` : "no large community"}, mentioned ${count(received, "time")}, ${count(shown.drawn[user]!, "tie")} drawn`;
}

function titleOf({ middle, ties }: Loaded, shown: Shown): string {
  return `${count(shown.users.size, "user")}${middle === null ? "" : ` around ${middle}`}, ${number(shown.ties.length)} of ${count(ties, "tie")}.`;
}

function Around({ view, name }: { view: View; name: string | null }) {
  const text = useSignal("");
  const steps = (many: 1 | 2): void => see({ steps: many, camera: null });
  return (
    <>
      <h1>{name === null ? "All users" : "Around"}</h1>
      {name === null ? (
        <div class="find around">
          <Icon name="find" />
          <UserField id="around" label="Around which user" value={text} chosen={(handle) => see({ around: handle, selected: handle, camera: null, more: [], hidden: [], tie: null, path: null, off: new Set() })} />
        </div>
      ) : (
        <span class="field around">
          <bdi class="strong">{name}</bdi>
          <button type="button" class="icon" aria-label="Show all users" title="Show all users" onClick={() => see({ around: null, selected: null, more: [], hidden: [], tie: null, path: null, camera: null, off: new Set() })}>
            <Icon name="x" />
          </button>
        </span>
      )}
      {name !== null && (
        <span class="seg" role="group" aria-label="Steps">
          <button type="button" aria-pressed={view.steps === 1} onClick={() => steps(1)}>
            1 step
          </button>
          <button type="button" aria-pressed={view.steps === 2} onClick={() => steps(2)}>
            2 steps
          </button>
        </span>
      )}
    </>
  );
}

function Bar({ loaded, shown, view, save }: { loaded: Loaded; shown: Shown; view: View; save: () => void }) {
  const more = shown.passing > shown.ties.length;
  const few = fewOf(loaded.graph.users.length);
  return (
    <div class="bar">
      <Around view={view} name={view.around === null ? null : loaded.middle} />
      <p class="s soft tally" role="status">
        <b>{number(shown.ties.length)}</b> of {loaded.estimated && "about "}
        {count(loaded.ties, "tie")}, <b>{number(shown.users.size)}</b> {shown.users.size === 1 ? "user" : "users"}
        {loaded.usersCut > 0 && <>; {number(loaded.usersCut)} more did not fit</>}.{" "}
{(more || (view.all && shown.passing > few)) && (
          <button type="button" class="btn quiet small" onClick={() => see({ all: !view.all })}>
            {more ? "Draw all" : "Draw the strongest"}
          </button>
        )}
        <span class="muted wide how">{more ? (view.around === null ? "The strongest." : "Own ties, then the strongest.") : ""}</span>
        {view.around === null && (view.many || loaded.ties > loaded.graph.ties.length) && (
          <button type="button" class="btn quiet small" onClick={() => see({ many: !view.many, camera: null })}>
            {view.many ? "Load fewer" : `Load ${loaded.ties > MANY.edges ? number(MANY.edges) : "all"}`}
          </button>
        )}
        {view.hidden.length > 0 && (
          <button type="button" class="btn quiet small" onClick={() => see({ hidden: [] })}>
            Show {number(view.hidden.length)} hidden
          </button>
        )}
        {view.more.length > 0 && (
          <button type="button" class="btn quiet small" onClick={() => see({ more: [] })}>
            Take back {number(view.more.length)} expanded
          </button>
        )}
      </p>
      <div class="end">
        <span class="seg wide" role="group" aria-label="View">
          {(["drawing", "both", "table"] as const).map((shape) => (
            <button key={shape} type="button" aria-pressed={view.shape === shape} onClick={() => see({ shape })}>
              {shape === "drawing" ? "Drawing" : shape === "both" ? "Both" : "Table"}
            </button>
          ))}
        </span>
        <button type="button" class="btn" onClick={save}>
          Save as…
        </button>
      </div>
    </div>
  );
}

/** Why nothing is drawn, and the one way on. */
function Empty({ loaded, shown, view }: { loaded: Loaded; shown: Shown; view: View }) {
  if (shown.ties.length) return null;
  const all = { least: 1, since: null, until: null, off: new Set<number>(), hidden: [] };
  return (
    <div class="empty" role="status">
      {!loaded.graph.ties.length ? (
        <p>
          {view.around === null ? "The graph has no ties yet." : "This user has no ties with others."}{" "}
          {view.around === null && (
            <a class="btn small" href={href(["add"])}>
              Add files
            </a>
          )}
        </p>
      ) : (
        <p>
          {view.least > 1 ? `No ties at this weight. ` : "No ties pass these filters. "}
          <button type="button" class="btn small" onClick={() => see(view.least > 1 ? { least: 1 } : all)}>
            {view.least > 1 ? "Lower it to 1" : "Clear the filters"}
          </button>
        </p>
      )}
    </div>
  );
}
