/** Which uploads are selected: some rows, or all that the filter of the list matches. */
import { signal } from "@preact/signals";

/** The most uploads that one request names. */
export const MOST = 1000;

export const chosen = signal<ReadonlySet<string>>(new Set());
/** Whether all uploads that match are selected, shown or not. */
export const all = signal(false);
/** The row from which Shift selects. */
let anchor: string | null = null;

export function clear(): void {
  chosen.value = new Set();
  all.value = false;
  anchor = null;
}

export function toggle(id: string): void {
  const next = new Set(chosen.value);
  if (!next.delete(id)) next.add(id);
  all.value = false;
  chosen.value = next;
  anchor = id;
}

/** Select every row from the last that was touched up to this one. */
export function upTo(id: string, rows: readonly string[]): void {
  const from = rows.indexOf(anchor ?? id);
  const to = rows.indexOf(id);
  if (from < 0 || to < 0) return toggle(id);
  all.value = false;
  chosen.value = new Set([...chosen.value, ...rows.slice(Math.min(from, to), Math.max(from, to) + 1)]);
}

/** Select all of these rows, or none if they all are. */
export function toggleRows(rows: readonly string[]): void {
  const every = rows.every((id) => chosen.value.has(id));
  all.value = false;
  chosen.value = new Set(every || all.peek() ? [] : rows);
}
