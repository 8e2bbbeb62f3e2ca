"""Writes the sample that the demo uploads: python -m ops.demo.make_sample

About four weeks of seven invented communities talking, some across, with everything a real export has: quoted line
breaks, doubled quotes, addresses that are no mentions, and a couple of dozen rows that cannot be read. The same bytes
on every Python, since only `random.random()`, whose sequence is guaranteed, is drawn from.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ops.demo.phrases import ACROSS, COMMUNITIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ops.demo.phrases import Community

SAMPLE = Path(__file__).with_name("sample.csv")
ROWS = 4_000
SEED = 20_261_120
FIRST_DAY = datetime(2026, 10, 22, tzinfo=UTC)
LONGEST = 7
"""Posts in a conversation."""
DAYS = 29
"""The sample ends the day before 2026-11-20."""

Item = TypeVar("Item")


class Dice:
    """Choices out of random() alone."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed).random  # noqa: S311 - repeatable on purpose

    def below(self, limit: int) -> int:
        return int(self.random() * limit)

    def chance(self, percent: float) -> bool:
        return self.random() * 100 < percent

    def pick(self, items: Sequence[Item]) -> Item:
        return items[self.below(len(items))]

    def early(self, items: Sequence[Item]) -> Item:
        """The earlier in the list, the likelier: the lower of two even draws."""
        return items[min(self.below(len(items)), self.below(len(items)))]


@dataclass(frozen=True, slots=True)
class Post:
    at: datetime
    author: str
    text: str


def friends(people: list[str], person: str) -> list[str]:
    """Three people this one talks to, the closest twice; closeness is mutual between neighbours in the list."""
    place = people.index(person)
    closest = people[place ^ 1] if place ^ 1 < len(people) else people[0]
    return [closest, closest, people[(place + 2) % len(people)], people[(place * 3 + 5) % len(people)]]


def other(dice: Dice, people: list[str], *taken: str) -> str:
    return dice.pick([person for person in people if person not in taken])


def mention(dice: Dice, handle: str) -> str:
    """A handle as someone in a hurry writes it."""
    sign = "＠" if dice.chance(4) else "@"
    if dice.chance(6):
        return sign + (handle.lower() if handle.lower() != handle else handle.upper())
    return sign + handle


def say(dice: Dice, template: str, community: Community, a: str, b: str) -> str:
    return template.format(a=mention(dice, a), b=mention(dice, b), t=dice.pick(community.topics))


def moment(dice: Dice) -> datetime:
    """Some second of the four weeks, seldom at night."""
    hour = 7 + dice.below(16) if dice.chance(90) else dice.below(24)
    return FIRST_DAY + timedelta(days=dice.below(DAYS), hours=hour, seconds=dice.below(3_600))


def conversation(dice: Dice, community: Community) -> list[Post]:
    """An opening and up to six answers among two or three people, minutes apart."""
    author = dice.early(community.people)
    partner = dice.pick(friends(community.people, author))
    if partner == author:
        partner = other(dice, community.people, author)
    third = other(dice, community.people, author, partner)
    at = moment(dice)
    posts = [Post(at, author, say(dice, dice.pick(community.openers), community, partner, third))]
    speaker, listener = partner, author
    while len(posts) < LONGEST and dice.chance(62):
        at += timedelta(seconds=40 + dice.below(1_500))
        if listener != third and dice.chance(15):
            speaker = third
        bystander = next(person for person in (third, partner, author) if person not in (speaker, listener))
        posts.append(Post(at, speaker, say(dice, dice.pick(community.answers), community, listener, bystander)))
        speaker, listener = listener, speaker
    return posts


def retweet(dice: Dice, community: Community, post: Post) -> Post:
    author = other(dice, community.people, post.author)
    sign = dice.pick(("RT @", "RT @", "RT @", "RT @", "rt @", "RT:@"))
    at = post.at + timedelta(seconds=60 + dice.below(7_200))
    return Post(at, author, f"{sign}{post.author}: {post.text}")


def greeting(dice: Dice) -> Post:
    """From one community to two people of others."""
    places = sorted(range(len(COMMUNITIES)), key=lambda _: dice.random())[:3]
    author, a, b = (dice.early(COMMUNITIES[place].people) for place in places)
    return Post(moment(dice), author, dice.pick(ACROSS).format(a=mention(dice, a), b=mention(dice, b)))


