"""The first rows and what the sender says decide how a file is read, and neither is taken for more than it is."""

from __future__ import annotations

import json

import pytest

from app.posts.looking import presets
from app.posts.looking.reading import Reading, look
from app.posts.looking.sniffing import Layout, Sure
from app.posts.options import Given, Retweets
from tests.posts.reading_facts import JAPANESE, RUSSIAN

ROW = "hi @bea,2024-01-01,ana\n"
HEADER = "text,date,user\n"
THREE = ("text", "timestamp", "author")


def looked(text: str, given: Given | None = None) -> Reading:
    return look(text.encode(), given or Given(), final=True)


HEADERS: list[tuple[str, str, Given, tuple[bool, Sure]]] = [
    ("two names beside a day", "text,date,2024-01-01\n", Given(), (True, Sure.CERTAIN)),
    ("one name", "text,thing,other\n", Given(), (True, Sure.CERTAIN)),
    ("one name beside an instant", "user,2024-01-01 10:00,hi @bea\n", Given(), (False, Sure.CERTAIN)),
    ("a link", "ana,https://x.example/1,hi @bea\n", Given(), (False, Sure.CERTAIN)),
    ("a link without TLS", "ana,http://x.example/1,hi @bea\n", Given(), (False, Sure.CERTAIN)),
    ("nothing known", "thing,other\n", Given(), (True, Sure.LIKELY)),
    ("names, of which the sender says that they are none", HEADER, Given(header=False), (False, Sure.GIVEN)),
    ("a post, of which the sender says that it is a header", ROW, Given(header=True), (True, Sure.GIVEN)),
    ("names, where the sender names the columns", HEADER, Given(columns=THREE), (False, Sure.GIVEN)),
]


@pytest.mark.parametrize(("text", "given", "header"), [fact[1:] for fact in HEADERS], ids=[fact[0] for fact in HEADERS])
def test_a_first_row_is_a_header_or_a_post(text: str, given: Given, header: tuple[bool, Sure]) -> None:
    found = looked(text + ROW, given).header
    assert found is not None
    assert (found.value, found.sure) == header


@pytest.mark.parametrize("cut", range(len(HEADER), len(HEADER + ROW)))
def test_the_first_row_may_be_cut_off_anywhere(cut: int) -> None:
    assert look((HEADER + ROW)[:cut].encode(), Given(), final=False).doubts == ()


def test_the_names_that_the_sender_gives_end_a_preamble() -> None:
    given = Given(text="thing", timestamp="other", author_is="ana")
    found = looked("Report of Monday\nthing,other\nhi @bea,2024-01-01\n", given)
    assert (found.columns, found.doubts) == (("thing", "other"), ())


def test_columns_of_a_preset_end_a_preamble() -> None:
    found = looked("Report\nDate,Headline,Hit Sentence,Influencer\n2024-01-01,x,hi @bea,@ana\n")
    assert found.columns == ("Date", "Headline", "Hit Sentence", "Influencer")


def test_a_name_that_the_sender_gives_may_hold_names_between_other_delimiters() -> None:
    name = "user;text;date;x;y"
    found = looked(f"{name},timestamp,username\n1;2;3;4;hi @bea,2024-01-01,ana\n", Given(text=name))
    assert found.columns == (name, "timestamp", "username")


def test_a_name_that_the_sender_gives_may_hold_a_bar() -> None:
    found = looked('"title|body",title,date,user\nhi @bea,x,2024-01-01,ana\n', Given(text="title|body"))
    assert found.roles["text"].value == "title|body"


def test_a_key_of_json_may_be_written_as_a_path() -> None:
    post = {"post.text": "hi @bea", "date": "2024-01-01", "user": "ana"}
    assert looked(json.dumps(post), Given(text="post.text")).doubts == ()


def test_a_table_may_have_32768_columns() -> None:
    names = [*(f"c{number}" for number in range((1 << 15) - 3)), "data", "timestamp", "username"]
    found = looked(",".join(names) + "\n")
    assert (found.doubts, found.header and found.header.sure) == ((), Sure.CERTAIN)
    (doubt,) = looked(",".join(["c", *names]) + "\n").doubts
    assert doubt.option == "file"
    assert "more than 32,768 columns" in doubt.found


# How a file is written ------------------------------------------------------------------------------------------------


def test_bytes_of_no_encoding_are_no_text() -> None:
    (doubt,) = look(HEADER.encode() + b"\x81\x8d\x8f\x90\x9d" * 9, Given(), final=True).doubts
    assert doubt.option == "file"
    assert doubt.found.startswith("the file is no text: ")


def test_a_list_of_objects_is_no_video_whatever_its_keys_are() -> None:
    text = '[ {"ftyp":1,"text":"hi @bea","date":"2024-01-01","user":"ana"}]'
    assert looked(text).doubts == ()


