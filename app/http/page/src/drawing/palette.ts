/** Colours, opacities and fonts of the drawing, read from the tokens of the style sheet, so that a theme is one thing. */
import { signal } from "@preact/signals";

export interface Palette {
  readonly paper: string;
  readonly ink: string;
  readonly ink2: string;
  readonly ink3: string;
  readonly marker: string;
  readonly markerLine: string;
  /** A to H, then the colour that smaller communities share. */
  readonly communities: readonly string[];
  /** Letters on these colours. */
  readonly letters: readonly string[];
  readonly ground: number;
  /** Opacity of a tie in the background, from light to heavy. */
  readonly ties: readonly number[];
  readonly sans: string;
  readonly serif: string;
}

/** Counts changes of theme, contrast and forced colours. A drawing that reads it is drawn again. */
export const theme = signal(0);

new MutationObserver(() => theme.value++).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
for (const query of ["(prefers-color-scheme: dark)", "(prefers-contrast: more)", "(forced-colors: active)"])
  matchMedia(query).addEventListener("change", () => theme.value++);

export function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string): string => style.getPropertyValue(name).trim();
  const numbers = ["1", "2", "3", "4", "5", "6", "7", "8"];
  const own = {
    paper: token("--paper"),
    ink: token("--ink"),
    ink2: token("--ink-2"),
    ink3: token("--ink-3"),
    marker: token("--marker"),
    markerLine: token("--marker-line"),
    communities: [...numbers.map((each) => token(`--c${each}`)), token("--c-other")],
    letters: [...numbers.map((each) => token(`--on-${each}`)), token("--on-other")],
    ground: Number(token("--hull")),
    ties: [1, 2, 3, 4].map((each) => Number(token(`--tie-${each}`))),
    sans: family("--font-sans"),
    serif: family("--font-serif"),
  };
  return matchMedia("(forced-colors: active)").matches ? forced(own) : own;
}

/** The reader's own colours. Letters tell communities apart. */
function forced(own: Palette): Palette {
  const ink = system("CanvasText");
  const paper = system("Canvas");
  return {
    ...own,
    paper,
    ink,
    ink2: ink,
    ink3: ink,
    marker: system("Mark"),
    markerLine: system("Highlight"),
    communities: own.communities.map(() => ink),
    letters: own.letters.map(() => paper),
    ties: own.ties.map((each) => Math.max(0.6, each)),
  };
}

function probe(property: "color" | "fontFamily", value: string): string {
  const element = document.createElement("span");
  element.style[property] = value;
  document.body.append(element);
  const found = getComputedStyle(element)[property];
  element.remove();
  return found;
}

const system = (name: string): string => probe("color", name);
/** A stack with the stacks that it names. */
const family = (token: string): string => probe("fontFamily", `var(${token})`);
