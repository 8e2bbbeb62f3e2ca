/** The first rows of a file, with a menu over each column that says what the column is. */
import { Marked } from "../parts/marked";
import { type Chosen, type Preview, say } from "./files";

export const ROLES: readonly (readonly [string, string])[] = [
  ["text", "Post text"],
  ["timestamp", "Time"],
  ["author", "Author"],
  ["id", "Post id"],
  ["mentions", "Mentioned users"],
  ["reply", "Answers to"],
  ["retweet", "Retweet of"],
  ["quote", "Quotes"],
];

/** The column that has a role. A preset may name several, of which the file has one: `note_tweet.text|text`. */
export function columnOf(role: string, chosen: Chosen, preview: Preview): string | undefined {
  const said = chosen.given[role];
  if (said !== undefined) return said;
  const named = preview.detected[role]?.value.split("|") ?? [];
  return named.find((each) => preview.columns.includes(each));
}

export function Rows({ chosen, preview }: { chosen: Chosen; preview: Preview }) {
  const roles = new Map<string, string>();
  for (const [role] of ROLES) {
    const column = columnOf(role, chosen, preview);
    if (column !== undefined) roles.set(column, role);
  }
  const rejects = new Map(preview.rejects.map((each) => [each.line, each]));
  const first = firstLine(preview);
  if (!preview.cells.length) return null;
  return (
    <div class="rows" tabIndex={0} role="region" aria-label="First rows">
      <table class="table">
        <thead>
          <tr>
            <th class="num">Line</th>
            {preview.columns.slice(0, preview.cells[0]?.length ?? 0).map((column) => (
              <th key={column}>
                <bdi class="cn">{column}</bdi>
                <ColumnMenu chosen={chosen} column={column} role={roles.get(column)} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {preview.cells.map((cells, row) => {
            const line = first === undefined ? undefined : first + row;
            const reject = line === undefined ? undefined : rejects.get(line);
            return (
              <tr key={row} class={reject ? "rej" : undefined} title={reject?.message}>
                <td class="num ln">{line}</td>
                {cells.map((cell, at) => (
                  <Cell key={at} cell={cell} role={roles.get(preview.columns[at] ?? "")} preview={preview} bad={reject !== undefined && reject.message.includes(`'${preview.columns[at]}'`)} />
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Cell({ cell, role, preview, bad }: { cell: string; role: string | undefined; preview: Preview; bad: boolean }) {
  if (role !== "text") return <td class={bad ? "bad" : role ? undefined : "off"}>{bad ? <span>{cell}</span> : <bdi>{cell}</bdi>}</td>;
  const post = preview.rows.find((each) => each.text === cell || each.text.startsWith(cell));
  return <td class="tx">{post ? <Marked text={cell} places={post.mentions} /> : <bdi>{cell}</bdi>}</td>;
}

function ColumnMenu({ chosen, column, role }: { chosen: Chosen; column: string; role: string | undefined }) {
  const change = (to: string): void => {
    const changes: Record<string, string> = {};
    if (role) changes[role] = "";
    if (to) changes[to] = column;
    say(chosen.id, changes);
  };
  return (
    <select class={role ? "field sel" : "field sel none"} aria-label={`What the column ${column} is`} value={role ?? ""} onChange={(event) => change(event.currentTarget.value)}>
      <option value="">not used</option>
      {ROLES.map(([name, title]) => (
        <option key={name} value={name}>
          {title}
        </option>
      ))}
    </select>
  );
}

/** The line of the first row; undefined where the lines of rows are not known. */
function firstLine(preview: Preview): number | undefined {
  const lines = [...preview.rows.map((each) => each.line), ...preview.rejects.map((each) => each.line)];
  return lines.length ? Math.min(...lines) : undefined;
}
