"""Which column holds what: text, instant, author, found by the names of columns and by what these hold. Pure.

A name is believed if what the column holds does not speak against it. A strong name says by itself what it is
(`screen_name`); a weak one may be something else as well (`user`). Names within names count where the object that
holds them is known for it: `author.handle`, and not `collector.handle`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from app.posts.looking.sniffing import Finding, Sure
from app.posts.options import DateOrder
from app.posts.times import formats, spellings

Cells: TypeAlias = Mapping[str, Sequence[str]]
"""By column or path what it holds, row by row, stripped."""

STRONG: Mapping[str, tuple[str, ...]] = {
    "text": (
        "data", "text", "full_text", "fulltext", "rawcontent", "content", "body", "message", "tweet", "tweet_text",
        "post_text", "posttext", "message_text", "status_text", "caption", "comment_text", "selftext", "nachricht",
        "inhalt", "beitrag", "texte", "contenu", "texto", "mensaje", "contenido", "conteudo", "conteúdo", "testo",
        "tekst", "bericht",
        "testo_del_messaggio", "messaggio", "contenuto", "mensagem", "metin", "mesaj", "treść", "tresc",
        "wiadomość", "wiadomosc",
        "正文", "内容", "微博正文", "本文", "投稿", "投稿内容", "テキスト", "ツイート",
        "текст", "сообщение", "내용",
    ),
    "timestamp": (
        "timestamp", "created_at", "createdat", "created_utc", "datetime", "date_time", "published_at", "publishedat",
        "posted_at", "postedat", "post_created", "created_time", "createtime", "create_time", "createtimeiso",
        "date_posted", "post_date", "tweet_created_at", "unix_timestamp", "datum", "zeitpunkt", "zeitstempel",
        "erstellt_am", "fecha", "fecha_hora",
        "data_e_ora", "tarih", "data_publikacji", "data_utworzenia", "data_di_pubblicazione",
        "data_pubblicazione", "data_de_publicação",
        "data_hora", "horodatage", "发布时间", "日期", "時間", "日時", "投稿日時",
        "作成日時", "日付", "дата", "날짜",
    ),
    "author": (
        "username", "screen_name", "screenname", "user_name", "handle", "author_handle", "author_username",
        "authorusername", "user_username", "user_screen_name", "account_username", "ownerusername", "owner_username",
        "twitter_handle", "user_handle", "from_user",
        "from_user_name", "uniqueid", "unique_id", "acct", "login", "benutzername",
        "nutzername", "nombre_de_usuario",
        "nome_utente", "nome_de_usuário", "nome_de_usuario", "kullanıcı_adı", "kullanici_adi",
        "nazwa_użytkownika", "nazwa_uzytkownika",
        "nom_utilisateur", "nom_d'utilisateur", "pseudo", "用户名", "用户昵称",
        "ユーザー名", "имя_пользователя", "사용자",
    ),
}  # fmt: skip
WEAK: Mapping[str, tuple[str, ...]] = {
    "text": ("post", "comment", "kommentar", "comentario", "commentaire"),
    "timestamp": (
        "date", "time", "published", "created", "posted", "when", "zeit", "uhrzeit", "hora", "heure", "data",
    ),
    "author": (
        "author", "user", "account", "from", "sender", "owner", "poster", "posted_by", "created_by", "nickname",
        "benutzer", "nutzer", "verfasser", "absender", "autor", "auteur", "utilisateur", "usuario", "usuário", "autore",
        "utente", "gebruiker", "作者", "who", "sender_name", "yazar", "kullanıcı", "kullanici",
        "użytkownik", "uzytkownik",
        "投稿者", "ユーザー", "用户", "昵称", "автор", "пользователь",
    ),
}  # fmt: skip
"""Names of columns and keys. Case does not matter; blanks and hyphens are underscores."""

_VAGUE = ("description", "status", "beschreibung", "bio", "summary", "snippet")
"""Names of columns that may have the text, and may have what people say of themselves: lists of users have them."""

_HOLDERS = {
    "text": {"post", "tweet", "status", "record", "message", "comment", "legacy", "note", "item"},
    "author": {"user", "author", "account", "owner", "profile", "creator", "poster", "sender", "from", "autor"},
}
_HOLDERS["timestamp"] = _HOLDERS["text"]
_OF_AUTHORS = ("name", "nick", "slug")
"""Names that say who it is within an object that is an author."""
_WRAPPED = re.compile(r'\.("?\$(?:date|numberLong)"?)+$')
"""How MongoDB's exports wrap instants."""
_ENOUGH = 0.8
"""The share of a column's cells that have to be instants for the column to be the timestamps'."""
_HALF, _FEW = 0.5, 10
_CHECKED = 200
_DAY = 86_400_000_000
_LONG_NAME = 80


