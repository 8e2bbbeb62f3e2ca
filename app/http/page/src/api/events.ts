/** Server-sent events over fetch, since EventSource can send no key. */
import { addressOf, headers } from "./client";

export interface ServerEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** Read events until the server ends the stream or `signal` is aborted. A broken stream goes on after the last event. */
export async function* events(path: string, signal: AbortSignal): AsyncGenerator<ServerEvent> {
  let last = "";
  for (let pause = 500; !signal.aborted; pause = Math.min(2 * pause, 10_000)) {
    try {
      const extra: Record<string, string> = last ? { "last-event-id": last } : {};
      const response = await fetch(addressOf(path), { headers: { ...headers(), ...extra, accept: "text/event-stream" }, signal });
      if (!response.ok || !response.body) {
        if (response.status < 500 && response.status !== 429) return;
      } else {
        for await (const each of read(response.body)) {
          if (each.id) last = each.id;
          pause = 500;
          yield each;
        }
        return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof TypeError)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

async function* read(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const reader = body.pipeThrough(new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const found = parsed(block);
      if (found) yield found;
    }
  }
}

/** The event of a block of lines; undefined for a comment, which only keeps the connection alive. */
function parsed(block: string): ServerEvent | undefined {
  const fields: Record<string, string> = {};
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon === 0) continue;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    fields[name] = name === "data" && fields["data"] !== undefined ? `${fields["data"]}\n${value}` : value;
  }
  if (fields["data"] === undefined) return undefined;
  return { id: fields["id"] ?? "", event: fields["event"] ?? "message", data: fields["data"] };
}
