/** Operate: is everything well, what waits, is the graph exact; settings, keys, graphs, who did what, forgetting. */
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Events } from "../operate/events";
import { Forget } from "../operate/forget";
import { Graphs } from "../operate/graphs";
import { Keys } from "../operate/keys";
import { Now } from "../operate/now";
import { Settings } from "../operate/settings";
import { href, place } from "../router";

const TABS: Readonly<Record<string, readonly [string, () => JSX.Element]>> = {
  now: ["Now", Now],
  settings: ["Settings", Settings],
  keys: ["Keys", Keys],
  graphs: ["Graphs", Graphs],
  log: ["Who did what", Events],
  forget: ["Forget a person", Forget],
};

export default function Operate() {
  const name = place.value.path[1] ?? "now";
  const Tab = (TABS[name] ?? TABS["now"]!)[1];
  const tabs = useRef<HTMLElement>(null);
  // On a narrow screen the tabs scroll, and the open one may lie outside.
  useEffect(() => tabs.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }), [name]);
  return (
    <main id="main" tabIndex={-1} class="operate">
      <h1>Operate</h1>
      <nav ref={tabs} class="tbs" aria-label="Parts">
        {Object.entries(TABS).map(([each, [title]]) => (
          <a key={each} class="tb" href={href(each === "now" ? ["operate"] : ["operate", each])} aria-current={each === name ? "page" : undefined}>
            {title}
          </a>
        ))}
      </nav>
      <Tab key={`${place.value.graph} ${name}`} />
    </main>
  );
}
