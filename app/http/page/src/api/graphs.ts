/** Raised when a graph was created, renamed or dropped here, so that the menu of graphs asks again. */
import { signal } from "@preact/signals";

export const turn = signal(0);