POLISH = "żółw;text;date;user\n" + "hi @bea;Cześć jak się masz łódź;2024-01-01;jan\n" * 9
ENCODINGS: list[tuple[str, bytes, Given, Sure]] = [
    ("known names that are not ASCII", RUSSIAN.encode("cp1251"), Given(), Sure.CERTAIN),
    ("known names in what the sender says is a post", RUSSIAN.encode("cp1251"), Given(header=False), Sure.LIKELY),
    ("other names that are not ASCII", POLISH.encode("cp1250"), Given(), Sure.LIKELY),
    ("what the sender says", JAPANESE.encode("cp932"), Given(encoding="cp932"), Sure.GIVEN),
]


@pytest.mark.parametrize(
    ("data", "given", "sure"), [fact[1:] for fact in ENCODINGS], ids=[fact[0] for fact in ENCODINGS]
)
def test_known_names_prove_an_encoding(data: bytes, given: Given, sure: Sure) -> None:
    assert look(data, given, final=True).encoding.sure is sure


def test_what_the_sender_says_is_not_looked_for() -> None:
    given = Given(delimiter=";", skip_lines=1, timezone="Europe/Berlin", layout=Layout.CSV)
    found = looked("x\ntext;date;user\nhi @bea;2024-01-01;ana\n", given)
    for option, value in (("delimiter", ";"), ("skip_lines", 1), ("timezone", "Europe/Berlin"), ("layout", "csv")):
        finding = getattr(found, option)
        assert (finding.value, finding.sure) == (value, Sure.GIVEN)


GUARDS = ("reject_line", "reject_column", "reject_code", "reject_message", "reject_guard")


@pytest.mark.parametrize(("further", "shown"), [(GUARDS, "@bea hi"), (GUARDS[:-1], "'@bea hi")])
def test_guards_against_formulas_are_not_shown_where_the_columns_say_that_there_are_some(
    further: tuple[str, ...], shown: str
) -> None:
    found = looked(",".join(("text", "date", "user", *further)) + "\n'@bea hi,2024-01-01,ana" + ",x" * len(further))
    assert found.cells[0][0] == shown


ESCAPES = [
    ("tabs", "text\tdate\tuser\nhi\\n@bea\t2024-01-01\tana\n", True),
    ("tabs without escapes", "text\tdate\tuser\nhi @bea\t2024-01-01\tana\n", False),
    ("commas", "text,date,user\nhi\\n@bea,2024-01-01,ana\n", False),
    ("the columns of old", "data\ttimestamp\tusername\nhi\\n@bea\t2024-01-01\tana\n", False),
]


@pytest.mark.parametrize(("text", "escaped"), [fact[1:] for fact in ESCAPES], ids=[fact[0] for fact in ESCAPES])
def test_escapes_are_read_where_a_database_writes_them(text: str, *, escaped: bool) -> None:
    assert looked(text).escaped is escaped


# Presets --------------------------------------------------------------------------------------------------------------

TWARC = "author.username,created_at,text"


def test_the_columns_of_a_preset_that_the_sender_names_are_read_without_it() -> None:
    names = Given(text="text", timestamp="created_at", author="author.username")
    assert looked(f"{TWARC}\nana,2024-01-01,hi @bea\n", names).preset is None
    further = looked(f"{TWARC},in_reply_to_username\nana,2024-01-01,hi @bea,bea\n", names)
    assert set(further.roles) == set(THREE)


SENTIMENT = "0,1467810369,Mon Apr 06 22:19:45 PDT 2009,NO_QUERY,ana,hi @bea\n"
HEADERLESS = [
    ("the instant and the id where they are wanted", SENTIMENT, Given(), "sentiment140"),
    ("no id where it is wanted", SENTIMENT.replace("1467810369", "x"), Given(), None),
    ("no instant where it is wanted", "0,1,x,2024-01-01,ana,hi @bea\n", Given(), None),
    ("named columns", SENTIMENT, Given(columns=("a", "b", "date", "c", "user", "text")), None),
]


@pytest.mark.parametrize(
    ("text", "given", "preset"), [fact[1:] for fact in HEADERLESS], ids=[fact[0] for fact in HEADERLESS]
)
def test_a_preset_without_a_header_is_found_by_what_stands_where(text: str, given: Given, preset: str | None) -> None:
    found = looked(text, given).preset
    assert (found and found.value) == preset


def test_columns_are_numbered_where_the_preset_does_not_know_their_order() -> None:
    found = looked("2024-01-01,ana,hi @bea\n", Given(preset="brandwatch", header=False))
    assert found.columns == ("column1", "column2", "column3")


def test_a_preset_for_other_files_is_refused_with_those_for_such_files() -> None:
    (doubt, *_) = looked(HEADER + ROW, Given(preset="mastodon")).doubts
    assert doubt.option == "preset"
    assert set(doubt.choices) == {each.name for each in presets.PRESETS if each.shape is presets.Shape.CSV}


ZONES = [
    ("the default", HEADER + ROW, Given(), None),
    ("that of a preset", "微博正文,发布时间,用户昵称\nhi @bea,2024-01-01 10:00,ana\n", Given(), "Asia/Shanghai"),
    ("a preset without a zone", f"{TWARC}\nana,2024-01-01,hi @bea\n", Given(), None),
    ("what the sender says", HEADER + ROW, Given(timezone="Asia/Tokyo"), "Asia/Tokyo"),
]


