/** Where the focus goes when something opens over or beside a screen, and when it closes. */
import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";

/** Take the focus while the component is shown, then give it back to what had it. */
export function useFocusWhile(box: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const before = document.activeElement;
    box.current?.focus();
    return () => giveBack(box.current, before);
  }, []);
}

/** Give the focus of `box` back to `before`, or to the screen if that is gone. A focus elsewhere stays there. */
export function giveBack(box: HTMLElement | null, before: Element | null): void {
  const now = document.activeElement;
  if (now && now !== document.body && !box?.contains(now)) return;
  const usable = before instanceof HTMLElement && before !== document.body && before.isConnected;
  (usable ? before : document.querySelector<HTMLElement>("main"))?.focus({ preventScroll: true });
}
