/** `j` and `k` (or arrows) move the focus from row to row of a list. */
import { useShortcuts } from "../keyboard";

/** `selector` finds the one control of each row that takes the focus; `Enter` on it does what a press does. */
export function useRowKeys(of: string, what: string, selector: string): void {
  const move = (by: number): void => {
    const rows = [...document.querySelectorAll<HTMLElement>(selector)];
    const from = rows.findIndex((row) => row === document.activeElement);
    rows[from < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, from + by))]?.focus();
  };
  useShortcuts(of, [
    { keys: "j", does: `Next ${what}`, act: () => move(1) },
    { keys: "k", does: `The ${what} before`, act: () => move(-1) },
    { keys: "ArrowDown", does: `Next ${what}`, act: () => move(1) },
    { keys: "ArrowUp", does: `The ${what} before`, act: () => move(-1) },
  ]);
}
