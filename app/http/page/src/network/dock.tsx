/** Filters below the drawing: mentions in a tie, days, communities. Pale bars are what is there, dark bars what is drawn. */
import { useMemo } from "preact/hooks";
import { useResource } from "../api/resource";
import type { Graph } from "../drawing/graph";
import { LETTERED, type Laid } from "../drawing/layout";
import { communitiesOf, LETTERS } from "../drawing/scene";
import type { Shown } from "../drawing/shown";
import { count, day, number } from "../format";
import { barsOf, type Bar, isoDay, spanOf, stepsOf } from "./days";
import { see, type View } from "./view";

interface Drawn {
  readonly graph: Graph;
  readonly laid: Laid;
  readonly shown: Shown;
  readonly view: View;
}

export function Dock(drawn: Drawn) {
  return (
    <section class="dock" aria-label="Filters">
      <h2 class="sr">Filters</h2>
      <Mentions {...drawn} />
      <Days {...drawn} />
      <Communities {...drawn} />
    </section>
  );
}

function Mentions({ graph, shown, view }: Drawn) {
  const steps = useMemo(() => stepsOf(graph), [graph]);
  const [there, seen] = [steps.map(() => 0), steps.map(() => 0)];
  const stepOf = (mentions: number): number => steps.findLastIndex((each) => mentions >= each);
  for (const tie of graph.ties) there[stepOf(tie.mentions)]! += 1;
  for (const place of shown.ties) seen[stepOf(graph.ties[place]!.mentions)]! += 1;
  const at = Math.max(0, steps.findIndex((each) => each >= view.least));
  const most = Math.sqrt(Math.max(1, ...there));
  const height = (ties: number): string => `${ties ? Math.max(3, (100 * Math.sqrt(ties)) / most) : 0}%`;
  return (
    <div>
      <h3>
        Mentions in a tie<span>at least {number(view.least)}; dark is drawn; √ scale</span>
      </h3>
      <div class="bars" aria-hidden="true">
        {steps.map((step, index) => (
          <i key={step} title={`${number(step)} or more: ${number(seen[index]!)} of ${count(there[index]!, "tie")}`}>
            <b style={{ height: height(there[index]!) }} />
            <b class="in" style={{ height: height(seen[index]!) }} />
          </i>
        ))}
      </div>
      <div class="handles">
        <Range id="least" label="Mentions in a tie, at least" most={steps.length - 1} value={at} edge="start" bars={steps.length} text={`at least ${count(steps[at] ?? 1, "mention")}`} moved={(index) => see({ least: steps[index] ?? 1 })} />
      </div>
      <div class="ticks">
        {steps.map((step) => (
          <span key={step}>{number(step)}</span>
        ))}
      </div>
    </div>
  );
}

interface Handle {
  readonly id?: string;
  readonly label: string;
  readonly most: number;
  readonly value: number;
  /** At which end of its bar the handle stands. */
  readonly edge: "start" | "end";
  readonly bars: number;
  readonly text: string;
  readonly moved: (value: number) => void;
}

/** A handle over bars: arrow keys move it one bar, Page keys ten. */
function Range({ id, label, most, value, edge, bars, text, moved }: Handle) {
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = { PageUp: 10, PageDown: -10 }[event.key];
    if (!step) return;
    event.preventDefault();
    moved(Math.max(0, Math.min(most, value + step)));
  };
  const inset = `${100 / Math.max(1, bars)}%`;
  return (
    <input
      id={id}
      type="range"
      min={0}
      max={most}
      step={1}
      value={value}
      aria-label={label}
      aria-valuetext={text}
      style={edge === "start" ? { insetInlineStart: 0, insetInlineEnd: inset } : { insetInlineStart: inset, insetInlineEnd: 0 }}
      onKeyDown={onKeyDown}
      onInput={(event) => moved(Number(event.currentTarget.value))}
    />
  );
}

