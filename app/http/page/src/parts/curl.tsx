/** The command that gives the same data as the screen. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { addressOf, key } from "../api/client";

/** What the foot of the page shows; a screen sets it with `useCurl`. */
export const curl = signal("");

/** Say which request gives the data of this screen. `more`: arguments of curl before the address. */
export function useCurl(path: string, more = ""): void {
  useEffect(() => {
    curl.value = path && curlOf(path, more);
    return () => {
      curl.value = "";
    };
  }, [path, more, key.value]);
}

export function curlOf(path: string, more = ""): string {
  const authorization = key.value === null ? "" : "--header \"Authorization: Bearer $MENTIONGRAPH_KEY\" ";
  return `curl ${authorization}${more && `${more} `}${quoted(addressOf(path))}`;
}

/** A word for a shell, in quotes where the shell would take a part of it for something else. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

export function SameData() {
  if (!curl.value) return null;
  return (
    <footer class="same">
      <span>The same data:</span>
      <code>{curl.value}</code>
      <button type="button" class="btn quiet small" onClick={() => void navigator.clipboard.writeText(curl.value)}>
        Copy
      </button>
      <a href="doc">API</a>
    </footer>
  );
}

/** The same in the help, which narrow screens have no foot for. */
export function SameCommand() {
  if (!curl.value) return null;
  return (
    <section class="samecmd">
      <h3>The data of this screen</h3>
      <pre>
        <code>{curl.value}</code>
      </pre>
    </section>
  );
}