def posts(dice: Dice, wanted: int) -> list[Post]:
    """Exactly `wanted` posts in the order of their instants."""
    shares = [community for community in COMMUNITIES for _ in range(community.share)]
    said: list[Post] = []
    while len(said) < wanted:
        community = dice.pick(shares)
        thread = conversation(dice, community)
        said.extend(thread)
        if dice.chance(18):
            said.append(retweet(dice, community, thread[0]))
        if dice.chance(6):
            said.append(greeting(dice))
        if dice.chance(1):
            last = thread[-1]
            said.append(Post(last.at + timedelta(minutes=9), last.author, f"PS from @{last.author}: see above ☝️"))
    return sorted(said[:wanted], key=lambda post: post.at)


def stamp(dice: Dice, at: datetime) -> str:
    """Nearly always ISO 8601 with a Z, now and then another form of the same instant."""
    if not dice.chance(3):
        return f"{at:%Y-%m-%dT%H:%M:%SZ}"
    berlin = at + timedelta(hours=1)
    return dice.pick(
        (
            f"{at:%Y-%m-%d %H:%M:%S}",
            f"{berlin:%Y-%m-%dT%H:%M:%S}+01:00",
            f"{at:%Y-%m-%dT%H:%M:%S}.{dice.below(1_000):03}Z",
            str(int(at.timestamp())),
        )
    )


def quoted(text: str) -> str:
    if any(character in text for character in ',"\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


WHEN = "2026-11-07T18:20:00Z"
BAD_ROWS: tuple[bytes, ...] = (
    b"Wer kommt heute? @Speichen_Ulla,gestern Abend,felgen_fiete",
    b"@huerto_luzma mira esto,31/10/2026 18:20,brote_bruno",
    b"no such day @vacuum_vera,2026-11-31T10:00:00Z,btree_bo",
    b"no such hour @vacuum_vera,2026-11-05T25:10:00Z,btree_bo",
    b"@join_june nobody knows when,,cursor_cal",
    f"the author got lost @join_june,{WHEN}".encode(),
    f"@marti_ile_cay {WHEN} vapur_saati".encode(),
    f"{WHEN},tuple_tess".encode(),
    f"@levain_lucie et la date ?;{WHEN};farine_felix".encode(),
    f"Brot, Käse, Wein und @Speichen_Ulla,{WHEN},nabe_nils".encode(),
    f"gracias, @huerto_luzma,{WHEN},chile_chelo".encode(),
    f"@oto_no_neko 了解です,{WHEN},sine_nami,,".encode(),
    f"one more column @toast_tobi,{WHEN},index_ike,deleted".encode(),
    f"wer schreibt hier @Speichen_Ulla,{WHEN},".encode(),
    f"¿quién habla aquí? @abeja_abril,{WHEN},   ".encode(),
    f"just a sign @join_june,{WHEN},@".encode(),
    "Grüße von der Brücke @dynamo_dora,".encode("latin-1") + f"{WHEN},klingel_karla".encode(),
    "¡Mañana sí! @nopal_nacho,".encode("latin-1") + f"{WHEN},raices_ramon".encode(),
    b"cut in the middle \xe3\x81 @yoru_patch," + f"{WHEN},rokuon_rin".encode(),
    f"who am I @vacuum_vera,{WHEN},".encode() + b"toast\xff_tobi",
    f'"Luft rein" sagte @Speichen_Ulla,{WHEN},pumpen_petra'.encode(),
    f'"ready" @vapur_saati or not,{WHEN},lodos_levent'.encode(),
    f'"a space behind" ,{WHEN},shard_shay'.encode(),
    f'"and then @Deadlock_Dee said,{WHEN},explain_elle'.encode(),
    f'"te lo juro @Tomate_Terca,{WHEN},milpa_mila'.encode(),
)


def build() -> bytes:
    """The whole file."""
    dice = Dice(SEED)
    rows = [
        ",".join(
            (quoted(post.text), stamp(dice, post.at), f"@{post.author}" if dice.chance(1) else post.author)
        ).encode()
        for post in posts(dice, ROWS - len(BAD_ROWS))
    ]
    step = len(rows) // len(BAD_ROWS)
    for number, bad in enumerate(BAD_ROWS):
        rows.insert(number * (step + 1) + 40 + dice.below(step - 40), bad)
    return b"data,timestamp,username\n" + b"\n".join(rows) + b"\n"


if __name__ == "__main__":
    SAMPLE.write_bytes(build())
