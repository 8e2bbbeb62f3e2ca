/** What the layout is asked and answers, and the worker that does it. */
import { type Graph, radii } from "./graph";

export interface Order {
  readonly stages: readonly number[];
  readonly sources: Uint32Array;
  readonly targets: Uint32Array;
  readonly weights: Float32Array;
  /** Mentions received: the best of a community names it, and of two of one size the better known comes first. */
  readonly received: Float32Array;
  readonly radii: Float32Array;
  /** Widths of names. They are estimated, so that a graph looks the same whatever fonts there are. */
  readonly widths: Float32Array;
}

export interface Laid {
  readonly x: Float32Array;
  readonly y: Float32Array;
  /** 0 to 7: the communities with letters A to H. Higher: smaller ones, which share a colour. */
  readonly community: Uint32Array;
  /** How many communities there are, those without a letter included. */
  readonly communities: number;
  readonly modularity: number;
  /** Closed lines around each lettered community: x, y, x, y, … */
  readonly grounds: readonly (readonly Float32Array[])[];
  /** Where everything lies, names included. */
  readonly bounds: readonly [left: number, top: number, right: number, bottom: number];
}

/** Communities with a letter and a colour of their own. */
export const LETTERED = 8;
/** A smaller group is no community that a reader would look for. */
export const SMALLEST = 4;
export const NAME_HEIGHT = 15;

export function orderOf(graph: Graph): Order {
  return {
    stages: graph.stages,
    sources: Uint32Array.from(graph.ties, (tie) => tie.source),
    targets: Uint32Array.from(graph.ties, (tie) => tie.target),
    weights: Float32Array.from(graph.ties, (tie) => tie.mentions),
    received: Float32Array.from(graph.users, (user) => user.received),
    radii: radii(graph),
    widths: Float32Array.from(graph.users, (user) => estimatedWidth(user.spelling)),
  };
}

const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

function estimatedWidth(text: string): number {
  let width = 0;
  for (const character of text) width += WIDE.test(character) ? 11.5 : 6.2;
  return Math.min(width, 140);
}

/** Lay out in a worker. An order that is no longer wanted ends its worker. */
export function layOut(order: Order, signal: AbortSignal): Promise<Laid> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./layout.worker.js", import.meta.url), { type: "module" });
    const end = (): void => worker.terminate();
    signal.addEventListener("abort", end);
    worker.onmessage = ({ data }: MessageEvent<Laid>) => {
      end();
      resolve(data);
    };
    worker.onerror = (event) => {
      end();
      reject(new Error(event.message || "The drawing could not be laid out."));
    };
    worker.postMessage(order);
  });
}
