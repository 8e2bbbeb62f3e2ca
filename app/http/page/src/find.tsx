/** The field that finds a user, and leads to the user's network. */
import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { get } from "./api/client";
import { useResource } from "./api/resource";
import { Icon } from "./parts/icon";
import { go } from "./router";

const MOST = 8;

export function FindUser() {
  const text = useSignal("");
  return (
    <div class="find" role="search" aria-label="Users">
      <Icon name="find" />
      <UserField id="find" label="Find a user" value={text} chosen={(handle) => (go(["network"], { around: handle }), (text.value = ""))} />
      <kbd aria-hidden="true">/</kbd>
    </div>
  );
}

/** A field in which users are found by the beginning of their handle; arrow keys walk what is found. */
export function UserField({ id, label, value, chosen }: { id: string; label: string; value: { value: string }; chosen: (handle: string) => void }) {
  const list = useId();
  const at = useSignal(0);
  const open = useSignal(false);
  const prefix = value.value.trim().replace(/^@/, "");
  const found = useResource(async (signal) => (prefix ? (await get("/users", { query: { prefix, limit: MOST }, signal })).users : []), [prefix]);
  const users = open.value ? (found.value ?? []) : [];
  const choose = (handle: string | undefined): void => {
    if (!handle) return;
    open.value = false;
    chosen(handle);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      open.value = true;
      at.value = Math.max(0, Math.min(users.length - 1, at.value + (event.key === "ArrowDown" ? 1 : -1)));
    } else if (event.key === "Enter") {
      event.preventDefault();
      choose(users[at.value]?.spelling ?? (prefix || undefined));
    } else if (event.key === "Escape") {
      open.value = false;
      (event.currentTarget as HTMLElement).blur();
    }
  };
  return (
    <>
      <input
        id={id}
        role="combobox"
        aria-label={label}
        aria-expanded={users.length > 0}
        aria-controls={list}
        aria-activedescendant={users.length ? `${list}-${at.value}` : undefined}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        placeholder={label}
        value={value.value}
        onInput={(event) => {
          value.value = event.currentTarget.value;
          at.value = 0;
          open.value = true;
        }}
        onKeyDown={onKeyDown}
        onBlur={() => setTimeout(() => (open.value = false), 150)}
      />
      <ul id={list} role="listbox" aria-label="Users" class="found" hidden={!users.length}>
        {users.map((user, index) => (
          <li key={user.handle} id={`${list}-${index}`} role="option" aria-selected={index === at.value} onPointerDown={(event) => (event.preventDefault(), choose(user.spelling))}>
            <bdi>{user.spelling}</bdi>
          </li>
        ))}
      </ul>
    </>
  );
}
