/** The upload and its batches on one clock: thin waits, pale counts, full merges, a cross is a failed attempt. */
import type { Schemas } from "../api/client";
import { count, duration } from "../format";
import { StateMark } from "../parts/state";
import { useWidth } from "../parts/width";
import { place } from "../router";
import type { Change } from "./story";

type Batch = Schemas["Batch"];

interface Stretch {
  readonly look: "waits" | "counts" | "merges" | "receiving" | "staged" | "applying";
  readonly from: number;
  readonly to: number;
}

interface Line {
  readonly stretches: readonly Stretch[];
  readonly crosses: readonly { readonly at: number; readonly why: string }[];
}

const FIRST_WIDTH = 960;
/** Room for names of batches, and where it is narrow. */
const LEFT = 110;
const NARROW_LEFT = 84;
const NARROW = 560;
const ROW = 18;
const TIGHT = 5;
const TIGHT_FROM = 40;

export function Timeline({ entry, batches, changes, over }: { entry: Schemas["Upload"]; batches: readonly Batch[]; changes: readonly Change[]; over: boolean }) {
  const [box, width] = useWidth<HTMLDivElement>(FIRST_WIDTH);
  const left = width < NARROW ? NARROW_LEFT : LEFT;
  const begin = Date.parse(entry.received_at);
  const end = Math.max(...changes.map((each) => Date.parse(each.at)), Date.parse(entry.finished_at ?? entry.received_at), over ? 0 : Date.now(), begin + 100);
  const span = end - begin;
  const x = (at: number): number => left + ((at - begin) / span) * (width - left - 16);
  const row = batches.length > TIGHT_FROM ? TIGHT : ROW;
  const height = 40 + batches.length * row + 24;
  const ticks = ticksOf(span / 1000, width < NARROW ? 4 : 8);
  const whole = lineOfUpload(entry, changes, end);
  return (
    <div class="g" ref={box}>
      <svg class="timeline" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={`${count(batches.length, "batch", "batches")}, ${duration(span / 1000)} from the first byte`}>
        {ticks.map((each) => (
          <g key={each}>
            <line class="grid" x1={x(begin + each * 1000)} x2={x(begin + each * 1000)} y1={4} y2={height - 20} />
            <text class="axis" x={x(begin + each * 1000)} y={height - 6} text-anchor="middle">
              {each} s
            </text>
          </g>
        ))}
        <text class="name" x={0} y={20}>
          Upload
        </text>
        {whole.stretches.map((each) => (
          <rect key={each.from} class={each.look} x={x(each.from)} y={6} width={Math.max(1.5, x(each.to) - x(each.from) - 1)} height={20} rx={2}>
            <title>{`${each.look}, ${duration((each.to - each.from) / 1000)}`}</title>
          </rect>
        ))}
        {batches.map((batch, at) => {
          const line = lineOfBatch(batch, changes, end);
          const y = 40 + at * row;
          const thick = row === TIGHT ? 4 : 10;
          return (
            <g key={batch.id}>
              {String(batch.id) === place.value.query["batch"] && <rect class="here" x={left - 6} y={y - 3} width={width - left - 4} height={thick + 6} rx={3} />}
              <title>{`Batch ${batch.ordinal + 1}: ${batch.state}${batch.attempts > 1 ? `, ${batch.attempts} attempts` : ""}`}</title>
              {row === ROW && (
                <text class="axis" x={0} y={y + 10}>
                  {`${batch.ordinal + 1}  ${batch.state}`}
                </text>
              )}
              {line.stretches.map((each) => (
                <rect
                  key={each.from}
                  class={each.look}
                  x={x(each.from)}
                  y={each.look === "waits" ? y + thick / 2 - 1 : y}
                  width={Math.max(1, x(each.to) - x(each.from))}
                  height={each.look === "waits" ? 2 : thick}
                  rx={1.5}
                />
              ))}
              {line.crosses.map((each) => (
                <text key={each.at} class="cross" x={x(each.at)} y={y + 10} text-anchor="middle">
                  ×<title>{each.why}</title>
                </text>
              ))}
            </g>
          );
        })}
      </svg>
    </div>
  );
}

function lineOfUpload(entry: Schemas["Upload"], changes: readonly Change[], end: number): Line {
  const own = changes.filter((each) => each.batch_id === null);
  const stretches: Stretch[] = [];
  for (const [at, each] of own.entries()) {
    const look = each.to_state === "receiving" || each.to_state === "staged" ? each.to_state : "applying";
    const last = at === own.length - 1;
    if (last && entry.finished_at) break;
    stretches.push({ look, from: Date.parse(each.at), to: last ? end : Date.parse(own[at + 1]!.at) });
  }
  return { stretches, crosses: [] };
}

function lineOfBatch(batch: Batch, changes: readonly Change[], end: number): Line {
  const own = changes.filter((each) => each.batch_id === batch.id);
  const staged = Date.parse(batch.staged_at);
  const counted = own.find((each) => each.to_state === "counted");
  const applied = own.find((each) => each.to_state === "applied" || each.to_state === "checked");
  const begun = batch.counted_at ? Date.parse(batch.counted_at) : undefined;
  const ends = counted ? Date.parse(counted.at) : applied ? Date.parse(applied.at) : end;
  const stretches: Stretch[] = [{ look: "waits", from: staged, to: begun ?? ends }];
  if (begun !== undefined) stretches.push({ look: "counts", from: begun, to: Math.max(begun, ends) });
  if (counted) stretches.push({ look: "merges", from: Date.parse(counted.at), to: applied ? Date.parse(applied.at) : end });
  const crosses = own.filter((each) => each.reason !== null && each.from_state === "staged" && each.to_state !== "counted").map((each) => ({ at: Date.parse(each.at), why: each.reason ?? "" }));
  return { stretches, crosses };
}

/** Round seconds, at most one more than `most`. */
function ticksOf(seconds: number, most: number): number[] {
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400];
  const step = steps.find((each) => seconds / each <= most) ?? seconds / most;
  return Array.from({ length: Math.floor(seconds / step) + 1 }, (_, at) => Number((at * step).toFixed(1)));
}

export function Events({ changes }: { changes: readonly Change[] }) {
  return (
    <div class="panel events">
      <table class="table compact">
        <thead>
          <tr>
            <th>Time (UTC)</th>
            <th>What</th>
            <th>Became</th>
            <th>Why</th>
          </tr>
        </thead>
        <tbody>
          {changes.slice(-500).map((each) => (
            <tr key={each.id}>
              <td class="mono">{each.at.slice(11, 23)}</td>
              <td>{each.batch_id === null ? "upload" : `batch ${each.batch_id}`}</td>
              <td>
                <StateMark state={each.to_state as Schemas["UploadState"]} />
              </td>
              <td class="soft">{each.reason}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