@pytest.mark.parametrize(("text", "given", "zone"), [fact[1:] for fact in ZONES], ids=[fact[0] for fact in ZONES])
def test_the_zone_of_instants_without_one(text: str, given: Given, zone: str | None) -> None:
    found = looked(text, given).timezone
    assert (found is not None, found and found.value) == (zone is not None, zone)


def test_what_a_preset_says_is_not_doubted() -> None:
    rows = "https://x.example/ana,2024-01-01,hi @bea,10:00\n"
    found = looked(f"{TWARC},time\n{rows}")
    assert (found.doubts, set(found.roles)) == ((), set(THREE))


def test_a_preset_keeps_its_platform_whatever_links_say() -> None:
    found = looked(f"{TWARC},url\nana,2024-01-01,hi @bea,https://www.instagram.com/p/x/\n")
    assert found.profile.value == "twitter"


def test_a_preset_takes_the_first_of_its_columns() -> None:
    found = looked(f"{TWARC},in_reply_to_username,in_reply_to_user.username\nana,2024-01-01,hi @bea,,bea\n")
    assert found.roles["reply"].value == "in_reply_to_username"


# Roles ----------------------------------------------------------------------------------------------------------------


def test_authors_of_a_file_of_old_are_not_doubted() -> None:
    assert looked("data,timestamp,username\nhi @bea,2024-01-01,https://x.example/ana\n").doubts == ()


def test_the_sender_may_say_the_platform() -> None:
    text = "url,text,date,user\nhttps://www.instagram.com/p/x/,hi @bea,2024-01-01,ana\n"
    found = looked(text, Given(profile="twitter")).profile
    assert (found.value, found.sure) == ("twitter", Sure.GIVEN)


RETWEETS = [
    ("a column that says whom a post repeats", Given(), Retweets.AUTHOR),
    ("what the sender says", Given(retweets=Retweets.TEXT), Retweets.TEXT),
    ("a column that the sender names", Given(retweet="retweeted_user"), Retweets.TEXT),
]


@pytest.mark.parametrize(("given", "retweets"), [fact[1:] for fact in RETWEETS], ids=[fact[0] for fact in RETWEETS])
def test_what_a_retweet_counts(given: Given, retweets: Retweets) -> None:
    assert looked("text,date,user,retweeted_user\nhi @bea,2024-01-01,ana,cyd\n", given).retweets is retweets


TITLED = "date,user,title,{}\n2024-01-01,ana,ask @bea,hi @cyd\n"
HEADINGS: list[tuple[str, str, Given, str | None]] = [
    ("titles that mention people", TITLED.format("text"), Given(), "title"),
    ("a text that the sender names", TITLED.format("text"), Given(text="text"), None),
    ("no text", TITLED.format("target"), Given(mentions="target"), None),
    ("the columns of old", "data,timestamp,username,title\nhi,2024-01-01,ana,ask @bea\n", Given(), None),
    ("a preset without headings", f"{TWARC},title\nana,2024-01-01,hi,ask @bea\n", Given(), None),
    (
        "a preset of which no post has a heading yet",
        json.dumps({"body": "hi", "author": "ana", "created_utc": 1704103200}),
        Given(),
        "title",
    ),
    (
        "a preset that the sender names, for the columns of old",
        "id,thread_id,timestamp,body,author,data,username,subject\n1,1,2024-01-01,hi,ana,hi,ana,ask @bea\n",
        Given(preset="4cat"),
        "subject",
    ),
]


@pytest.mark.parametrize(
    ("text", "given", "place"), [fact[1:] for fact in HEADINGS], ids=[fact[0] for fact in HEADINGS]
)
def test_headings_belong_to_texts(text: str, given: Given, place: str | None) -> None:
    found = looked(text, given).roles.get("heading")
    assert (found and found.value) == place


def test_a_likely_text_is_not_asked_about_where_the_mentions_are_known() -> None:
    found = looked("user,date,target,bio\nana,2024-01-01,bea,I like tea\n", Given(mentions="target"))
    assert (found.doubts, "text" in found.roles) == ((), False)


def test_a_single_column_is_no_table_unless_the_sender_speaks_of_it() -> None:
    assert [doubt.option for doubt in looked("thing\nhi @bea\n").doubts] == ["file"]
    assert [doubt.option for doubt in looked("thing\nhi @bea\n", Given(author_is="ana")).doubts] == [
        "text",
        "timestamp",
    ]
    assert [doubt.option for doubt in looked("text\n1\n").doubts] == [*THREE]


def test_a_format_that_the_sender_gives_settles_where_the_time_of_day_is() -> None:
    found = looked("author,date,x,text\nana,2022-11-07,10:00,hi @bea\n", Given(timestamp_format="%Y-%m-%d"))
    assert found.doubts == ()


def test_rows_without_an_instant_do_not_settle_the_order_of_day_and_month() -> None:
    found = looked(HEADER + "hi @bea,01/02/2024,ana\n" + "hi,,ana\n" * 2)
    assert [doubt.option for doubt in found.doubts] == ["dates"]
