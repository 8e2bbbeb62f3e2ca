/** `j` and `k` move the focus from row to row of a list, and so do arrows once it is on a row. */
import { useEffect } from "preact/hooks";
import { useShortcuts } from "../keyboard";

/** `selector` finds the one control of each row that takes the focus; `Enter` on it does what a press does. */
export function useRowKeys(of: string, what: string, selector: string): void {
  useShortcuts(of, [
    { keys: "j", does: `Next ${what}`, act: () => move(selector, 1) },
    { keys: "k", does: `The ${what} before`, act: () => move(selector, -1) },
  ]);
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!by || event.defaultPrevented || !document.activeElement?.matches(selector)) return;
      event.preventDefault();
      move(selector, by);
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, [selector]);
}

function move(selector: string, by: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>(selector)];
  const from = rows.findIndex((row) => row === document.activeElement);
  rows[from < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, from + by))]?.focus();
}
