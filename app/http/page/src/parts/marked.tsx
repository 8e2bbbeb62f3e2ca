/** A text of a post, with what counts as a mention marked. Places count characters (code points), as the API does. */
import { Fragment } from "preact";

export interface Place {
  readonly start: number | null;
  readonly end: number | null;
}

export function Marked({ text, places }: { text: string; places: readonly Place[] }) {
  const characters = Array.from(text);
  const parts = [];
  let at = 0;
  for (const { start, end } of places) {
    if (start === null || end === null || start < at) continue;
    parts.push(<Fragment key={at}>{characters.slice(at, start).join("")}</Fragment>, <mark key={start}>{characters.slice(start, end).join("")}</mark>);
    at = end;
  }
  return (
    <bdi>
      {parts}
      {characters.slice(at).join("")}
    </bdi>
  );
}