class _Candidate(NamedTuple):
    level: int
    order: int
    place: str


def guess(role: str, cells: Cells, form: str | None = None) -> Finding[str] | None:
    """The column that has the role. LIKELY: others may have it as well. `form`: the format of all instants."""
    found = sorted(
        candidate
        for place, held in cells.items()
        for candidate in [_candidate(role, place)]
        if candidate is not None and fits(role, held, form, well_named=candidate.level < _ELSEWHERE)
    )
    if not found:
        return _in_format(cells, form) if role == "timestamp" and form not in {None, spellings.EXCEL} else None
    best = found[0]
    if best.level >= _ELSEWHERE:
        return Finding(best.place, Sure.LIKELY, f"{best.place!r} may hold something else")
    rivals = [each.place for each in found if each.level == best.level]
    if role == "timestamp" and (far := _far_from(best, found, cells)) is not None:
        return Finding(best.place, Sure.LIKELY, f"{best.place!r} and {far!r} hold instants that are far apart")
    if len(rivals) == 1:
        return Finding(best.place, Sure.CERTAIN, f"its name is {best.place!r}")
    same = _longest_of_same(rivals, cells) if role == "text" else _first_of_same(role, rivals, cells)
    if same is not None:
        return Finding(same, Sure.CERTAIN, f"of columns that hold the same it is {same!r}")
    return Finding(best.place, Sure.LIKELY, f"{', '.join(map(repr, rivals))} may all be the {role}")


def _in_format(cells: Cells, form: str | None) -> Finding[str] | None:
    """The only column that the format of all instants reads."""
    found = [place for place, held in cells.items() if any(held) and fits("timestamp", held, form)]
    return Finding(found[0], Sure.CERTAIN, "timestamp_format reads it") if len(found) == 1 else None


def _far_from(best: _Candidate, found: Sequence[_Candidate], cells: Cells) -> str | None:
    """A column of another rank whose instants are days away from those in the best one."""
    if best.level not in _WHOLE_NAMES:
        return None
    for other in found:
        if other.level in _WHOLE_NAMES and other.level != best.level:
            pairs = zip(cells[best.place][:_CHECKED], cells[other.place][:_CHECKED], strict=False)
            for pair in pairs:
                one, another = map(spellings.read, pair)
                if isinstance(one, int) and isinstance(another, int) and abs(one - another) > 2 * _DAY:
                    return other.place
    return None


def named(role: str, place: str) -> bool:
    """Whether a column's name is one of the role's."""
    return _candidate(role, place) is not None


def names_role(role: str, cell: str) -> bool:
    """Whether a cell of a header names the role, for itself."""
    name = _plain(cell)
    return name in STRONG[role] or name in WEAK[role]


_ELSEWHERE = 4
_WHOLE_NAMES = (0, 2)
"""Levels of columns that are called so themselves, and not by what holds them."""


def _candidate(role: str, place: str) -> _Candidate | None:
    name = _plain(_WRAPPED.sub("", place))
    *holders, last = re.split(r"[./]|__", name)
    strong, weak = STRONG[role], WEAK[role]
    whole = name.replace(".", "_").replace("/", "_")
    for level, names, each in ((0, strong, name), (0, strong, whole), (2, weak, name)):
        if each in names:
            return _Candidate(level, names.index(each), place)
    if role == "text" and last in _VAGUE:
        return _Candidate(_ELSEWHERE, _VAGUE.index(last), place)
    if not holders:
        return None
    held_well = holders[-1].strip('"') in _HOLDERS[role] and (len(holders) == 1 or role != "author")
    found = None
    if last in strong:
        found = _Candidate(1 if held_well else _ELSEWHERE, strong.index(last), place)
    elif role == "author" and last in _OF_AUTHORS and held_well:
        found = _Candidate(3, _OF_AUTHORS.index(last), place)
    elif last in weak and role != "author":
        found = _Candidate(3 if held_well else _ELSEWHERE + 1, weak.index(last), place)
    return found


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().strip("\ufeff\"'").strip().casefold())


def fits(role: str, held: Sequence[str], form: str | None = None, *, well_named: bool = False) -> bool:
    """Whether what a column holds can be the role's. An empty column fits no role but in a file without rows.

    `form`: the format of all instants. `well_named`: of few cells, half have to fit.
    """
    filled = [cell for cell in held[:_CHECKED] if cell]
    if not filled:
        return not held
    match role:
        case "timestamp":
            enough = _HALF if well_named and len(filled) < _FEW else _ENOUGH
            return sum(is_instant(cell, form) for cell in filled) >= enough * len(filled)
        case "author":
            return not (
                all(cell.isdigit() for cell in filled)
                or all(map(is_instant, filled))
                or all("://" in cell for cell in filled)
                or all(len(cell) > _LONG_NAME for cell in filled)
            )
        case _:
            return not all(cell.isdigit() or is_instant(cell) or _is_flag(cell) for cell in filled)


