"""Paths into JSON objects: what stands where in a post, whatever shape its source gives it. Pure.

    data                       the value of a key
    user.screen_name           keys within keys
    full_text|text             the first of these that is there, and is not null
    mentions[].username        of every element of a list
    refs[type=quoted].author   of those elements whose key has this value
    "a.b"                      a key that holds one of . | [ ] = "; a quote within quotes is written twice

No wildcards, no scripts, no look upwards: a path costs a look at each of its keys. Of a key that comes twice the last
value counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import chain
from operator import attrgetter
from typing import Any, TypeAlias

import msgspec

from app.visible import quoted

MAX_STEPS, MAX_ALTERNATIVES, MAX_CHARACTERS = 12, 8, 400

_TOKEN = re.compile(r'"(?P<quoted>(?:[^"]|"")+)"|(?P<plain>[^.|\[\]="]+)|(?P<mark>[.|\[\]=])')


class BadPath(ValueError):
    """What is wrong with a path, for a message."""


class Step(msgspec.Struct, frozen=True):
    """One key of a path. `every`: its value is a list, and every element is meant; `where`: those with key = value."""

    key: str
    every: bool = False
    where: tuple[str, str] | None = None


Way: TypeAlias = tuple[Step, ...]


class Path(msgspec.Struct, frozen=True):
    """One or more ways to a value; the first that leads to one counts."""

    ways: tuple[Way, ...]

    @property
    def many(self) -> bool:
        """Whether the value is a list of values."""
        return any(step.every for way in self.ways for step in way)

    @property
    def first_keys(self) -> tuple[str, ...]:
        return tuple(way[0].key for way in self.ways)


def parse(text: str) -> Path:
    """Raises BadPath."""
    if not text or len(text) > MAX_CHARACTERS:
        raise BadPath(f"a path has 1 to {MAX_CHARACTERS} characters")
    ways = tuple(_way(tokens) for tokens in _alternatives(text))
    if len(ways) > MAX_ALTERNATIVES:
        raise BadPath(f"a path has up to {MAX_ALTERNATIVES} alternatives")
    return Path(ways)


def literal(key: str) -> Path:
    """The path that is one key, whatever characters the key holds."""
    return Path(((Step(key),),))


def _alternatives(text: str) -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = [[]]
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise BadPath(f"a quote is not closed: {quoted(text[at:])}")
        at = token.end()
        kind = str(token.lastgroup)
        value = token[0] if kind != "quoted" else token["quoted"].replace('""', '"')
        if kind == "mark" and value == "|":
            found.append([])
        else:
            found[-1].append(("key" if kind != "mark" else value, value))
    return found


def _way(tokens: list[tuple[str, str]]) -> Way:
    steps: list[Step] = []
    rest = list(tokens)
    while rest:
        if steps:
            _expect(rest, ".")
        key = _expect(rest, "key")
        every, where = False, None
        if _next(rest) == "[":
            _expect(rest, "[")
            every = True
            if _next(rest) == "key":
                named = _expect(rest, "key")
                _expect(rest, "=")
                where = (named, _expect(rest, "key"))
            _expect(rest, "]")
        steps.append(Step(key, every, where))
    if not steps or len(steps) > MAX_STEPS:
        raise BadPath(f"a way has 1 to {MAX_STEPS} keys")
    return tuple(steps)


def _next(rest: list[tuple[str, str]]) -> str:
    return rest[0][0] if rest else ""


def _expect(rest: list[tuple[str, str]], kind: str) -> str:
    if not rest or rest[0][0] != kind:
        wanted = "a key" if kind == "key" else repr(kind)
        raise BadPath(f"{wanted} is wanted {'at the end' if not rest else f'before {rest[0][1]!r}'}")
    return rest.pop(0)[1]


def show(path: Path) -> str:
    """The path as `parse` reads it."""
    return "|".join(".".join(_shown(step) for step in way) for way in path.ways)


def _shown(step: Step) -> str:
    inside = "" if step.where is None else f"{_quoted(step.where[0])}={_quoted(step.where[1])}"
    return _quoted(step.key) + (f"[{inside}]" if step.every else "")


def _quoted(key: str) -> str:
    doubled = key.replace('"', '""')
    return f'"{doubled}"' if re.search(r'[.|\[\]="]', key) or not key else key


# Looking slowly: any decoded JSON -------------------------------------------------------------------------------------


def values(path: Path, found: object) -> list[Any]:
    """What the path leads to in a decoded JSON value, nulls left out: of the first way that leads to something."""
    for way in path.ways:
        reached = _follow(way, [found])
        if reached:
            return reached
    return []


def _follow(way: Way, at: list[Any]) -> list[Any]:
    for step in way:
        at = [value[step.key] for value in at if isinstance(value, dict) and value.get(step.key) is not None]
        if step.every:
            at = [element for value in at if isinstance(value, list) for element in value]
            if step.where is not None:
                key, wanted = step.where
                at = [each for each in at if isinstance(each, dict) and _text(each.get(key)) == wanted]
            at = [element for element in at if element is not None]
    return at


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None if value is None else str(value)


# Looking fast: one decoder for all paths of a file --------------------------------------------------------------------

Column: TypeAlias = list[Any]


class _Node:
    """What is wanted of one object: values with their types, and objects below with what is wanted of them."""

    def __init__(self) -> None:
        self.kinds: dict[str, Any] = {}
        self.nodes: dict[str, _Node] = {}
        self.lists: set[str] = set()

    def add(self, way: Way, kind: Any) -> None:  # noqa: ANN401 (a type)
        """Raises ValueError where one key is wanted in two shapes."""
        step, rest = way[0], way[1:]
        if step.where is not None and not rest:
            raise ValueError("elements that are chosen by a key are objects")
        if rest:
            below = self.nodes.setdefault(step.key, _Node())
            below.add(rest, kind)
            if step.every:
                self.lists.add(step.key)
            elif step.key in self.lists:
                raise ValueError("a key is wanted as a list and as an object")
            if step.where is not None:
                below.add((Step(step.where[0]),), str | int | None)
            return
        wanted = list[kind] | None if step.every else kind
        if self.kinds.setdefault(step.key, wanted) != wanted:
            raise ValueError("a key is wanted in two types")

    def struct(self, name: str) -> type[msgspec.Struct]:
        """Raises ValueError where a key is wanted in two shapes, or cannot be a field."""
        if set(self.kinds) & set(self.nodes):
            raise ValueError("a key is wanted as a value and as an object")
        fields: list[tuple[str, Any, Any]] = [(self.field(key), kind, None) for key, kind in self.kinds.items()]
        for number, (key, node) in enumerate(self.nodes.items()):
            below = node.struct(f"{name}_{number}")
            # An object that is not there is one without keys: its values are found to be null without a look.
            kind, default = (list[below], None) if key in self.lists else (below, below())
            fields.append((self.field(key), kind | None, default))
        rename = {self.field(key): key for key in (*self.kinds, *self.nodes)}
        return msgspec.defstruct(name, fields, rename=rename, frozen=True, gc=False)

    def field(self, key: str) -> str:
        return f"f{[*self.kinds, *self.nodes].index(key)}"


class Extractor:
    """Decodes the lines of a file and hands out what its paths lead to, a column a role.

    `decode` raises msgspec.MsgspecError for a line that is no object, or of which a wanted value has another type.
    `decode_lines` does so for one such line of many.
    """

    def __init__(self, wanted: Mapping[str, tuple[Path, Any]]) -> None:
        """`wanted`: by role its path, and the type of its values, such as `str | None`. Raises ValueError."""
        root = _Node()
        for path, kind in wanted.values():
            for way in path.ways:
                root.add(way, kind)
        decoder = msgspec.json.Decoder(root.struct("Post"))
        self.decode: Callable[[bytes], Any] = decoder.decode
        self.decode_lines: Callable[[memoryview], list[Any]] = decoder.decode_lines
        readers = {role: _lists_reader(root, path) for role, (path, _) in wanted.items()}
        self._lists = {role: read for role, read in readers.items() if read is not None}
        self._columns = {role: [_reader(root, way) for way in path.ways] for role, (path, _) in wanted.items()}

    def column(self, role: str, posts: list[Any]) -> Column:
        """Of each post what the role's path leads to: a value or None; for a path of many, a list."""
        first, *others = self._columns[role]
        found = first(posts)
        for read in others:
            missing = [number for number, value in enumerate(found) if value is None or value == []]
            if len(missing) == len(posts):
                found = read(posts)
                continue
            if not missing:
                break
            for number, value in zip(missing, read([posts[number] for number in missing]), strict=True):
                found[number] = value
        return found

    def lists(self, role: str, posts: list[Any]) -> tuple[list[Any], list[int]]:
        """Of a path of many: all values one behind the other, and how many of them each post has."""
        if role in self._lists:
            return self._lists[role](posts)
        found = [
            each if isinstance(each, list) else [] if each is None else [each] for each in self.column(role, posts)
        ]
        return list(chain.from_iterable(found)), list(map(len, found))


