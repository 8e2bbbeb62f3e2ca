"""Files that are read by themselves, and files that a person has to say more of."""

from __future__ import annotations

import json
from typing import NamedTuple

BEA = {("ana", "bea"): 1}
POST = {"data": "hi @bea", "timestamp": "2024-01-01T10:00:00", "username": "ana"}
JAPANESE = "本文,投稿日時,ユーザー名\n" + "こんにちは、元気ですか @bea 今日は良い天気,2024-01-01 10:00,hanako\n" * 20
CHINESE = "正文,发布时间,用户名\n" + "支持 @bea 今天天气很好我们一起去公园吧,2024-01-01 10:00,xiaoming\n" * 20
RUSSIAN = "текст;дата;автор\n" + "Привет @bea как дела сегодня утром;2024-01-01 10:00;ivan\n" * 20


class Right(NamedTuple):
    """A file that is read by itself."""

    name: str
    data: bytes
    edges: dict[tuple[str, str], int]
    roles: tuple[str, str, str] | None = None
    """The columns of text, timestamp and author."""
    rejects: tuple[str, ...] = ()
    instants: tuple[str, ...] = ()


RIGHT = [
    Right("the columns of old", b"data,timestamp,username\nhi @bea,2024-01-01,ana\n", BEA),
    Right(
        "the columns of old beside others",
        b"id,thread_id,timestamp,body,author,data,username\n1,1,2024-01-01,x @y,au,hi @bea,ana\n",
        BEA,
        ("data", "timestamp", "username"),
    ),
    Right(
        "date and time of day in two columns",
        b"Auteur;Date;Heure;Texte\nana;07/11/2022;10:00;hi @bea\nana;25/11/2022;13:30:05;hi\n",
        BEA,
        ("Texte", "Date", "Auteur"),
        instants=("2022-11-07T10:00:00", "2022-11-25T13:30:05"),
    ),
    Right(
        "the time of day before the date",
        b"author,time,date,text\nana,10:00 PM,2022-11-07,hi @bea\nana,,2022-11-08,hi @bea\nana,x,2022-11-08,hi\n",
        BEA,
        rejects=("unreadable_timestamp", "unreadable_timestamp"),
        instants=("2022-11-07T22:00:00",),
    ),
    Right(
        "a spreadsheet's dates and times of day",
        b"author,date,text,time (UTC)\nana,2022-11-07T00:00:00,hi @bea,10:00:00\n",
        BEA,
        instants=("2022-11-07T10:00:00",),
    ),
    Right(
        "dates, and the same with times of day",
        b"author,date,time,text\nana,2022-11-07,2022-11-07T10:00:00Z,hi @bea\n",
        BEA,
        ("text", "time", "author"),
        instants=("2022-11-07T10:00:00",),
    ),
    Right(
        "dates and how long somebody read",
        b"author,date,text,length\nana,2022-11-07,hi @bea,3:15\n",
        BEA,
        instants=("2022-11-07T00:00:00",),
    ),
    Right(
        "the columns of old beside a time of day",
        b"data,timestamp,time,username\nhi @bea,2024-01-01,10:00,ana\n",
        BEA,
        instants=("2024-01-01T00:00:00",),
    ),
    Right(
        "few rows, and one without an instant",
        b"author,date,text\nana,2022-11-07,hi @bea\nbea,unknown,hi\ncyd,2022-11-08,hi\n",
        BEA,
        rejects=("unreadable_timestamp",),
    ),
    Right(
        "the day, and the instant",
        b"author,date,created_at,text\nana,2022-11-08,2022-11-07T23:30:00Z,hi @bea\n",
        BEA,
        ("text", "created_at", "author"),
    ),
    Right(
        "when it was collected",
        b"author,created_at,collected_at,text\nana,2022-11-07T10:00:00Z,2023-01-01T00:00:00Z,hi @bea\n",
        BEA,
        ("text", "created_at", "author"),
    ),
    Right("Turkish", "Kullanıcı;Tarih;Mesaj\nana;2022-11-07;hi @bea\n".encode(), BEA),
    Right("Italian", b"Utente;Data e ora;Testo del messaggio\nana;2022-11-07 10:00;hi @bea\n", BEA),
    Right(
        "numbers of Python that JSON lacks",
        b'{"username":"ana","created_at":"2022-11-07","text":"hi @bea","n":1}\n'
        b'{"username":"ana","created_at":"2022-11-07","text":"hi","n":NaN}\n'
        b'{"username":NaN,"created_at":"2022-11-07","text":"hi","n":[-Infinity]}\n',
        BEA,
        rejects=("missing_key",),
    ),
    Right("a header alone", b"data,timestamp,username\n", {}),
    Right(
        "a mark and quotes in the header",
        b'\xef\xbb\xbf"data","timestamp","username"\n"hi @bea","2024-01-01","ana"\n',
        BEA,
    ),
    Right(
        "mixed ends of lines",
        b"text,date,user\r\nhi @bea,2024-01-01,ana\nhi @cyd,2024-01-01,ana\rhi @dov,2024-01-01,ana\r\n",
        {**BEA, ("ana", "cyd"): 1, ("ana", "dov"): 1},
    ),
    Right(
        "lines that end with CR",
        b"text,date,user\rhi @bea,2024-01-01,ana\rhi @cyd,2024-01-01,ana\r",
        {**BEA, ("ana", "cyd"): 1},
    ),
    Right("delimiters at the ends, in the header as well", b"text;date;user;\nhi @bea;2024-01-01;ana;\n", BEA),
    Right("empty lines", b"\n\ntext,date,user\n\nhi @bea,2024-01-01,ana\n\n", BEA),
    Right("tabs", b"text\tcreated_at\tscreen_name\nhi @bea, and; more\t2024-01-01\tana\n", BEA),
    Right("line ends that a database escapes", b"text\tdate\tuser\nhi\\n@bea\t2024-01-01\tana\n", BEA),
    Right(
        "whom it repeats stands in a column",
        b"text,created_at,screen_name,retweeted_user\nof @cyd,2024-01-01,ana,bea\nhi,2024-01-01,cyd,\n",
        BEA,
    ),
    Right("bars", b"text|created_at|screen_name\nhi @bea, and; more\t|2024-01-01|ana\n", BEA),
    Right("commas in numbers", b"text;score;date;user\nhi @bea;1,5;2024-01-01;ana\nhi;2,5;2024-01-01;ana\n", BEA),
    Right("sep= with a tab", b"sep=\t\ntext\tdate\tuser\nhi @bea\t2024-01-01\tana\n", BEA),
    Right("sep= and quotes", b'sep=;\r\n"text";"date";"user"\r\n"hi; @bea, ""dear""";"2024-01-01";"ana"\r\n', BEA),
    Right("a preamble", b"Export of posts\nMade on 2024-01-01\n\ntext,date,user\nhi @bea,2024-01-01,ana\n", BEA),
    Right(
        "a preamble with commas", b"Results for bea, cyd, dov and eva\ntext,date,user\nhi @bea,2024-01-01,ana\n", BEA
    ),
    Right("lines in a text", b'text,date,user\n"hi @bea\nsecond line",2024-01-01,ana\n', BEA),
    Right("the text is last", b'user,date,text\nana,2024-01-01,"hi, @bea"\n', BEA, ("text", "date", "user")),
    Right(
        "German",
        b"Nachricht;Zeitpunkt;Benutzername\nhi @bea;31.12.2023 10:00;ana\n",
        BEA,
        ("Nachricht", "Zeitpunkt", "Benutzername"),
        instants=("2023-12-31T10:00:00",),
    ),
    Right(
        "French in Windows-1252", "texte;date;auteur\nÇa va @bea, à bientôt\xa0!;2024-01-01;ana\n".encode("cp1252"), BEA
    ),
    Right("Spanish", b"Texto,Fecha,Usuario\nhi @bea,2024-01-01,ana\n", BEA, ("Texto", "Fecha", "Usuario")),
    Right(
        "Italian, where `data` is a date",
        b"testo,data,autore\nciao @bea,2024-01-01,ana\n",
        BEA,
        ("testo", "data", "autore"),
    ),
    Right(
        "Japanese in Shift-JIS", JAPANESE.encode("cp932"), {("hanako", "bea"): 20}, ("本文", "投稿日時", "ユーザー名")
    ),
    Right("Chinese in GB 18030", CHINESE.encode("gb18030"), {("xiaoming", "bea"): 20}, ("正文", "发布时间", "用户名")),
    Right("Russian in Windows-1251", RUSSIAN.encode("cp1251"), {("ivan", "bea"): 20}, ("текст", "дата", "автор")),
    Right("Japanese in UTF-16 without a mark", JAPANESE.encode("utf-16-le"), {("hanako", "bea"): 20}),
    Right("UTF-16 with a mark", b"\xff\xfe" + "text,date,user\nhi @bea,2024-01-01,ana\n".encode("utf-16-le"), BEA),
    Right("UTF-16, the high byte first", "text,date,user\nhi @bea,2024-01-01,ana\n".encode("utf-16-be"), BEA),
    Right("UTF-32", "text,date,user\nhi @bea,2024-01-01,ana\n".encode("utf-32"), BEA),
    Right(
        "UTF-8 with one bad row",
        "text,date,user\né ü ö @bea,2024-01-01,ana\n".encode() + b"caf\xe9 @cyd,2024-01-01,ana\n",
        BEA,
        rejects=("invalid_utf8",),
    ),
    Right(
        "two columns of one instant",
        b"text,created_at,timestamp,user\nhi @bea,2024-01-01T10:00:00Z,1704103200,ana\n",
        BEA,
    ),
    Right(
        "an instant of change beside",
        b"text,created_at,updated_at,user\nhi @bea,2020-01-01,2024-01-01,ana\n",
        BEA,
        ("text", "created_at", "user"),
    ),
    Right(
        "numbers beside a user name",
        b"text,date,user,username\nhi @bea,2020-01-01,123,ana\n",
        BEA,
        ("text", "date", "username"),
    ),
    Right(
        "a cut text beside the whole",
        b"text,full_text,date,user\nhi @be\xe2\x80\xa6,hi @bea and more,2020-01-01,ana\n",
        BEA,
        ("full_text", "date", "user"),
    ),
    Right(
        "a person's description beside",
        b"text,description,date,user\nhi @bea,I like @cyd,2020-01-01,ana\n",
        BEA,
        ("text", "date", "user"),
    ),
    Right("names with blanks", b"Tweet Text,Created At,Screen Name\nhi @bea,2024-01-01,ana\n", BEA),
    Right(
        "flattened names",
        b"id,created_at,text,user.screen_name,user.id\n1,Wed Oct 10 20:19:24 +0000 2018,hi @bea,ana,5\n",
        BEA,
        ("text", "created_at", "user.screen_name"),
    ),
    Right("an index of pandas", b",data,timestamp,username\n0,hi @bea,2024-01-01 10:00:00,ana\n", BEA),
    Right(
        "each date proves one order",
        b"text,date,user\nhi @bea,13/02/2024,ana\nhi @bea,14/02/2024,ana\n",
        {("ana", "bea"): 2},
        instants=("2024-02-13T00:00:00", "2024-02-14T00:00:00"),
    ),
    Right(
        "an unknown source's objects",
        json.dumps(
            {
                "created": "2024-01-01T10:00:00Z",
                "content": "hi @bea",
                "author": {"handle": "ana", "id": 5},
                "reply_to": {"author": {"handle": "zed"}},
            }
        ).encode(),
        BEA,
        ("content", "created", "author.handle"),
    ),
    Right(
        "posts with comments within",
        json.dumps(
            {
                "text": "hi @bea",
                "created_at": "2024-01-01",
                "username": "ana",
                "comments": [{"text": "@no", "created_at": "2024-01-01", "username": "zed"}],
            }
        ).encode(),
        {**BEA, ("zed", "no"): 1},
    ),
    Right(
        "two lists of posts, and one of users",
        json.dumps(
            {
                "users": [{"username": "ana", "created_at": "2010-01-01", "description": "friend of @no"}],
                "posts": [{"text": "hi @bea", "created_at": "2024-01-01", "username": "ana"}],
                "comments": [{"text": "hi @cyd", "created_at": "2024-01-01", "username": "ana"}],
            }
        ).encode(),
        {**BEA, ("ana", "cyd"): 1},
    ),
    Right(
        "titles that mention people, and one that the text begins with",
        b"author,created_at,title,text\nana,2024-01-01,ask @bea,\nana,2024-01-01,@cyd hm,see @dov\n"
        b"ana,2024-01-01,of @eva...,of @eva and more\n",
        {**BEA, ("ana", "cyd"): 1, ("ana", "dov"): 1, ("ana", "eva"): 1},
        ("text", "created_at", "author"),
    ),
    Right(
        "an unknown source's pages",
        json.dumps({"info": {"n": 1}, "toots": [{"body": "hi @bea", "date": "2024-01-01", "user": "ana"}]}).encode(),
        BEA,
    ),
    Right("one object on several lines", json.dumps(POST, indent=1).encode(), BEA),
    Right(
        "objects on several lines",
        "\n".join(json.dumps(POST, indent=1) for _ in range(3)).encode(),
        {("ana", "bea"): 3},
    ),
    Right("a table of pandas", json.dumps({"schema": {"fields": []}, "data": [{"index": 0, **POST}]}).encode(), BEA),
    Right(
        "MongoDB's instants",
        json.dumps(
            {"text": "hi @bea", "created_at": {"$date": "2024-01-01T10:00:00Z"}, "user": {"screen_name": "ana"}}
        ).encode(),
        BEA,
    ),
    Right(
        "one broken line",
        json.dumps(POST)[:-1].encode() + b"\n" + json.dumps(POST).encode(),
        BEA,
        rejects=("malformed_json",),
    ),
    Right("an empty list", b"[]", {}),
]


