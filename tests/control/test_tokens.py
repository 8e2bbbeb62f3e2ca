"""Tokens: their form, their checksum, and what the database keeps of them."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.control import tokens

IDS = st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", min_size=8, max_size=8)
SECRETS = st.binary(min_size=32, max_size=32)


@given(IDS, SECRETS)
def test_a_token_says_its_id_and_nothing_else(key_id: str, secret: bytes) -> None:
    token = tokens.written(key_id, secret)

    assert re.fullmatch(rf"mg_{key_id}_[0-9A-Za-z]{{49}}", token)
    assert tokens.id_in(token) == key_id
    assert tokens.digest(token) == hashlib.sha256(token.encode()).digest()
    assert tokens.is_of(token, tokens.digest(token))


@given(IDS, SECRETS, SECRETS)
def test_two_secrets_make_two_tokens(key_id: str, one: bytes, other: bytes) -> None:
    same = tokens.written(key_id, one) == tokens.written(key_id, other)

    assert same == (one == other)


@given(IDS, SECRETS, st.integers(0, 60), st.characters(codec="ascii"))
def test_a_mistyped_token_is_none(key_id: str, secret: bytes, at: int, typed: str) -> None:
    token = tokens.written(key_id, secret)
    mistyped = token[:at] + typed + token[at + 1 :]

    # CRC-32 finds every error in one place.
    assert (tokens.id_in(mistyped) is None) == (mistyped != token)


@given(st.text(max_size=80))
def test_no_other_text_is_a_token(text: str) -> None:
    assert tokens.id_in(text) is None


@pytest.mark.parametrize("change", [" {}", "{} ", "{}\n", "MG{}", "{}A", "é{}"])
def test_a_token_has_nothing_around_it(change: str) -> None:
    assert tokens.id_in(change.format(tokens.make().token)) is None


def test_tokens_differ() -> None:
    made = [tokens.make() for _ in range(100)]

    assert len({each.token for each in made}) == len({each.id for each in made}) == 100
    assert all(tokens.id_in(each.token) == each.id for each in made)
