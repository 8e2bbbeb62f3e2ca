/** How a file is read: each finding with how sure it is and why, and a menu to say otherwise. */
import { Icon } from "../parts/icon";
import { type Chosen, type Preview, say } from "./files";
import { columnOf } from "./rows";

interface Subject {
  readonly option: string;
  readonly title: string;
  readonly names?: Readonly<Record<string, string>>;
  readonly choices?: readonly string[];
}

const ENCODINGS = ["utf-8", "cp1252", "utf-16", "latin-1", "iso-8859-2", "cp1250", "cp1251", "gb18030", "shift_jis", "euc-kr"];
const ZONES = ["UTC", "Europe/London", "Europe/Berlin", "Europe/Istanbul", "America/New_York", "America/Los_Angeles", "America/Sao_Paulo", "Asia/Kolkata", "Asia/Shanghai", "Asia/Tokyo", "Australia/Sydney"];
const PROFILES = ["twitter", "mastodon", "bluesky", "instagram", "tiktok", "youtube", "reddit", "telegram", "weibo", "github", "word"];

const SUBJECTS: readonly Subject[] = [
  { option: "format", title: "File", names: { csv: "Table (CSV)", jsonl: "JSON Lines", "json-array": "List in JSON", "json-pages": "JSON" }, choices: ["csv", "jsonl", "json-array", "json-pages"] },
  { option: "preset", title: "Made by" },
  { option: "delimiter", title: "Separator", names: { ",": "Comma", ";": "Semicolon", "\t": "Tab", "|": "Bar" }, choices: [",", ";", "\t", "|"] },
  { option: "encoding", title: "Encoding", names: { cp1252: "Windows-1252", "utf-8": "UTF-8", "utf-16": "UTF-16" }, choices: ENCODINGS },
  { option: "header", title: "First line", names: { true: "Column names", false: "A post" }, choices: ["true", "false"] },
  { option: "dates", title: "Dates", names: { "day-first": "Day first", "month-first": "Month first", "year-first": "Year first" }, choices: ["day-first", "month-first"] },
  { option: "timezone", title: "Time zone", choices: ZONES },
  { option: "profile", title: "Mentions", names: { word: "@ and any word" }, choices: PROFILES },
];

/** An option as the page calls it. */
export function optionTitle(option: string): string {
  return SUBJECTS.find((each) => each.option === option)?.title ?? option.replaceAll("_", " ");
}

export function valueName(option: string, value: string): string {
  return SUBJECTS.find((each) => each.option === option)?.names?.[value] ?? value;
}

/** Whether every time in the file names its own zone, or is a number of seconds: then none is assumed. */
function zoned(chosen: Chosen, preview: Preview): boolean {
  const column = columnOf("timestamp", chosen, preview);
  const at = column === undefined ? -1 : preview.columns.indexOf(column);
  const times = preview.cells.map((cells) => cells[at]?.trim()).filter(Boolean);
  return times.length > 0 && times.every((time) => /(Z|[+\u2212-]\d\d:?\d\d|\b(UTC|GMT|[A-Z]{2,4}T))(\s+\d{4})?$/.test(time!) || /^\d+(\.\d+)?$/.test(time!));
}

export function Reading({ chosen, preview }: { chosen: Chosen; preview: Preview }) {
  const asked = new Map(preview.questions.map((each) => [each.option, each]));
  return (
    <dl class="reading">
      {SUBJECTS.map((subject) => {
        const found = preview.detected[subject.option];
        const question = asked.get(subject.option);
        const value = chosen.given[subject.option] ?? found?.value ?? (subject.option === "timezone" ? "UTC" : undefined);
        if (value === undefined && !question) return null;
        if (subject.option === "timezone" && !chosen.given["timezone"] && !found && zoned(chosen, preview)) return null;
        const choices = [...new Set([...(question?.choices ?? []), ...(value === undefined ? [] : [value]), ...(subject.choices ?? [])])];
        const sure = question ? "asks" : (found?.sure ?? "assumed");
        return (
          <div class={`rd ${sure}`} key={subject.option}>
            <dt>
              <label for={`rd-${subject.option}`}>{subject.title}</label>
              <Sureness sure={sure} />
            </dt>
            <dd>
              <select
                id={`rd-${subject.option}`}
                class="val"
                value={question && !chosen.given[subject.option] ? "" : value}
                onChange={(event) => say(chosen.id, { [subject.option]: event.currentTarget.value })}
              >
                {question && <option value="">Say which</option>}
                {choices.map((each) => (
                  <option key={each} value={each}>
                    {subject.names?.[each] ?? each}
                  </option>
                ))}
              </select>
            </dd>
            <dd class="why">{question?.found ?? found?.reason ?? "the file names none"}</dd>
          </div>
        );
      })}
    </dl>
  );
}

function Sureness({ sure }: { sure: string }) {
  if (sure === "asks") {
    return (
      <span class="how ask">
        <Icon name="warn" />
        say which
      </span>
    );
  }
  const look = { certain: "how sure", assumed: "how ask" }[sure] ?? "how";
  return (
    <span class={look}>
      {sure === "certain" && <Icon name="check" />}
      {sure === "assumed" && <Icon name="warn" />}
      {sure === "given" ? "as you say" : sure}
    </span>
  );
}
