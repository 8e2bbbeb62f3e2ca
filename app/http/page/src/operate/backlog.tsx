/** What waited to be counted while this page looked. The API has no history, so the page keeps its own. */
import type { Schemas } from "../api/client";
import { bytes } from "../format";
import { useWidth } from "../parts/width";

const MOST = 2400;
const FIRST_WIDTH = 500;
const HEIGHT = 124;
const LEFT = 56;

interface Sample {
  readonly at: number;
  readonly bytes: number;
}

const samples = new Map<string, Sample[]>();

/** Keep how much waits now, and hand the answer on. */
export function keepBacklog(graph: string, queues: Schemas["Queues"]): Schemas["Queues"] {
  const kept = samples.get(graph) ?? [];
  kept.push({ at: Date.parse(queues.as_of), bytes: queues.staged.reduce((sum, each) => sum + each.bytes, 0) });
  if (kept.length > MOST) kept.shift();
  samples.set(graph, kept);
  return queues;
}

export function Backlog({ graph }: { graph: string }) {
  const [box, width] = useWidth<HTMLDivElement>(FIRST_WIDTH);
  const kept = samples.get(graph) ?? [];
  const first = kept[0];
  const last = kept.at(-1);
  if (!first || !last) return <div ref={box} />;
  const most = Math.max(1, ...kept.map((each) => each.bytes));
  const room = HEIGHT - 24;
  const x = (at: number): number => LEFT + ((at - first.at) / Math.max(1, last.at - first.at)) * (width - LEFT);
  const y = (size: number): number => 6 + (room - 6) * (1 - size / most);
  const line = kept.map((each) => `${x(each.at).toFixed(1)},${y(each.bytes).toFixed(1)}`).join(" ");
  const peak = Math.max(...kept.map((each) => each.bytes));
  return (
    <div ref={box}>
      <svg class="backlog" width={width} height={HEIGHT} viewBox={`0 0 ${width} ${HEIGHT}`} role="img" aria-label={`Between ${time(first.at)} and ${time(last.at)} at most ${bytes(peak)} waited; now ${bytes(last.bytes)} wait`}>
        {[0, 0.5, 1].map((share) => (
          <g key={share}>
            <line class="grid" x1={LEFT} x2={width} y1={y(share * most)} y2={y(share * most)} />
            {(peak > 0 || share === 0) && (
              <text class="axis" x={LEFT - 8} y={y(share * most) + 4} text-anchor="end">
                {share ? bytes(share * most) : "0"}
              </text>
            )}
          </g>
        ))}
        <polygon points={`${LEFT},${y(0)} ${line} ${x(last.at)},${y(0)}`} fill="var(--bar-2)" opacity={0.25} />
        <polyline points={line} fill="none" stroke="var(--bar-1)" stroke-width={1.75} stroke-linejoin="round" />
        <text class="axis" x={LEFT} y={HEIGHT - 4}>
          {time(first.at)}
        </text>
        <text class="axis" x={width} y={HEIGHT - 4} text-anchor="end">
          {time(last.at)}
        </text>
      </svg>
    </div>
  );
}

function time(at: number): string {
  return new Date(at).toISOString().slice(11, 19);
}
