"""Where the posts of a JSON text are: the objects themselves, or lists in them; and the presets that fit. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest
from typing import NamedTuple

import msgspec

from app.posts.json import paths
from app.posts.looking import presets, recognising, roles, shapes
from app.posts.looking.presets import Preset, Shape
from app.posts.looking.shapes import Packing, Post, Unpacker
from app.posts.looking.sniffing import Layout, Sure

_LOOKED_AT = 50
"""Posts whose shape is compared with the presets."""


class Unpacked(NamedTuple):
    """The first posts of a file."""

    posts: list[Post]
    packing: Packing
    presets: list[Preset]
    """Those that the posts fit best."""


def of(text: str, layout: Layout, preset: str | None, wanted: set[str], *, final: bool) -> Unpacked:
    """The posts of a text. `preset`: the one that the sender names; `wanted`: keys with which objects are posts."""
    text = text.lstrip("\ufeff")
    match layout:
        case Layout.JSON_ARRAY:
            pages = shapes.elements(text, final=final)
        case Layout.JSON_PAGES:
            pages = shapes.objects(text, final=final)
        case _:
            pages = shapes.of_lines(text) or shapes.objects(text, final=final)
    if not pages or (preset is None and 2 * sum(wanted <= page.keys() for page in pages) >= len(pages)):
        return Unpacked(pages, Packing(), [])
    allowed = presets.PRESETS if preset is None else tuple(each for each in presets.PRESETS if each.name == preset)
    of_presets = dict.fromkeys(each.rows for each in allowed if each.rows and each.shape is Shape.JSON)
    for rows in (None, *of_presets, *shapes.PAGES):
        posts = _unpack(pages, Packing(rows=rows, join="includes"))[:_LOOKED_AT]
        fitting = [each for each in recognising.of_objects(posts, allowed) if each.rows is None or each.rows == rows]
        if fitting:
            packing = _packing(fitting[0], _with_others(rows, pages, fitting[0]), pages)
            return Unpacked(_sample(pages, packing), packing, fitting)
    return _unknown(pages)


def _packing(preset: Preset, rows: str | None, pages: Sequence[Post]) -> Packing:
    join = preset.join if preset.join != "includes" or any("includes" in page for page in pages) else None
    below = (
        preset.below
        if preset.below
        and any(paths.values(paths.parse(preset.below), each) for each in _unpack(pages, Packing(rows=rows)))
        else None
    )
    return Packing(rows=rows, below=below, join=join, handles=shapes.handles_of(pages) if join == "handles" else {})


def _unpack(pages: Sequence[Post], packing: Packing) -> list[Post]:
    unpacker = Unpacker(packing)
    return [post for page in pages for post in unpacker.posts(page) or () if isinstance(post, dict)]


def _with_others(rows: str | None, pages: Sequence[Post], preset: Preset) -> str | None:
    """The path to the posts, and to other lists of posts of the same preset beside them."""
    if rows is None or preset.join == "includes":
        return rows
    return "|".join([rows, *(other for other, posts in _other_lists(rows, pages) if _fit(posts, preset))])


def _fit(posts: Sequence[Post], preset: Preset) -> bool:
    return bool(recognising.of_objects(posts, (preset,)))


def _other_lists(rows: str, pages: Sequence[Post]) -> Iterator[tuple[str, list[Post]]]:
    """Lists of objects in pages beside those at `rows`, with their first objects."""
    known = set(rows.split("|"))
    within = tuple(f"{way.removesuffix('[]')}." for way in known)
    others = dict.fromkeys(path for page in pages[:_LOOKED_AT] for path in _lists(page))
    beside = [path for path in others if path not in known and not path.startswith(within)]
    for path in beside[: paths.MAX_ALTERNATIVES - len(known)]:
        yield path, _unpack(pages, Packing(rows=path))[:_LOOKED_AT]


def _sample(pages: Sequence[Post], packing: Packing) -> list[Post]:
    """The first posts: of several lists the first of each in turn."""
    ways = packing.rows.split("|") if packing.rows else [None]
    lists = [_unpack(pages, msgspec.structs.replace(packing, rows=way)) for way in ways]
    in_turn = (post for posts in zip_longest(*lists) for post in posts if post is not None)
    return list(islice(in_turn, shapes.SAMPLE))


def _unknown(pages: list[Post]) -> Unpacked:
    """Posts of a source that no preset knows: the objects, if they have what posts have; else the lists in them."""
    if _are_posts(pages):
        return _with_answers(pages, None)
    for rows in (*shapes.PAGES, *dict.fromkeys(path for page in pages[:1] for path in _lists(page))):
        if _are_posts(_unpack(pages, Packing(rows=rows))):
            others = (other for other, posts in _other_lists(rows, pages) if _surely_posts(posts))
            return _with_answers(pages, "|".join([rows, *others]))
    return Unpacked(pages, Packing(), [])


def _with_answers(pages: list[Post], rows: str | None) -> Unpacked:
    """The posts, and the answers in lists within them, such as comments."""
    posts = _unpack(pages, Packing(rows=rows))
    below: list[str] = []
    for path in dict.fromkeys(path for post in posts[:_LOOKED_AT] for path in _lists(post) if _ANSWERS.search(path)):
        found = [each for post in posts for each in paths.values(paths.parse(path), post) if isinstance(each, dict)]
        if _surely_posts(found[:_LOOKED_AT]):
            below.append(path)
    packing = Packing(rows=rows, below="|".join(below[: paths.MAX_ALTERNATIVES]) or None)
    return Unpacked(_sample(pages, packing), packing, [])


_ANSWERS = re.compile(r"(?i)comment|repl(?:y|ies)|answer|response|children|kommentar|antwort|r[eé]pons|respuesta")
"""How lists are called that hold what was written below a post. Other lists may repeat posts that stand elsewhere."""


def _surely_posts(posts: Sequence[Post]) -> bool:
    """Whether objects are certainly posts: users, who have a date and a description, are not."""
    cells = shapes.cells(posts)
    found = {role: roles.guess(role, cells) for role in ("text", "timestamp", "author")} if posts else {}
    text = found.get("text")
    return bool(found) and all(found.values()) and text is not None and text.sure >= Sure.CERTAIN


def _are_posts(posts: Sequence[Post]) -> bool:
    cells = shapes.cells(posts[:_LOOKED_AT])
    return bool(posts) and all(roles.guess(role, cells) is not None for role in ("text", "timestamp"))


def _lists(found: object, before: str = "", depth: int = 0) -> Iterator[str]:
    """Paths to the lists of objects in an object."""
    if not isinstance(found, dict) or depth > 3:  # noqa: PLR2004
        return
    for key, value in found.items():
        path = before + paths.show(paths.literal(key))
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield f"{path}[]"
        yield from _lists(value, f"{path}.", depth + 1)
