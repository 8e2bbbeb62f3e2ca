import type { ComponentChildren } from "preact";
import type { Schemas } from "../api/client";
import { Icon, type IconName } from "./icon";

type State = Schemas["UploadState"];

const ICONS: Record<State, IconName> = {
  receiving: "s-receiving",
  staged: "s-staged",
  applying: "s-applying",
  applied: "s-applied",
  checked: "s-applied",
  failed: "s-failed",
  cancelled: "s-cancelled",
  aborted: "s-aborted",
  retracting: "s-retracted",
  retracted: "s-retracted",
  duplicate: "s-duplicate",
} as Record<State, IconName>;

const LOOKS: Partial<Record<string, string>> = { checked: "applied", retracting: "retracted" };

export function stateIcon(state: State): IconName {
  return ICONS[state] ?? "info";
}

/** A state of the ledger: its glyph and its word, and what is said with it. */
export function StateMark({ state, tint, children }: { state: State; tint?: boolean; children?: ComponentChildren }) {
  return (
    <span class={`st ${LOOKS[state] ?? state}${tint ? " tint" : ""}`}>
      <Icon name={stateIcon(state)} />
      <span>
        {state}
        {children}
      </span>
    </span>
  );
}
