/** Settings of the API process that answers: those that differ from their defaults, or all. */
import { useSignal } from "@preact/signals";
import { lacks } from "../api/caller";
import { get, pathOf } from "../api/client";
import { useResource } from "../api/resource";
import { number } from "../format";
import { LackNote } from "../keying";
import { useCurl } from "../parts/curl";
import { ProblemNote } from "../parts/problem";
import { Prose } from "../parts/prose";

export function Settings() {
  const why = lacks("admin", { everywhere: true });
  return why ? <LackNote why={why} /> : <List />;
}

function List() {
  const settings = useResource((signal) => get("/settings", { signal }), []);
  const all = useSignal(false);
  useCurl(pathOf("/settings"));
  const differing = settings.value?.settings.filter((each) => each.differs) ?? [];
  const shown = all.value ? (settings.value?.settings ?? []) : differing;
  return (
    <>
      <div class="lead">
        {settings.value && (
          <p class="finding">
            <b>{number(differing.length)}</b> of {settings.value.settings.length} settings differ from their defaults.
          </p>
        )}
        <label class="check">
          <input type="checkbox" checked={all.value} onChange={(event) => (all.value = event.currentTarget.checked)} />
          Show all
        </label>
      </div>
      {settings.problem && <ProblemNote problem={settings.problem} again={settings.again} />}
      <div class="panel scroll set" tabIndex={0} role="region" aria-label="Settings">
        <table class="table flow">
          <thead>
            <tr>
              <th>Variable</th>
              <th>Value</th>
              <th>Default</th>
              <th>What it means</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((each) => (
              <tr key={each.name}>
                <td class={each.differs ? "mono strong" : "mono"}>{each.variable}</td>
                <td class="mono val">{each.value || <span class="muted">empty</span>}</td>
                <td class="mono muted val" data-title="default">{each.default || "empty"}</td>
                <td class="soft means">
                  <Prose text={each.meaning} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