_Lists: TypeAlias = Callable[[list[Any]], tuple[list[Any], list[int]]]


def _lists_reader(root: _Node, path: Path) -> _Lists | None:
    """The fastest way to the values in one list of objects. None: the path is another one."""
    way = path.ways[0]
    at = [number for number, step in enumerate(way) if step.every]
    if len(path.ways) > 1 or len(at) != 1 or at[0] == len(way) - 1 or way[at[0]].where is not None:
        return None
    fields = _fields(root, way)
    lists_of, value_of = _values_of(fields[: at[0] + 1]), _values_of(fields[at[0] + 1 :])

    def lists(posts: list[Any]) -> tuple[list[Any], list[int]]:
        found = [elements or () for elements in lists_of(posts)]
        values = value_of(list(chain.from_iterable(found)))
        if None not in values:
            return values, list(map(len, found))
        by_post = [[value for value in value_of(list(elements)) if value is not None] for elements in found]
        return list(chain.from_iterable(by_post)), list(map(len, by_post))

    return lists


def _fields(root: _Node, way: Way) -> list[str]:
    fields: list[str] = []
    node = root
    for step in way:
        fields.append(node.field(step.key))
        node = node.nodes.get(step.key, node)
    return fields


def _reader(root: _Node, way: Way) -> Callable[[list[Any]], Column]:
    fields = _fields(root, way)
    before = next((at for at, step in enumerate(way) if step.every), len(way))
    values = _values_of(fields[: before + 1])
    if before == len(way):
        return values
    if before == len(way) - 1:  # the list is of values
        return lambda posts: [
            [element for element in found if element is not None] if found else [] for found in values(posts)
        ]
    if any(step.every for step in way[before + 1 :]):
        steps = _with_fields(root, way)
        return lambda posts: [_every(post, steps) for post in posts]
    return _values_in_lists(values, _values_of(fields[before + 1 :]), _with_fields(root, way)[before][2])