def is_instant(cell: str, form: str | None = None) -> bool:
    """Whether a cell holds an instant. `form`: the format of all instants, in which it has to be."""
    if form is None:
        return spellings.read(cell) is not None
    if form == spellings.EXCEL:
        return re.fullmatch(r"\d{1,7}(\.\d+)?", cell) is not None
    return spellings.read(cell, forms=(formats.compiled(form),)) is not None


def _is_flag(cell: str) -> bool:
    return cell.casefold() in {"true", "false"}


def _longest_of_same(rivals: Sequence[str], cells: Cells) -> str | None:
    """The column with the longest texts, where the others are empty or hold the beginnings of its texts."""
    longest = max(rivals, key=lambda place: sum(map(len, cells[place])))
    for other in rivals:
        for long, short in zip(cells[longest], cells[other], strict=True):
            if not long.startswith(short.rstrip("… ").removesuffix("...")):
                return None
    return longest


def _first_of_same(role: str, rivals: Sequence[str], cells: Cells) -> str | None:
    """The first column, where all hold the same instants, to the day, or the same names."""
    first = cells[rivals[0]]
    for other in rivals[1:]:
        for one, another in zip(first[:_CHECKED], cells[other][:_CHECKED], strict=False):
            if one and another and not (_near(one, another) if role == "timestamp" else _alike(one, another)):
                return None
    return next((place for place in rivals if not all(map(_is_date, filter(None, cells[place])))), rivals[0])


_TIME_WORDS = frozenset((
    "time", "hour", "heure", "hora", "horario", "uhrzeit", "zeit", "ora", "tijd", "tid", "klockan", "czas", "godzina",
    "saat", "时间", "時刻", "時間", "время", "час", "시간",
))  # fmt: skip
"""Words in the names of columns that hold times of day."""
_CLOCK = re.compile(r"\d{1,2}(?:[:h]\d{2}.*|h|\s*[ap]\.?m\.?)", re.IGNORECASE)
MIDNIGHT = r"[T ]0{1,2}:00(?::00(?:\.0+)?)?(?:Z|\+00:00)?$"
"""How a date ends that a spreadsheet wrote with a time of day."""


def clock(date: str, cells: Cells) -> Finding[str] | None:
    """The column with the times of day, if the column `date` holds dates alone. LIKELY: it may hold something else."""
    dates = [cell for cell in cells[date][:_CHECKED] if cell]
    if not dates or not all(map(_is_date, dates)):
        return None
    places = list(cells)
    at = places.index(date)
    times = [place for place in places if _holds_times(cells[place])]
    told = [place for place in times if set(re.findall(r"[^\W\d_]+", place.casefold())) & _TIME_WORDS]
    beside = [place for place in places[max(at - 1, 0) : at + 2] if place in (told or times)]
    if not told and not beside:
        unread = [place for place in places if place != date and _plain(place) in _TIME_WORDS and any(cells[place])]
        return Finding(unread[0], Sure.LIKELY, f"its name is {unread[0]!r}") if unread else None
    if len(told) == 1 or (told and beside):
        place = told[0] if len(told) == 1 else beside[-1]
        return Finding(place, Sure.CERTAIN, f"it holds the times of day that {date!r} lacks")
    place = (told or beside)[-1]
    return Finding(place, Sure.LIKELY, f"{date!r} holds dates alone, and {place!r} may hold their times of day")


def _is_date(cell: str) -> bool:
    readings = (spellings.read(cell, order=order) for order in DateOrder)
    return any(isinstance(micros, int) and micros % _DAY == 0 for micros in readings)


def _holds_times(held: Sequence[str]) -> bool:
    times = [cell for cell in held[:_CHECKED] if cell]
    good = sum(bool(_CLOCK.fullmatch(cell)) and isinstance(spellings.read(f"2000-01-02 {cell}"), int) for cell in times)
    return bool(times) and 2 * good >= len(times)


def _near(one: str, another: str) -> bool:
    readings = spellings.read(one), spellings.read(another)
    return isinstance(readings[0], int) and isinstance(readings[1], int) and abs(readings[0] - readings[1]) < _DAY


def _alike(one: str, another: str) -> bool:
    return one.removeprefix("@").casefold() == another.removeprefix("@").casefold()
