/** The page: a frame, and the screen that the address names. A screen's code is loaded when it is first shown. */
import { signal } from "@preact/signals";
import { type ComponentType, render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { add } from "./adding/files";
import { lacks, learn } from "./api/caller";
import { Frame, say } from "./frame";
import { listen } from "./keyboard";
import { go, place } from "./router";
import { Start } from "./screens/start";

const LATER: Record<string, () => Promise<{ default: ComponentType }>> = {
  uploads: () => import("./screens/uploads"),
  network: () => import("./screens/network"),
  users: () => import("./screens/user"),
  rankings: () => import("./screens/rankings"),
  operate: () => import("./screens/operate"),
};

const loaded = signal<Record<string, ComponentType>>({});

function Screen() {
  const name = place.value.path[0] ?? "";
  const later = LATER[name];
  const Found = loaded.value[name];
  useArrival(Boolean(Found) || !later);
  if (!later) return <Start />;
  if (Found) return <Found />;
  void later().then((module) => (loaded.value = { ...loaded.peek(), [name]: module.default }));
  return <main id="main" tabIndex={-1} aria-busy="true" />;
}

/** A new screen begins at its top, with the focus, and says its name; the first one leaves the focus to the browser. */
function useArrival(ready: boolean): void {
  const at = `${place.value.graph}/${place.value.path.join("/")}`;
  const seen = useRef(at);
  useEffect(() => {
    if (!ready || seen.current === at) return;
    seen.current = at;
    scrollTo(0, 0);
    document.querySelector("main")?.focus({ preventScroll: true });
    say(document.title.split(" · ")[0] ?? "");
  }, [at, ready]);
}

/** A file that is dropped beside the screen for it is added, too: a browser would leave the page and show the file. */
function dropAnywhere(): void {
  const files = (event: DragEvent): boolean => !event.defaultPrevented && Boolean(event.dataTransfer?.types.includes("Files"));
  addEventListener("dragover", (event) => files(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    if (!event.dataTransfer || lacks("uploads:write")) return;
    add(event.dataTransfer.files);
    go(["add"]);
  });
}

const theme = localStorage.getItem("mentiongraph.theme");
if (theme) document.documentElement.dataset["theme"] = theme;
listen();
learn();
dropAnywhere();
render(
  <Frame>
    <Screen />
  </Frame>,
  document.body,
);
