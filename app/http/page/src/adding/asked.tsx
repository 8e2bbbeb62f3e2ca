/** What a file leaves open: each question with what was found, and where the answer is given. */
import { useSignal } from "@preact/signals";
import { Icon } from "../parts/icon";
import { Prose } from "../parts/prose";
import { type Chosen, type Preview, say } from "./files";
import { optionTitle, valueName } from "./reading";
import { ROLES } from "./rows";

type Question = Preview["questions"][number];

/** Whether the file can't be read at all, whatever is said about it. */
export function unreadable(preview: Preview): Question | undefined {
  return preview.columns.length ? undefined : preview.questions.find((each) => each.option === "file");
}

export function Asked({ chosen, preview }: { chosen: Chosen; preview: Preview }) {
  const hopeless = unreadable(preview);
  if (hopeless) return <Unreadable found={hopeless.found} />;
  return (
    <div class="asked" role="status">
      <p class="finding">{preview.questions.length === 1 ? "One thing is" : `${preview.questions.length} things are`} open before these posts can be counted.</p>
      {preview.questions.map((each) => (
        <div class="note warn" key={each.option}>
          <Icon name="warn" />
          <div>
            <p class="strong">{title(each)}</p>
            <p class="soft">
              <Prose text={sentence(each.found)} />
            </p>
          </div>
          <Answer chosen={chosen} preview={preview} question={each} />
        </div>
      ))}
    </div>
  );
}

/** What, where, and what to do. */
function Unreadable({ found }: { found: string }) {
  return (
    <div class="asked" role="alert">
      <p class="finding">
        <span class="bad">This file can’t be read as posts.</span>
      </p>
      <div class="note bad">
        <Icon name="warn" />
        <p class="strong">
          <Prose text={sentence(found)} />
        </p>
        <p>Each post needs a text, a time and an author. Save the posts as CSV, Excel, JSON or Parquet, and add that file.</p>
      </div>
    </div>
  );
}

/** Roles are answered by a column, options by their choices, and everything else by a word. */
function Answer({ chosen, preview, question }: { chosen: Chosen; preview: Preview; question: Question }) {
  const { option } = question;
  const text = useSignal(chosen.given[option] ?? "");
  const role = ROLES.some(([name]) => name === option);
  const choices = role ? [...new Set([...question.choices, ...preview.columns])] : question.choices;
  if (option === "file") return null;
  if (choices.length)
    return (
      <select class="field" aria-label={title(question)} value={chosen.given[option] ?? ""} onChange={(event) => say(chosen.id, { [option]: event.currentTarget.value })}>
        <option value="">{role ? "Choose a column" : "Say which"}</option>
        {choices.map((each) => (
          <option key={each} value={each}>
            {role ? each : valueName(option, each)}
          </option>
        ))}
      </select>
    );
  return (
    <form
      class="word"
      onSubmit={(event) => {
        event.preventDefault();
        say(chosen.id, { [option]: text.value.trim() });
      }}
    >
      <input class="field" aria-label={title(question)} autocomplete="off" spellcheck={false} value={text.value} onInput={(event) => (text.value = event.currentTarget.value)} />
      <button type="submit" class="btn" disabled={!text.value.trim()}>
        Use it
      </button>
    </form>
  );
}

const TITLES: Readonly<Record<string, string>> = {
  file: "This may be no file of posts",
  author_is: "Who wrote these posts?",
  columns: "What are the columns, in their order?",
};

function title({ option }: Question): string {
  const role = ROLES.find(([name]) => name === option);
  if (role) return `Which column is the ${role[1].toLowerCase()}?`;
  return TITLES[option] ?? `${optionTitle(option)}?`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