function Days({ graph, view }: Drawn) {
  const span = useMemo(() => spanOf(graph), [graph]);
  const found = useResource(async (signal) => (span ? barsOf(graph, span, signal) : null), [span?.first, span?.last, graph]);
  const bars = found.value?.bars ?? [];
  const from = Math.max(0, view.since === null ? 0 : bars.findIndex((bar) => isoDay(bar.to) >= view.since!));
  const until = view.until === null ? -1 : bars.findLastIndex((bar) => isoDay(bar.from) <= view.until!);
  const to = until < 0 ? bars.length - 1 : until;
  const set = (first: number, last: number): void =>
    see({ since: first > 0 ? isoDay(bars[first]!.from) : null, until: last < bars.length - 1 ? isoDay(bars[last]!.to) : null });
  const most = Math.max(1, ...bars.map((bar) => bar.mentions));
  if (!span) return <div />;
  return (
    <div>
      <h3>
        {found.value?.mentions === false ? "Ties by their last day" : "Mentions a day"}
        <span>{bars.length > 0 && told(bars, from, to)}</span>
      </h3>
      <div class="bars" aria-hidden="true">
        {bars.map((bar, index) => (
          <i key={bar.from} class={bar.kept ? "" : "none"} title={`${day(isoDay(bar.from))}: ${bar.kept ? number(bar.mentions) : "the service kept no days then"}`}>
            <b class={index >= from && index <= to ? "in" : ""} style={{ height: `${bar.mentions ? Math.max(3, (100 * bar.mentions) / most) : 0}%` }} />
          </i>
        ))}
      </div>
      {bars.length > 1 && (
        <div class="handles">
          <Range id="since" label="First day" most={bars.length - 1} value={from} edge="start" bars={bars.length} text={day(isoDay(bars[from]!.from))} moved={(value) => set(Math.min(value, to), to)} />
          <Range label="Last day" most={bars.length - 1} value={to} edge="end" bars={bars.length} text={day(isoDay(bars[to]!.to))} moved={(value) => set(from, Math.max(value, from))} />
        </div>
      )}
      <Ticks bars={bars} />
    </div>
  );
}

function told(bars: readonly Bar[], from: number, to: number): string {
  const all = from === 0 && to === bars.length - 1;
  return `${day(isoDay(bars[from]!.from))} to ${day(isoDay(bars[to]!.to))}${all ? "" : ": ties with a mention then"}`;
}

function Ticks({ bars }: { bars: readonly Bar[] }) {
  if (bars.length < 2) return <div class="ticks" />;
  const places = bars.length < 8 ? [0, bars.length - 1] : [0, Math.round(bars.length / 3), Math.round((2 * bars.length) / 3), bars.length - 1];
  return (
    <div class="ticks apart">
      {places.map((place) => (
        <span key={place}>{day(isoDay(bars[place]!.from))}</span>
      ))}
    </div>
  );
}

function Communities({ graph, laid, view }: Drawn) {
  const lettered = useMemo(() => communitiesOf(graph, laid), [graph, laid]);
  const rest = graph.users.length - lettered.reduce((sum, each) => sum + (each?.size ?? 0), 0);
  const turn = (of: number): void => {
    const off = new Set(view.off);
    if (!off.delete(of)) off.add(of);
    see({ off });
  };
  return (
    <div>
      <h3>
        Communities<span>{laid.modularity > 0 && `modularity ${laid.modularity.toFixed(2)}`}</span>
      </h3>
      <ul class="coms">
        {lettered.map(({ best, size }, of) => (
          <Community key={of} of={of} letter={LETTERS[of]!} name={graph.users[best]!.spelling} size={size} off={view.off.has(of)} turn={turn} />
        ))}
        {rest > 0 && <Community of={LETTERED} letter="–" name="others" size={rest} off={view.off.has(LETTERED)} turn={turn} />}
      </ul>
    </div>
  );
}

function Community({ of, letter, name, size, off, turn }: { of: number; letter: string; name: string; size: number; off: boolean; turn: (of: number) => void }) {
  return (
    <li>
      <button type="button" aria-pressed={!off} title={off ? "Show this community" : "Take this community out of the drawing"} onClick={() => turn(of)}>
        <span class={`sw ${kindOf(of)}`} />
        <span class="l">{letter}</span>
        <bdi>{name}</bdi>
        <b>{number(size)}</b>
      </button>
    </li>
  );
}

/** The class that has a community's colour. */
export function kindOf(community: number): string {
  return community < LETTERED ? `k${community + 1}` : "k0";
}
