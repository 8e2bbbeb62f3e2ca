"""Posts as a social network might export them, by the million, the same bytes for the same arguments everywhere.

    python -m ops.bench.generate --rows 1000000 --seed 7 posts.csv
    python -m ops.bench.generate --rows 1000 --bad-rows 0.01 -

Why the bytes are stable: the only randomness is the raw 64-bit stream of numpy's PCG64, which numpy guarantees for a
fixed seed; everything drawn from it is integer arithmetic of our own (numpy's distributions and Python's `random` may
change between versions, and floating point powers between processors). A shorter file of the same seed is a prefix of
a longer one.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.random import PCG64

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Words = NDArray[np.uint64]

HEADER: Final = b"data,timestamp,username\n"
CHUNK: Final = 32_768

USERS: Final = 330_000
"""Handles there are. A million rows at these popularities meet about 300 thousand of them."""

FIRST_DAY: Final = datetime(2026, 8, 22, tzinfo=UTC)
DAYS: Final = 90

FIRST, SECOND, HASHTAGS, *WORDS = (
    line.split()
    for line in (
        "nora tilo mika jun aiko selin deniz omar lina paco ines luz yuki haru emre zehra karim salma piet anouk bruno "
        "carla dora egon fritz greta hanna ivo jana kuno lotte matz nele otto pia quirin rosa sven tara ulf vera wim "
        "xenia yann zora abel bea cleo dario elif farid gus hedy iris joss kaya leif mona noor orla pepe rafa suki",
        "fox fern moon rad kiste wolke berg tee brot lampe gato nube mar sol pan luna raton cielo neko sora hana kumo "
        "yama tori deniz kedi bulut cay ay qamar bahr nahr byte loop graph node pixel static vinyl tape drum synth "
        "paddle trail crank spoke yarn kiln glaze loom acorn heron otter finch moth comet orbit quark ember slate",
        "#coffee #Feierabend #música #写真 #günaydın #nowplaying #rennrad #opendata #صباح #vendredi",
        "the train is late again but this coffee makes up for it who else saw that match last night unbelievable new "
        "record out today finally some rain for the garden thanks everyone for coming see you next week same place",
        "heute endlich wieder Sonne über der Stadt und der Zug kommt trotzdem später wer fährt morgen mit nach Köln "
        "schöne Grüße an alle die noch arbeiten müssen das Brot ist fertig gleich geht es los",
        "hoy por fin llueve en la ciudad y el café sabe mejor que nunca mañana salimos temprano hacia la montaña "
        "quién viene con nosotros gracias por todo qué partido el de anoche nadie se lo creía",
        "今日は とても 寒い ですね 明日の 朝は 早起き しないと 新しい アルバム 最高 でした "
        "みんな ありがとう 電車が また 遅れてる 夕飯は カレー",
        "اليوم الجو جميل جدا في المدينة شكرا لكم جميعا على الحضور "
        "من يريد القهوة الآن الكتاب الجديد وصل أخيرا نراكم غدا",
        "bugün hava çok güzel herkese günaydın çay hazır gelen var mı yarın sabah erken çıkıyoruz teşekkürler "
        "dünkü maç inanılmazdı yeni şarkı çıktı İstanbul yine kalabalık",
        "quelle belle journée à la campagne merci à tous pour hier soir le train est encore en retard déjà vendredi "
        "on se retrouve où ce concert était génial",
        "сегодня наконец выпал снег всем доброе утро кто идёт завтра на концерт спасибо за помощь "
        "новый альбом отличный",
    )
)
EMOJI: Final = ("🙂", "🎉", "🚲", "☕", "🌧️", "👩‍🚀", "🔥", "🇩🇪")
MAIL: Final = ("info@kiste.example", "nora.fox+list@mail.example", "hello@sub.domain.example")
LINKS: Final = (
    "https://news.example/2026/11/a-long-way",
    "http://kiste.example/?q=a&b=c",
    "https://video.example/@kanal7/watch",
    "https://t.example/Ab3xY",
)
ODDITIES: Final = (
    "see @kurier/redaktion please",
    "@@double",
    "@müller ist kein Handle",
    "@abcdefghijklmnopqrstuvwxyz is cut",
    "@ftp://old.example",
    "rt:@Echo_Box",
    "#@tagged",
    "no@one @_@ (cc: @Kiste)",
    "http://kiste.example/?by=@tilo_fox",
    'er sagte "ja" dazu',
    "こんにちは@haru_neko1さん",
    "«@luz_mar2»",
)

FORMS: Final = (
    *(("@", ""),) * 7, (".@", ""), ("＠", ""), ("(@", ")"), ("cc @", ""), ("-@", "!"),
    ("RT @", ":"), ("RT @", ":"), ("rt@", ""), ("RT:@", ""),
)  # fmt: skip
"""What stands before and behind a handle: sixteen, so that four random bits choose one."""
RETWEET: Final = 12
"""From this form on the mention can only open a post."""

BAD_ROWS: Final = (
    "one field too few @nora_fox,{stamp}",
    "one field, too many @nora_fox,{stamp},{author}",
    "no such day @nora_fox,2026-13-45T25:61:00Z,{author}",
    "when? @nora_fox,yesterday,{author}",
    "nobody says @nora_fox,{stamp},",
    "a sign is no name @nora_fox,{stamp}, @ ",
    "\udcc3( is no UTF-8 @nora_fox,{stamp},{author}",
    "a NUL \0 @nora_fox,{stamp},{author}",
    '"closed" too early @nora_fox,{stamp},{author}',
    '"never closed @nora_fox,{stamp},{author}',
)

HEADS: Final = 1_024
TAILS: Final = 4_096
QUOTED_TAILS: Final = 1_024


def bits(words: Words, start: int, width: int) -> Words:
    """`width` bits of each word, counted from the low end."""
    return (words >> np.uint64(start)) & np.uint64((1 << width) - 1)


def scaled(words: Words, start: int, below: int) -> Words:
    """An even draw from [0, below) out of 32 bits of each word; `below` is under 2**32."""
    return (bits(words, start, 32) * np.uint64(below)) >> np.uint64(32)


class Popularity:
    """Ranks drawn with a weight of 1 / (rank + flatness), in whole numbers."""

    def __init__(self, ranks: int, flatness: int) -> None:
        weights = np.uint64(300_000_000) // (np.arange(ranks, dtype=np.uint64) + np.uint64(flatness))
        self.upto = np.cumsum(weights)
        self.total = int(self.upto[-1])

    def draw(self, words: Words, start: int) -> Words:
        return np.searchsorted(self.upto, scaled(words, start, self.total), side="right").astype(np.uint64)


class Phrases:
    """The texts around the mentions. Heads end in a space; quoted tails are escaped for a quoted field."""

    def __init__(self, stream: PCG64) -> None:
        self.stream = stream
        self.heads = ["" if n % 2 else self.words(2, 3) + " " for n in range(HEADS)]
        self.tails = [self.tail() for _ in range(TAILS)]
        self.tails += [self.quoted_tail(n) for n in range(QUOTED_TAILS)]

    def below(self, limit: int) -> int:
        return int(self.stream.random_raw()) % limit

    def words(self, least: int, most: int) -> str:
        language = WORDS[self.below(len(WORDS))]
        return " ".join(language[self.below(len(language))] for _ in range(least + self.below(most - least + 1)))

    def tail(self) -> str:
        text = self.words(6, 11)
        match self.below(32):
            case 0:
                return f"{text} {ODDITIES[self.below(len(ODDITIES))]} {self.words(1, 3)}"
            case 1:
                return f"{text} {MAIL[self.below(len(MAIL))]}"
            case 2 | 3 | 4 | 5:
                return f"{text} {LINKS[self.below(len(LINKS))]}"
            case 6 | 7 | 8 | 9 | 10:
                return f"{text} {HASHTAGS[self.below(len(HASHTAGS))]}"
            case 11 | 12 | 13 | 14:
                return f"{text} {EMOJI[self.below(len(EMOJI))]}"
            case _:
                return text

    def quoted_tail(self, number: int) -> str:
        match number % 4:
            case 0:
                return f"{self.words(3, 5)}, {self.words(3, 5)}"
            case 1:
                return f'{self.words(3, 5)} ""{self.words(2, 3)}"" {self.words(1, 2)}'
            case 2:
                return f"{self.words(3, 5)}\n{self.words(3, 5)}"
            case _:
                return f'{self.words(2, 4)},\n\n""{self.words(2, 3)}"" {HASHTAGS[number % len(HASHTAGS)]}'


class Handles:
    """Handle number to spelling: `user % USERS` has one handle, written in lower, title or upper case."""

    def __init__(self) -> None:
        cases = (str.lower, str.title, str.upper)
        self.first = [case(name) + joint for case in cases for joint in ("_", "") for name in FIRST]
        self.second = [case(name) for case in cases for name in SECOND]
        self.number = ["", *(str(n) for n in range(1, USERS // (len(FIRST) * len(SECOND)) + 1))]

    def spell(self, users: Words, spelling: Words) -> list[str]:
        """`spelling` is eight random bits: three quarters lower case, most others title case."""
        case = (spelling >= np.uint64(192)).astype(np.uint64) + (spelling >= np.uint64(243)).astype(np.uint64)
        pairs, first = np.divmod(users, np.uint64(len(FIRST)))
        number, second = np.divmod(pairs, np.uint64(len(SECOND)))
        first += (case * np.uint64(2) + (number & np.uint64(1))) * np.uint64(len(FIRST))
        second += case * np.uint64(len(SECOND))
        parts = zip(first.tolist(), second.tolist(), number.tolist(), strict=True)
        return [self.first[a] + self.second[b] + self.number[c] for a, b, c in parts]


class Instants:
    """Seconds after FIRST_DAY to a timestamp: ISO with T and Z, one in 32 in another form that is read as well."""

    def __init__(self) -> None:
        days = [f"{FIRST_DAY + timedelta(days=day):%Y-%m-%d}" for day in range(DAYS)]
        self.minutes = [f"{day}T{n // 60:02}:{n % 60:02}" for day in days for n in range(24 * 60)]
        self.seconds = [f":{n:02}Z" for n in range(60)]
        self.start = int(FIRST_DAY.timestamp())

    def spell(self, seconds: Words, form: Words) -> list[str]:
        """`form` is eight random bits."""
        minute, second = np.divmod(seconds, np.uint64(60))
        stamps = [self.minutes[m] + self.seconds[s] for m, s in zip(minute.tolist(), second.tolist(), strict=True)]
        for index in np.flatnonzero(form < np.uint64(8)).tolist():
            stamps[index] = self.other_form(stamps[index], int(seconds[index]), int(form[index]))
        return stamps

    def other_form(self, stamp: str, seconds: int, form: int) -> str:
        bare = stamp.removesuffix("Z")
        return (
            bare.replace("T", " "),
            bare[:-3] + "Z",
            f"{bare}.{seconds % 1000:03}Z",
            f"{bare}.{seconds % 999_983:06}+00:00",
            f"{bare}+02:00",
            f"{bare}-0530",
            str(self.start + seconds),
            str((self.start + seconds) * 1000 + seconds % 1000),
        )[form]


@dataclass(frozen=True, slots=True)
class Tables:
    """What every chunk of one run is drawn from."""

    phrases: Phrases
    handles: Handles
    instants: Instants
    authors: Popularity
    targets: Popularity
    friends: Popularity


MENTIONS: Final = np.searchsorted(np.array([77, 190, 230, 246]), np.arange(256), side="right").astype(np.uint64)
"""Mentions in a post by eight random bits: 0 in 30%, 1 in 44%, 2 in 16%, 3 in 6%, 4 in 4%."""
MOST: Final = 4
WORDS_A_ROW: Final = 3 + 2 * MOST


def permuted(rank: Words, factor: int, shift: int) -> Words:
    """Rank to user, one to one, so that the most talkative are not the most talked about."""
    return (rank * np.uint64(factor) + np.uint64(shift)) % np.uint64(USERS)


def draw_targets(tables: Tables, author: Words, words: Words) -> tuple[Words, Words]:
    """Whom each of up to MOST mentions means, and eight bits for its spelling; both rows × MOST.

    Half go by fame, half to the author's own circle; one in 256 means the author, one in 64 the previous one again.
    """
    fame = permuted(tables.targets.draw(words[:, :MOST], 0), 149_993, 7)
    circle = (author[:, None] * np.uint64(31) + tables.friends.draw(words[:, :MOST], 32)) % np.uint64(USERS)
    choice = bits(words[:, MOST:], 0, 8)
    target = np.where(choice < np.uint64(128), fame, circle)
    target = np.where(choice == np.uint64(255), author[:, None], target)
    for place in range(1, MOST):
        again = bits(words[:, MOST + place], 8, 6) == 0
        target[:, place] = np.where(again, target[:, place - 1], target[:, place])
    return target, bits(words[:, MOST:], 16, 8)


def mention_pieces(tables: Tables, target: Words, spelling: Words, form: Words, count: Words) -> list[str]:
    """The mentions of all rows in one list, `count` for each row, with what stands around them."""
    form[:, 1:] %= np.uint64(RETWEET)
    used = np.arange(MOST, dtype=np.uint64)[None, :] < count[:, None]
    names = tables.handles.spell(target[used], spelling[used])
    around = [FORMS[n] for n in form[used].tolist()]
    return [before + name + behind for (before, behind), name in zip(around, names, strict=True)]


def chunk_rows(tables: Tables, words: Words) -> list[str]:
    """CHUNK rows without their terminators."""
    author = permuted(tables.authors.draw(words[:, 0], 0), 7_919, 13)
    count = MENTIONS[bits(words[:, 0], 32, 8)]
    target, spelling = draw_targets(tables, author, words[:, 3:])
    form = bits(words[:, 3 + MOST :], 24, 4)
    retweet = (form[:, 0] >= np.uint64(RETWEET)) & (count > 0)
    head = np.where(retweet, np.uint64(1), bits(words[:, 1], 0, 10))
    quoted = bits(words[:, 1], 10, 8) < np.uint64(26)
    tail = np.where(quoted, TAILS + bits(words[:, 1], 18, 10), bits(words[:, 1], 18, 12))
    pieces = iter(mention_pieces(tables, target, spelling, form, count))
    heads, tails = tables.phrases.heads, tables.phrases.tails
    rows: list[str] = []
    for opening, number, closing, stamp, name in zip(
        head.tolist(),
        count.tolist(),
        tail.tolist(),
        tables.instants.spell(scaled(words[:, 2], 0, DAYS * 86_400), bits(words[:, 2], 32, 8)),
        tables.handles.spell(author, bits(words[:, 2], 40, 8)),
        strict=True,
    ):
        text = heads[opening]
        if number:
            text += " ".join(islice(pieces, number)) + " "
        text += tails[closing]
        rows.append(f'"{text}",{stamp},{name}' if closing >= TAILS else f"{text},{stamp},{name}")
    return rows


def spoil(rows: list[str], words: Words, share: float) -> None:
    """Put a row that must be rejected in the place of about `share` of the rows."""
    chosen = bits(words, 32, 32) < np.uint64(int(share * 2**32))
    for index in np.flatnonzero(chosen).tolist():
        template = BAD_ROWS[int(words[index]) % 65_536 % len(BAD_ROWS)]
        rows[index] = template.format(stamp="2026-11-01T12:00:00Z", author="nora_fox")


def generate(rows: int, seed: int, *, bad_rows: float = 0.0) -> Iterator[bytes]:
    """The header, then chunks of whole rows (some megabytes each), `rows` in all, bad ones among them."""
    tables = Tables(
        phrases=Phrases(PCG64([seed, 1])),
        handles=Handles(),
        instants=Instants(),
        authors=Popularity(USERS, 200),
        targets=Popularity(USERS, 5),
        friends=Popularity(60, 1),
    )
    stream, bad_stream = PCG64([seed, 2]), PCG64([seed, 3])
    yield HEADER
    for start in range(0, rows, CHUNK):
        words = stream.random_raw(CHUNK * WORDS_A_ROW).reshape(CHUNK, WORDS_A_ROW)
        lines = chunk_rows(tables, words)[: rows - start]
        if bad_rows:
            spoil(lines, bad_stream.random_raw(CHUNK)[: len(lines)], bad_rows)
        yield ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.bench.generate", description="Write a CSV of invented posts.")
    parser.add_argument("out", metavar="OUT.csv", help="- for standard output")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--bad-rows", type=float, default=0.0, metavar="SHARE", help="share of rows to be rejected")
    options = parser.parse_args(arguments)
    if options.rows < 0 or options.seed < 0 or not 0.0 <= options.bad_rows <= 1.0:
        parser.error("rows and seed are not negative, SHARE is between 0 and 1")
    digest, size, began = hashlib.sha256(), 0, time.perf_counter()
    with sys.stdout.buffer if options.out == "-" else Path(options.out).open("wb") as out:
        for chunk in generate(options.rows, options.seed, bad_rows=options.bad_rows):
            out.write(chunk)
            digest.update(chunk)
            size += len(chunk)
    took = time.perf_counter() - began
    rate = f"{took:.1f} s ({options.rows / took:,.0f} rows/s)"
    print(f"{options.rows} rows, {size} bytes, {rate}, sha256 {digest.hexdigest()}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
