/** Mentions a day as columns: made above the line, received below. Also for users who see no picture: a table of it. */
import { day, number } from "../format";
import { useWidth } from "./width";

export interface DayOfMentions {
  /** ISO date. */
  readonly day: string;
  readonly made: number;
  readonly received: number;
}

export type Shown = "both" | "made" | "received";

const FIRST_WIDTH = 1320;
const HEIGHT = 230;
const LEFT = 40;
const BOTTOM = 26;
/** Room that the name of a day needs. */
const NAME = 64;

export function Days({ days, shown, label }: { days: readonly DayOfMentions[]; shown: Shown; label: string }) {
  const [box, width] = useWidth<HTMLElement>(FIRST_WIDTH);
  const most = { made: highest(days, "made", shown), received: highest(days, "received", shown) };
  const room = HEIGHT - BOTTOM;
  const total = Math.max(1, most.made + most.received);
  const zero = (room * most.made) / total + (most.made === 0 ? 4 : 0);
  const scale = (room - 8) / total;
  const step = (width - LEFT) / Math.max(1, days.length);
  const wide = Math.max(1, Math.min(28, step - (step > 12 ? 4 : 1)));
  const peak = shown === "received" ? undefined : days.reduce<DayOfMentions | undefined>((best, each) => (each.made > (best?.made ?? 0) ? each : best), undefined);
  return (
    <figure ref={box}>
      <svg class="days" width={width} height={HEIGHT} viewBox={`0 0 ${width} ${HEIGHT}`} role="img" aria-label={label}>
        {days.map((each, at) => {
          const x = LEFT + at * step;
          const weekend = [0, 6].includes(new Date(each.day).getUTCDay());
          const made = shown === "received" ? 0 : each.made * scale;
          const received = shown === "made" ? 0 : each.received * scale;
          return (
            <g key={each.day}>
              {weekend && <rect class="weekend" x={x} y={0} width={step} height={room} />}
              <rect class="bar1" x={x + (step - wide) / 2} y={zero - made} width={wide} height={made} rx={1}>
                <title>{`${day(each.day)}: ${number(each.made)} made`}</title>
              </rect>
              <rect class="bar2" x={x + (step - wide) / 2} y={zero} width={wide} height={received} rx={1}>
                <title>{`${day(each.day)}: ${number(each.received)} received`}</title>
              </rect>
              {at % Math.ceil(Math.max(NAME, width / 9) / step) === 0 && LEFT + at * step < width - NAME / 2 && (
                <text class="axis" x={x + step / 2} y={HEIGHT - 6} text-anchor="middle">
                  {day(each.day)}
                </text>
              )}
            </g>
          );
        })}
        <line class="zero" x1={LEFT} x2={width} y1={zero} y2={zero} />
        {shown !== "received" && most.made > 0 && (
          <text class="axis" x={LEFT - 8} y={Math.max(12, zero - most.made * scale + 4)} text-anchor="end">
            {number(most.made)}
          </text>
        )}
        {shown !== "made" && most.received > 0 && (
          <text class="axis" x={LEFT - 8} y={Math.min(room, zero + most.received * scale)} text-anchor="end">
            {number(most.received)}
          </text>
        )}
        {peak && peak.made > 0 && (
          <Peak text={`${number(peak.made)} made on ${day(peak.day)}`} middle={LEFT + (days.indexOf(peak) + 0.5) * step} wide={wide} y={zero - peak.made * scale + 12} room={width} />
        )}
      </svg>
      <details class="s">
        <summary>The days as a table</summary>
        <table class="table compact">
          <thead>
            <tr>
              <th>Day</th>
              <th class="num">Made</th>
              <th class="num">Received</th>
            </tr>
          </thead>
          <tbody>
            {days
              .filter((each) => each.made || each.received)
              .map((each) => (
                <tr key={each.day}>
                  <td>{day(each.day)}</td>
                  <td class="num">{number(each.made)}</td>
                  <td class="num">{number(each.received)}</td>
                </tr>
              ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}

/** Beside the highest column, on the side where there is room. */
function Peak({ text, middle, wide, y, room }: { text: string; middle: number; wide: number; y: number; room: number }) {
  const before = middle > room - 150;
  return (
    <text class="peak" x={middle + (before ? -1 : 1) * (wide / 2 + 6)} y={y} text-anchor={before ? "end" : "start"}>
      {text}
    </text>
  );
}

function highest(days: readonly DayOfMentions[], side: "made" | "received", shown: Shown): number {
  return shown === "both" || shown === side ? Math.max(0, ...days.map((each) => each[side])) : 0;
}