def _values_of(fields: list[str]) -> Callable[[list[Any]], Column]:
    """Of each object what stands at the end of its fields, one within the other."""
    get = attrgetter(".".join(fields))

    def values(posts: list[Any]) -> Column:
        try:
            return list(map(get, posts))
        except AttributeError:  # a null in place of an object
            return [_walk(post, fields) for post in posts]

    return values


def _values_in_lists(
    lists: Callable[[list[Any]], Column], values: Callable[[list[Any]], Column], where: tuple[str, str] | None
) -> Callable[[list[Any]], Column]:
    """Of each object what the elements of its list hold; `where`: the field and the value of those that count."""

    def chosen(elements: list[Any]) -> list[Any]:
        if where is not None:
            elements = [each for each in elements if _text(getattr(each, where[0])) == where[1]]
        found = values(elements)
        return [value for value in found if value is not None] if None in found else found

    return lambda posts: [chosen(elements) if elements else [] for elements in lists(posts)]


def _with_fields(root: _Node, way: Way) -> list[tuple[str, bool, tuple[str, str] | None]]:
    steps: list[tuple[str, bool, tuple[str, str] | None]] = []
    node = root
    for step in way:
        field, node = node.field(step.key), node.nodes.get(step.key, node)
        where = None if step.where is None else (node.field(step.where[0]), step.where[1])
        steps.append((field, step.every, where))
    return steps


def _walk(post: Any, fields: list[str]) -> Any:  # noqa: ANN401
    for field in fields:
        if post is None:
            return None
        post = getattr(post, field)
    return post


def _every(post: Any, steps: list[tuple[str, bool, tuple[str, str] | None]]) -> list[Any]:  # noqa: ANN401
    at = [post]
    for field, every, where in steps:
        if not every:
            at = [value for each in at if (value := getattr(each, field)) is not None]
            continue
        at = [element for each in at for element in getattr(each, field) or () if element is not None]
        if where is not None:
            at = [each for each in at if _text(getattr(each, where[0])) == where[1]]
    return at
