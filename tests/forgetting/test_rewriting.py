"""Payloads and texts without a handle: what goes, what stays, and how it is known that others count the same."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.control import audit_events
from app.control.audit_events import Action
from app.errors import SameBytes
from app.forgetting import people
from app.graph.parameters import read_parameters
from app.posts.erasing import Name
from app.posts.options import Given, InputFormat, Options, Retweets
from app.proofs.audit import audit
from app.settings import Settings
from app.store import postgres
from ops.embedded import logmask
from tests.forgetting.searching import places_of
from tests.forgetting.test_property import NOBODY
from tests.graphs import apply_all, edges
from tests.uploading import posts_csv, upload


def forget(conn: psycopg.Connection[Any], settings: Settings, handle: str, now: datetime, **chosen: bool) -> Any:
    with postgres.connect(settings.database_url, role="guard") as guard:
        return people.forget(
            guard,
            conn,
            handle,
            read_parameters(conn),
            NOBODY,
            keep_out=chosen.get("keep_out", False),
            clock=lambda: now,
        )


@pytest.mark.parametrize(
    ("handle", "text", "masked"),
    [
        ("ann", "@Ann, anna and ANN: planned", "@***, anna and ***: planned"),
        ("ann", "mail ann@example.org or ann_b", "mail ***@example.org or ann_b"),
        ("zoë", "ZOE\u0308 zoë zoe", "**** *** zoe"),
        ("zoe", "zoe\u0308 is somebody else", "zoe\u0308 is somebody else"),
        ("a.b", "@a.b. axb", "@***. axb"),
    ],
)
def test_a_handle_is_masked_where_it_stands_alone(handle: str, text: str, masked: str) -> None:
    assert Name(handle).masked(text) == masked


@pytest.mark.parametrize("profile", ["twitter", "instagram", "mastodon", "github", "bluesky", "word"])
@pytest.mark.parametrize("state", ["staged", "applied"])
def test_longer_handles_of_others_stay(
    conn: psycopg.Connection[Any], settings: Settings, now: datetime, profile: str, state: str
) -> None:
    texts = [
        "@ann.b @ann-b @ann@social.example @ann.bsky.social hello @bob",
        "RT @ann: @bob and @cy",
        ".@ann @bob",
        "ann is here; @ann",
    ]
    at = [(text, now, author) for text in texts for author in ("dee", "ann", "ann.b")]
    upload(settings, posts_csv(at), received_at=now, options=Options(profile=profile))
    if state == "applied":
        apply_all(settings, now=now)
    before = edges(conn, now)
    forget(conn, settings, "ann", now)
    apply_all(settings, now=now)
    after = edges(conn, now)
    assert audit(conn).exact
    assert not [pair for pair in after if "ann" in pair]
    if state == "applied":
        assert after == {pair: held for pair, held in before.items() if "ann" not in pair}
        assert not conn.execute("SELECT id FROM batches WHERE payload IS NULL").fetchall()


@pytest.mark.parametrize("retweets", list(Retweets))
def test_lists_of_mentions_lose_one_handle(
    conn: psycopg.Connection[Any], settings: Settings, now: datetime, retweets: Retweets
) -> None:
    rows = [
        ["hello", "dee", '"[""quilla77"", ""bob""]"', "quilla77"],
        ["RT @quilla77: @bob", "dee", "", ""],
        ["@cy", "dee", "quilla77", "cy"],
        ["@cy", "dee", "@Quilla77 @bob", "bob"],
        ["@bob", "QUILLA77", "cy", "dee"],
    ]
    lines = ["data,timestamp,username,who,to", *(f"{t},{now.isoformat()},{a},{w},{r}" for t, a, w, r in rows)]
    given = Given(mentions="who", reply="to", retweets=retweets)
    upload(
        settings, ("\n".join(lines) + "\n").encode(), received_at=now, options=Options(retweets=retweets, given=given)
    )
    apply_all(settings, now=now)
    before = edges(conn, now)
    assert any("quilla77" in pair for pair in before)
    done = forget(conn, settings, "quilla77", now)
    assert edges(conn, now) == {pair: held for pair, held in before.items() if "quilla77" not in pair}
    assert audit(conn).exact
    assert places_of(conn, "quilla77") == []
    assert (done.payloads, done.payloads_dropped) == (1, 0)


def test_json_loses_values_and_escapes_and_keeps_numbers(
    conn: psycopg.Connection[Any], settings: Settings, now: datetime
) -> None:
    lines = [
        '{"data":"@\\u0071uilla77 @bob","timestamp":1714566600.50,"username":"dee","x":{"quilla77":["Quilla77", 1e9]}}',
        '{"data":"@bob","timestamp":1714566600.50,"username":"quilla77"}',
        '{"data":"@quilla77","timestamp":"?","username":"dee"}',
        "no JSON of @quilla77",
    ]
    upload(settings, "\n".join(lines).encode(), received_at=now, options=Options(format=InputFormat.JSONL))
    apply_all(settings, now=now)
    forget(conn, settings, "Quilla77", now)
    assert list(edges(conn, now)) == [("dee", "bob")]
    assert places_of(conn, "quilla77") == []
    assert audit(conn).exact


def test_who_is_kept_out_stays_out_until_let_in(
    conn: psycopg.Connection[Any], settings: Settings, now: datetime
) -> None:
    send = lambda: upload(settings, posts_csv([("@ann @bob", now, "dee")]), received_at=now, again=True)  # noqa: E731
    send()
    apply_all(settings, now=now)
    old = conn.execute("SELECT id FROM users WHERE handle = 'ann'").fetchone()
    forget(conn, settings, "@Ann", now, keep_out=True)
    send()
    apply_all(settings, now=now)
    assert {pair: held.mention_count for pair, held in edges(conn, now).items()} == {("dee", "bob"): 2}
    people.let_in(conn, "ann", NOBODY)
    send()
    apply_all(settings, now=now)
    assert {pair: held.mention_count for pair, held in edges(conn, now).items()} == {
        ("dee", "bob"): 3,
        ("dee", "ann"): 1,
    }
    assert conn.execute("SELECT id FROM users WHERE handle = 'ann'").fetchone() != old
    assert conn.execute("SELECT handle FROM users WHERE id = %s", old).fetchone() == ("",)
    assert audit(conn).exact


def test_logs_are_masked_in_place(tmp_path: Any) -> None:
    log = tmp_path / "api.log"
    log.write_bytes(b'GET /users/Ann%C3%A9 200\n{"path": "/users/ann\\u00e9"} ann\xc3\xa9 joann\xc3\xa9 anne\n')
    with log.open("ab") as writer:
        assert logmask.mask(tmp_path, "anné") == 3
        writer.write(b"next\n")
    assert b"joann\xc3\xa9 anne\nnext\n" in log.read_bytes()
    assert b"/users/*" in log.read_bytes()


def test_only_logs_of_their_directorys_owner_are_masked(tmp_path: Path) -> None:
    logs, own, other = tmp_path / "logs", tmp_path / "postgres.log", tmp_path / "other"
    logs.mkdir()
    for file in (own, other, tmp_path / "twice"):
        file.write_text("@ann")
    (logs / "postgres.log").symlink_to("../postgres.log")
    (logs / "planted.log").symlink_to(other)
    (logs / "hard.log").hardlink_to(tmp_path / "twice")
    if os.getuid():
        other.unlink()
        other.symlink_to("/etc/passwd")
    else:
        os.chown(other, 12345, 12345)
    before = other.read_bytes()

    assert logmask.mask(logs, "ann") == 1

    assert own.read_text() == "@***"
    assert other.read_bytes() == before
    assert (tmp_path / "twice").read_text() == "@ann"


def test_columns_that_are_called_like_the_person_get_another_name(
    conn: psycopg.Connection[Any], settings: Settings, now: datetime
) -> None:
    """And an upload of the same bytes is still known."""
    rows = ["zebra_zoe,when,who", f"@bob,{now.isoformat()},dee", "@bob,never,dee", f"@bob,{now.isoformat()},zebra_zoe"]
    body = ("\n".join(rows) + "\n").encode()
    given = Given(text="zebra_zoe", timestamp="when", author="who")
    upload(settings, body, received_at=now, options=Options(given=given))
    apply_all(settings, now=now)
    assert places_of(conn, "zebra_zoe")

    forget(conn, settings, "zebra_zoe", now)

    assert places_of(conn, "zebra_zoe") == []
    (form,) = conn.execute("SELECT format -> 'names' FROM uploads").fetchone() or ("",)
    assert form == ["*********", "when", "who"]
    assert audit(conn).exact
    with pytest.raises(SameBytes):
        upload(settings, body, received_at=now, options=Options(given=given))
    forget(conn, settings, "given", now)  # words of the service stay
    forget(conn, settings, "twitter", now)
    (options,) = conn.execute("SELECT options FROM uploads").fetchone() or ({},)
    assert (options["profile"], options["detected"]["text"]["sure"]) == ("twitter", "given")


def test_audit_events_stay_as_they_were_written(
    conn: psycopg.Connection[Any], settings: Settings, now: datetime
) -> None:
    """They are append-only, and name no user. A key's owner or a backup may be called like the person all the same."""
    for handle in ("ann", "erasure"):
        audit_events.record(conn, NOBODY, Action.KEY_CREATE, "k1234567", detail={"owner": handle})
        audit_events.record(conn, NOBODY, Action.DATA_BACKUP, f"{handle}.dump")
    upload(settings, posts_csv([("@ann @erasure", now, "dee")]), received_at=now)
    apply_all(settings, now=now)
    before = conn.execute("SELECT id, subject, detail FROM audit_events ORDER BY id").fetchall()

    for handle in ("ann", "erasure", "ann"):
        forget(conn, settings, handle, now)

    after = conn.execute("SELECT id, subject, detail FROM audit_events ORDER BY id").fetchall()
    assert after[: len(before)] == before
    assert not edges(conn, now)
