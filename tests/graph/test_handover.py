"""What an upload that leaves the graph hands over, and whose notes it takes along."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import pytest

import sql
from app.ledger.states import UploadState
from app.store.postgres import Connection, scalars
from tests.entering import insert_batch, insert_delta, insert_upload

LIMITED = '{"max_rejects": {"rows": 1}}'


@pytest.fixture
def uploads(conn: Connection, now: datetime) -> list[UUID]:
    """Three uploads with one batch each."""
    found = [insert_upload(conn, UploadState.APPLYING, now) for _ in range(3)]
    for upload in found:
        insert_batch(conn, upload, "counted", now)
    return found


@pytest.fixture
def batches(conn: Connection, uploads: list[UUID]) -> list[int]:
    """The batches of the uploads, in their order."""
    return [scalars(conn, "SELECT id FROM batches WHERE upload_id = %(id)s", {"id": each})[0] for each in uploads]


def link(conn: Connection, holder: int, owners: list[int]) -> None:
    conn.execute(sql.query("graph/post_ids/insert_links"), {"holder_id": holder, "owner_ids": owners})


def links(conn: Connection) -> set[tuple[int, int]]:
    return set(conn.execute("SELECT holder_id, owner_id FROM post_repeats").fetchall())


def test_a_batch_is_linked_with_owners_of_other_uploads_alone(
    conn: Connection, uploads: list[UUID], batches: list[int], now: datetime
) -> None:
    first, second, _ = batches
    sibling = insert_batch(conn, uploads[0], "counted", now, ordinal=1)

    link(conn, first, [second, sibling])

    assert links(conn) == {(first, second)}


def test_links_go_with_the_upload_or_the_holder_that_they_are_about(
    conn: Connection, uploads: list[UUID], batches: list[int]
) -> None:
    first, second, third = batches
    link(conn, first, [second, third])
    link(conn, second, [first, third])
    link(conn, third, [second])

    conn.execute(sql.query("graph/handover/drop_links_of_holder"), {"holder_id": second})
    assert links(conn) == {(first, second), (first, third), (third, second)}
    conn.execute(sql.query("graph/handover/drop_links"), {"upload_id": uploads[0]})
    assert links(conn) == {(third, second)}
    conn.execute(sql.query("graph/handover/drop_links"), {"upload_id": uploads[1]})
    assert links(conn) == set()


def test_posts_are_taken_over_and_forgotten_by_their_owner(conn: Connection, batches: list[int]) -> None:
    first, second, third = batches
    keys = [UUID(int=number) for number in range(4)]
    conn.execute(sql.query("graph/post_ids/claim"), {"keys": keys[:3], "batch_id": first})
    conn.execute(sql.query("graph/post_ids/claim"), {"keys": keys[2:], "batch_id": second})

    given = {"holder_id": third, "keys": [keys[3], keys[0]], "owner_ids": [first]}
    assert conn.execute(sql.query("graph/handover/take_over"), given).fetchall() == [(1,)]
    conn.execute(sql.query("graph/handover/forget_posts"), {"owner_ids": [first]})

    assert conn.execute("SELECT key, batch_id FROM post_ids ORDER BY key").fetchall() == [
        (keys[0], third),
        (keys[3], second),
    ]


def test_what_a_batch_repeats_and_gains_is_entered_with_it_alone(conn: Connection, batches: list[int]) -> None:
    first, second, third = batches
    for batch in (first, second, third):
        given = {"batch_id": batch, "rows_repeated": 1, "ids_owned": 0}
        assert conn.execute(sql.query("graph/post_ids/set_repeated"), given).rowcount == 1

    given = {"batch_ids": [second], "posts": [1], "mentions": [5], "edges": [4]}
    conn.execute(sql.query("graph/handover/set_gained"), given)

    counts = "SELECT rows_repeated, ids_owned, mentions, edges FROM batches ORDER BY id"
    assert conn.execute(counts).fetchall() == [(1, 0, 0, 0), (0, 1, 5, 4), (1, 0, 0, 0)]


class Part(NamedTuple):
    """A part that a batch gains: its upload's options, the batch's state, and whether a sibling's delta is held."""

    options: str
    state: str
    sibling_held: bool
    released: bool


PARTS = [
    Part("{}", "counted", sibling_held=True, released=True),
    Part(LIMITED, "counted", sibling_held=True, released=False),
    Part(LIMITED, "counted", sibling_held=False, released=True),
    Part(LIMITED, "applied", sibling_held=True, released=True),
]


@pytest.mark.parametrize("case", PARTS)
def test_a_new_part_is_released_once_its_uploads_limit_is_decided(
    conn: Connection, batches: list[int], now: datetime, case: Part
) -> None:
    for batch in batches:
        insert_delta(conn, batch)  # other uploads are decided
        insert_delta(conn, batch, part=1, held=True)
    upload = insert_upload(conn, UploadState.APPLYING, now, options=case.options)
    holder = insert_batch(conn, upload, case.state, now)
    insert_delta(conn, insert_batch(conn, upload, "counted", now, ordinal=1), held=case.sibling_held)
    for part in (1, 2):
        insert_delta(conn, holder, part=part, held=True)

    given = {"batch_ids": [holder], "parts": [1]}
    assert conn.execute(sql.query("graph/handover/release_parts"), given).rowcount == case.released

    held = "SELECT part FROM deltas WHERE batch_id = %(batch)s AND held ORDER BY part"
    assert scalars(conn, held, {"batch": holder}) == ([2] if case.released else [1, 2])
    assert scalars(conn, held, {"batch": batches[0]}) == [1]
