/** Icons: shapes on a grid of 16 units (12 for marks in boxes, 32 for the drop zone), in the colour of the text. */
import type { JSX } from "preact";

const SHAPES = {
  "find": [16, <><circle cx="7" cy="7" r="4.5" fill="none" stroke="currentColor" stroke-width="1.5"/><path d="M10.5 10.5 14 14" stroke="currentColor" stroke-width="1.5" stroke-linecap="round"/></>],
  "theme": [16, <><circle cx="8" cy="8" r="5.5" fill="none" stroke="currentColor" stroke-width="1.5"/><path d="M8 2.5a5.5 5.5 0 0 1 0 11z" fill="currentColor"/></>],
  "help": [16, <><path d="M5.6 6a2.4 2.4 0 1 1 3.6 2c-.8.5-1.2.9-1.2 1.8" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round"/><circle cx="8" cy="12.4" r=".95" fill="currentColor"/></>],
  "more": [16, <><circle cx="3" cy="8" r="1.3" fill="currentColor"/><circle cx="8" cy="8" r="1.3" fill="currentColor"/><circle cx="13" cy="8" r="1.3" fill="currentColor"/></>],
  "menu": [16, <><path d="M2 4.5h12M2 8h12M2 11.5h12" stroke="currentColor" stroke-width="1.5" stroke-linecap="round"/></>],
  "check": [12, <><path d="m2.2 6.4 2.6 2.6 5-5.6" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"/></>],
  "dash": [12, <><path d="M2.5 6h7" stroke="currentColor" stroke-width="1.8" stroke-linecap="round"/></>],
  "x": [16, <><path d="m4 4 8 8m0-8-8 8" stroke="currentColor" stroke-width="1.5" stroke-linecap="round"/></>],
  "plus": [16, <><path d="M8 3v10M3 8h10" stroke="currentColor" stroke-width="1.5" stroke-linecap="round"/></>],
  "minus": [16, <><path d="M3 8h10" stroke="currentColor" stroke-width="1.5" stroke-linecap="round"/></>],
  "fit": [16, <><path d="M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10" fill="none" stroke="currentColor" stroke-width="1.5"/></>],
  "arrow": [16, <><path d="M2.5 8h10m-4-4 4 4-4 4" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round"/></>],
  "warn": [16, <><path d="M8 1.8 15 14H1z" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linejoin="round"/><path d="M8 6.2v3.6" stroke="currentColor" stroke-width="1.6" stroke-linecap="round"/><circle cx="8" cy="11.8" r=".9" fill="currentColor"/></>],
  "info": [16, <><circle cx="8" cy="8" r="6.2" fill="none" stroke="currentColor" stroke-width="1.5"/><path d="M8 7.4v3.8" stroke="currentColor" stroke-width="1.6" stroke-linecap="round"/><circle cx="8" cy="4.9" r=".95" fill="currentColor"/></>],
  "key": [16, <><circle cx="5" cy="11" r="3.2" fill="none" stroke="currentColor" stroke-width="1.5"/><path d="m7.4 8.6 6.1-6.1M10.8 5.2l2.2 2.2" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round"/></>],
  "drop": [32, <><path d="M7 3h12l6 6v20H7z" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linejoin="round"/><path d="M19 3v6h6" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linejoin="round"/><path d="M16 13v10m-4-4 4 4 4-4" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"/></>],
  "net": [16, <><path d="M4 11.5 8 4l4.5 5.5L4 11.5" fill="none" stroke="currentColor" stroke-width="1.3"/><circle cx="8" cy="3.6" r="2" fill="currentColor"/><circle cx="12.6" cy="9.8" r="2" fill="currentColor"/><circle cx="3.8" cy="11.8" r="2" fill="currentColor"/></>],
  "list": [16, <><path d="M6 4h8M6 8h8M6 12h8" stroke="currentColor" stroke-width="1.5" stroke-linecap="round"/><circle cx="2.8" cy="4" r="1" fill="currentColor"/><circle cx="2.8" cy="8" r="1" fill="currentColor"/><circle cx="2.8" cy="12" r="1" fill="currentColor"/></>],
  "page": [16, <><path d="M3.5 1.8h6l3 3v9.4h-9z" fill="none" stroke="currentColor" stroke-width="1.4" stroke-linejoin="round"/><path d="M5.8 7.5h4.4M5.8 10.2h4.4" stroke="currentColor" stroke-width="1.4"/></>],
  "s-receiving": [16, <><circle cx="8" cy="8" r="6.2" fill="none" stroke="currentColor" stroke-width="1.5" stroke-dasharray="2.4 1.5"/><path d="M8 4.6v6m-2.5-2.4L8 10.8l2.5-2.6" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round"/></>],
  "s-staged": [16, <><circle cx="8" cy="8" r="6.2" fill="none" stroke="currentColor" stroke-width="1.5"/><path d="M6.4 5.6v4.8M9.6 5.6v4.8" stroke="currentColor" stroke-width="1.6" stroke-linecap="round"/></>],
  "s-applying": [16, <><circle cx="8" cy="8" r="6.2" fill="none" stroke="currentColor" stroke-width="1.5"/><path d="M8 4a4 4 0 0 1 0 8z" fill="currentColor"/></>],
  "s-applied": [16, <><circle cx="8" cy="8" r="7" fill="currentColor"/><path d="m4.8 8.3 2.2 2.2 4.2-4.8" fill="none" stroke="var(--paper)" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round"/></>],
  "s-failed": [16, <><path d="M5 1h6l4 4v6l-4 4H5l-4-4V5z" fill="currentColor"/><path d="m5.4 5.4 5.2 5.2m0-5.2-5.2 5.2" stroke="var(--paper)" stroke-width="1.7" stroke-linecap="round"/></>],
  "s-cancelled": [16, <><circle cx="8" cy="8" r="6.2" fill="none" stroke="currentColor" stroke-width="1.5"/><path d="m4 12 8-8" stroke="currentColor" stroke-width="1.5"/></>],
  "s-aborted": [16, <><path d="M9.5 2A6.2 6.2 0 1 0 14 6.5" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round"/><path d="m10.4 5.6 3.2-3.2" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-dasharray="1.2 1.6"/></>],
  "s-retracted": [16, <><path d="M3.2 5.6h6.4a3.6 3.6 0 0 1 0 7.2H5.4" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round"/><path d="M6 2.6 3 5.6l3 3" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"/></>],
  "s-duplicate": [16, <><path d="M5.5 5.5h8v8h-8z" fill="none" stroke="currentColor" stroke-width="1.5"/><path d="M10.5 5.5v-3h-8v8h3" fill="none" stroke="currentColor" stroke-width="1.5"/></>],
} satisfies Record<string, [number, JSX.Element]>;

export type IconName = keyof typeof SHAPES;

/** An icon that says nothing by itself: what stands beside it, or its button's label, says it. */
export function Icon({ name, class: extra }: { name: IconName; class?: string }) {
  const [size, shape] = SHAPES[name];
  return (
    <svg class={extra ? `i ${extra}` : "i"} viewBox={`0 0 ${size} ${size}`} aria-hidden="true">
      {shape}
    </svg>
  );
}