class Asked(NamedTuple):
    """A file that a person has to say more of."""

    name: str
    data: bytes
    options: tuple[str, ...]
    words: str
    """Words that tell what was found."""
    choices: tuple[str, ...] | None = None
    """Of the first option."""


ASKED = [
    Asked("nothing", b"", ("file",), "no row"),
    Asked("blanks", b"\n\n  \n", ("file",), "no row"),
    Asked("one column", b"text\nhi @bea\n", ("timestamp", "author"), "'text'"),
    Asked(
        "no header",
        b"ana,2024-01-01 10:00,hi @bea\nbea,2024-01-01 11:00,yes @ana\n",
        ("columns",),
        "no header",
        ("author,timestamp,text",),
    ),
    Asked(
        "no header, with ids",
        b'1,ana,2024-01-01 10:00,"hi @bea, dear"\n2,bea,2024-01-01 11:00,yes @ana\n',
        ("columns",),
        "no header",
        ("column1,author,timestamp,text",),
    ),
    Asked(
        "two dates",
        b"text,created_at,timestamp,user\nhi @bea,2020-01-01,2024-01-01,ana\n",
        ("timestamp",),
        "'created_at'",
        ("created_at", "timestamp"),
    ),
    Asked("two texts", b"message,content,date,user\nhi @bea,other text,2020-01-01,ana\n", ("text",), "'message'"),
    Asked(
        "two users",
        b"text,date,username,screen_name\nhi,2020-01-01,ana,bea\n",
        ("author",),
        "'screen_name'",
        ("username", "screen_name"),
    ),
    Asked("numbers beside names", b"text,date,user,name\nhi @bea,2020-01-01,123,ana\n", ("author",), "holds numbers"),
    Asked("numbers as authors", b"text,date,user\nhi @bea,2020-01-01,123\n", ("author",), "author=user"),
    Asked("ids as authors", b"text,date,author_id\nhi @bea,2020-01-01,123\n", ("author",), "'author_id'"),
    Asked("days of a spreadsheet", b"text,date,user\nhi @bea,45292.5,ana\n", ("timestamp",), "timestamp_format=excel"),
    Asked("hours alone", b"text,time,user\nhi @bea,10:00,ana\n", ("timestamp",), "'10:00'"),
    Asked(
        "dates of two meanings",
        b"text,date,user\nhi @bea,01/02/2024,ana\n",
        ("dates",),
        "2024-02-01T00:00:00Z",
        ("day-first", "month-first"),
    ),
    Asked(
        "dates that speak for both",
        b"text,date,user\na,13/02/2024,x\nb,02/14/2024,x\nc,01/02/2024,x\nd,02/03/2024,x\n",
        ("dates",),
        "speak for one each",
    ),
    Asked("edges without instants", b"source,target\nana,bea\n", ("author", "timestamp"), "mentions=target"),
    Asked(
        "Polish in Windows-1250",
        ("text;date;user\n" + "Cześć @bea jak się masz łódź;2024-01-01;jan\n" * 9).encode("cp1250"),
        ("encoding",),
        "not UTF-8",
    ),
    Asked(
        "Turkish in Windows-1254",
        ("text;date;user\n" + "Günaydın @bea nasılsın;2024-01-01;ali\n" * 9).encode("cp1254"),
        ("encoding",),
        "cp1254",
    ),
    Asked(
        "Greek in Windows-1253",
        ("text;date;user\n" + "Καλημέρα @bea τι κάνεις;2024-01-01;nik\n" * 9).encode("cp1253"),
        ("encoding",),
        "cp1253",
    ),
    Asked(
        "a log", b'127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 2326\n' * 5, ("file",), "127.0.0.1"
    ),
    Asked(
        "prose",
        b"Dear @bea,\n\nI write to you on Monday, since the post is late.\nYours, ana\n",
        ("file",),
        "Dear @bea",
    ),
    Asked(
        "a chat of WhatsApp",
        b"[15.01.21, 08:00:00] Ana: hi @bea\n[15.01.21, 08:01:00] Bea: yes\n",
        ("file",),
        "table of posts",
    ),
    Asked(
        "dates beside what may be times of day",
        b"author,date,x,text\nana,2022-11-07,10:00,hi @bea\n",
        ("timestamp",),
        "'date' holds dates alone, and 'x'",
        ("date",),
    ),
    Asked(
        "dates beside times of day that are not read",
        b"author,date,text,time\nana,2022-11-07,hi @bea,0.5\n",
        ("timestamp",),
        "'date' holds dates alone, and 'time'",
    ),
    Asked(
        "date and time of day in two keys",
        b'{"author":"ana","date":"2022-11-07","time":"10:00","text":"hi @bea"}\n',
        ("timestamp",),
        "write both in one value",
    ),
    Asked(
        "instants that are far apart",
        b"author,date,timestamp,text\nana,2022-11-07T10:00:00Z,2023-01-01T00:00:00Z,hi @bea\n",
        ("timestamp",),
        "'timestamp' and 'date' hold instants that are far apart",
        ("date", "timestamp"),
    ),
    Asked(
        "links among authors",
        b"author,date,text\nana,2022-11-07,hi @bea\nhttps://x.example/cyd,2022-11-07,hi\n",
        ("author",),
        "'https://x.example/cyd', which is no handle",
    ),
    Asked(
        "links as authors",
        b"author,date,text\nhttps://x.example/cyd,2022-11-07,hi @bea\n",
        ("author",),
        "which is no handle",
    ),
    Asked(
        "addresses of mail as authors",
        b"author,date,text\nDov <dov@mail.example>,2022-11-07,hi @bea\n",
        ("author",),
        "which is no handle",
    ),
    Asked(
        "years of two digits",
        b"author,date,text\nana,22-11-07 10:00,hi @bea\n",
        ("dates",),
        "timestamp_format=%y-%m-%d %H:%M",
    ),
    Asked(
        "instants in a format of their own",
        b"author,when it was,text\nana,2022/07-11,hi @bea\n",
        ("timestamp",),
        "no column is certainly the timestamp",
    ),
    Asked("a dump of SQL", b"-- MySQL dump 10.13\n\nCREATE TABLE `posts` (\n", ("file",), "SQL"),
    Asked("rows of SQL", b"INSERT INTO `posts` (`id`,`text`) VALUES (1,'hi @bea');\n", ("file",), "SQL"),
    Asked("HTML", b"<!DOCTYPE html><html><body>hi @bea</body></html>", ("file",), "HTML"),
    Asked("XML", b"<?xml version='1.0'?><posts><post>hi @bea</post></posts>", ("file",), "XML"),
    Asked("a picture", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00", ("file",), "picture"),
    Asked("a document", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", ("file",), "PDF"),
    Asked("an old spreadsheet", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 64, ("file",), ".xlsx"),
    Asked("a database", b"SQLite format 3\0" + b"\0" * 64, ("file",), "SQLite"),
    Asked(
        "columns of pandas",
        json.dumps({key: {"0": value} for key, value in POST.items()}).encode(),
        ("file",),
        "orient=",
    ),
    Asked(
        "a split of pandas",
        json.dumps({"columns": list(POST), "index": [0], "data": [list(POST.values())]}).encode(),
        ("file",),
        "orient=",
    ),
    Asked("values of pandas", json.dumps([list(POST.values())]).encode(), ("file",), "orient="),
    Asked("an empty list", b"[]", ("file",), "holds"),
    Asked(
        "two lists of posts of two kinds",
        json.dumps(
            {
                "submissions": [{"selftext": "hi @bea", "created_utc": 1700000000, "username": "ana"}],
                "comments": [{"body": "hi @cyd", "created_utc": 1700000000, "username": "ana"}],
            }
        ).encode(),
        ("text",),
        "'selftext'",
    ),
    Asked("settings", b'{"name":"x","version":"1.0"}', ("text", "timestamp", "author"), "'version'"),
    Asked(
        "who collected it",
        json.dumps(
            {
                "created": "2024-01-01T10:00:00Z",
                "post": {"text": "hi @bea", "author": {"username": "ana"}},
                "collector": {"username": "me"},
            }
        ).encode(),
        ("author",),
        "not certain",
    ),
    Asked(
        "posts of X without their authors",
        json.dumps(
            {"data": [{"id": "1", "author_id": "7", "created_at": "2024-01-01T10:00:00Z", "text": "hi @bea"}]}
        ).encode(),
        ("author",),
        "expansions=author_id",
        ("author_id",),
    ),
    Asked(
        "users of X and not their posts",
        json.dumps(
            {
                "data": [
                    {
                        "id": "1",
                        "username": "ana",
                        "name": "Ana",
                        "created_at": "2010-01-01T00:00:00.000Z",
                        "description": "friend of @bea",
                    }
                ]
            }
        ).encode(),
        ("text",),
        "'description' may hold something else",
        ("description",),
    ),
    Asked(
        "users in a table",
        b"username,created_at,description\nana,2010-01-01,friend of @bea\n",
        ("text",),
        "'description'",
    ),
]
