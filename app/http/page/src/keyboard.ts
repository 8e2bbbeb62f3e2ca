/** Shortcuts: one key, or `g` and a key. Single letters can be switched off (WCAG 2.1.4). */
import { signal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";

export interface Shortcut {
  /** As the help shows it: `/`, `j`, `g u`, `Enter`, `Shift+x`. */
  readonly keys: string;
  /** What it does, for the help. */
  readonly does: string;
  readonly act: (event: KeyboardEvent) => void;
}

const OFF = "mentiongraph.letters-off";
const SECOND_KEY_WITHIN = 1500;

export const lettersOn = signal(localStorage.getItem(OFF) === null);

export function switchLetters(on: boolean): void {
  if (on) localStorage.removeItem(OFF);
  else localStorage.setItem(OFF, "1");
  lettersOn.value = on;
}

const groups = signal<readonly (readonly [string, readonly Shortcut[]])[]>([]);

/** The shortcuts that work now, by the part of the page that they belong to. */
export const shortcuts = groups;

/** Shortcuts that work while the component is shown: from the moment on at which it is there, not from the next frame on. */
export function useShortcuts(of: string, list: readonly Shortcut[]): void {
  useLayoutEffect(() => {
    const group = [of, list] as const;
    groups.value = [...groups.peek(), group];
    return () => {
      groups.value = groups.peek().filter((each) => each !== group);
    };
  });
}

let first = "";
let firstAt = 0;

export function listen(): void {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    // An open box has the keys to itself: Escape closes it, and nothing happens below it.
    if (document.querySelector("dialog[open]")) return;
    const typed = isTyping(event.target);
    const name = event.shiftKey && event.key.length === 1 && event.key.toLowerCase() !== event.key ? `Shift+${event.key.toLowerCase()}` : event.key;
    if (typed && name !== "Escape") return;
    if (!lettersOn.value && event.key.length === 1) return;
    const both = event.timeStamp - firstAt < SECOND_KEY_WITHIN && first ? `${first} ${name}` : "";
    const found = all().find((each) => each.keys === both) ?? all().find((each) => each.keys === name);
    first = found ? "" : name;
    firstAt = event.timeStamp;
    if (!found || (name === "Enter" && isPressable(event.target))) return;
    event.preventDefault();
    found.act(event);
  });
}

/** The newest group first, so that a box takes `Escape` from the screen below it. */
function all(): Shortcut[] {
  return [...groups.value].reverse().flatMap(([, list]) => list);
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) && !(target instanceof HTMLInputElement && /^(checkbox|radio|button|range)$/.test(target.type));
}

function isPressable(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && /^(A|BUTTON|SUMMARY)$/.test(target.tagName);
}
