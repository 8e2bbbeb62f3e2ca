"""Where the posts of a JSON text are: the objects themselves, or lists in them; and the presets that fit. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from app.posts.json import paths
from app.posts.looking import presets, recognising, roles, shapes
from app.posts.looking.presets import Preset, Shape
from app.posts.looking.shapes import Packing, Post, Unpacker
from app.posts.looking.sniffing import Layout

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
            packing = _packing(fitting[0], rows, pages)
            return Unpacked(_unpack(pages, packing)[: shapes.SAMPLE], packing, fitting)
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


def _unknown(pages: list[Post]) -> Unpacked:
    """Posts of a source that no preset knows: the objects, if they have what posts have; else the lists in them."""
    if not _are_posts(pages):
        for rows in (*shapes.PAGES, *dict.fromkeys(path for page in pages[:1] for path in _lists(page))):
            packing = Packing(rows=rows)
            posts = _unpack(pages, packing)
            if _are_posts(posts):
                return Unpacked(posts[: shapes.SAMPLE], packing, [])
    return Unpacked(pages, Packing(), [])


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
