"""Profiles: what a mention is, platform by platform, and the mentions in a column of texts. Pure.

Expressions of polars have no lookaround. A profile in which it matters what follows a mention therefore says its rule
twice: as expressions that find the mentions of all plain texts at once, and as one exact pattern for the few others.

Under every present version a URL holds no mention, and a handle that was cut off at the end of a post is no user: the
post is a retweet or has LONG characters or more, and an ellipsis follows the handle at its end.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec
import polars as pl

from app.errors import BadRequest
from app.posts.handles import MENTION_SIGNS
from app.posts.screening import MAX_AUTHOR_CHARACTERS

LONG = 100
"""Characters of a post from which an ellipsis behind a handle at its end means that the post was cut."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A rule for what a mention is. A changed rule is a new version: batches keep the version that counted them."""

    name: str
    version: int
    about: str
    """The platforms that the profile is for, and its rule in a few words."""
    source: str
    """Where the platform states the rule."""
    signs: str
    """A text that does not match has no mention. Cheap."""
    mention: str
    """A mention, with whatever must stand before it; matches follow each other from left to right, none overlap."""
    handle: str
    """The handle in what `mention` matched, as its first group; no match: no mention after all."""
    bare: bool = False
    """Whether `handle` matches one sign and its group, and no sign is in a group. Such handles are found faster."""
    longest: int
    """Characters of a handle; a longer one is none."""
    shortest: int = 1
    after: str | None = None
    """What must not follow a mention. A text with such a mention is left to `exact`; `handle` must not match there."""
    exact: re.Pattern[str] | None = None
    """As `mention`, with the handle as its first group; if another group took part, it is no mention after all."""
    hides: bool = True
    """Whether URLs hold no mention, and handles that were cut off are none: so for all but the first versions."""
    code: bool = False
    """Whether spans of code hold no mention."""
    html: bool = False
    """Whether the links of posts in HTML are its mentions, where there are any."""
    local: bool = False
    """Whether a handle without a domain belongs to the author's server."""


class Found(NamedTuple):
    """The mentions in a column of texts."""

    mentions: pl.DataFrame
    """row: Int64 (index in the column), handle: String, as it is spelled; each mention once, in order."""
    cut: pl.Series
    """Int64: the rows whose last handle was cut off, and so is unknown."""


# twitter-text's rule (github.com/twitter/twitter-text), as its conformance suite has it. The slug of a list belongs to
# the match, but @user/list is no mention of the user. What must not follow takes no part in the match: it may be what
# stands before the next mention.
_BEFORE = r"(?:^|[^A-Za-z0-9_!#$%&*@＠]|(?:^|[^A-Za-z0-9_+~.\-])[Rr][Tt]:?)"
_NAME = r"[@＠]([A-Za-z0-9_]{1,20})"
_LIST = r"/[A-Za-z][A-Za-z0-9_\-]{0,24}"
_ACCENTED = (
    r"\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0253\u0254\u0256\u0257\u0259\u025b\u0263\u0268\u026f\u0272\u0289\u028b"
    r"\u02bb\u0300-\u036f\u1e00-\u1eff"
)
_AFTER = rf"[@＠{_ACCENTED}]|://"
_TWITTER = Profile(
    name="twitter",
    version=2,
    about="X/Twitter: @ and up to 20 letters, digits or underscores; an e-mail address is no mention",
    source="twitter-text, conformance/extract.yml",
    signs="[@＠]",
    mention=f"{_BEFORE}{_NAME}(?:{_LIST})?",
    handle=f"{_NAME}$",
    bare=True,
    longest=20,
    after=_AFTER,
    exact=re.compile(f"{_BEFORE}{_NAME}({_LIST})?(?=({_AFTER})?)"),
)

# Mastodon's rule (github.com/mastodon/mastodon, app/models/account.rb, USERNAME_RE and MENTION_RE): @user or
# @user@domain, not behind a letter, mark, digit or underscore (a word), a slash or an equals sign (a URL). Dots and
# hyphens are inside names only. The domain belongs to the handle: @ann and @ann@example.social are two. A bare name is
# that of an account on the author's own server.
_WORD = r"[\p{L}\p{M}\p{Nd}\p{Pc}]"
_USERNAME = r"[A-Za-z0-9_]+(?:[.-]+[A-Za-z0-9_]+)*"
_ACCOUNT = rf"@({_USERNAME}(?:@{_WORD}+(?:[.-]+{_WORD}+)*)?)"
_MASTODON = Profile(
    name="mastodon",
    version=2,
    about="Mastodon, as text or HTML: @user or @user@domain; a bare @user is on the author's server",
    source="mastodon/mastodon, app/models/account.rb, MENTION_RE",
    signs="@",
    mention=rf"(?:^|[^\p{{L}}\p{{M}}\p{{Nd}}\p{{Pc}}/=]){_ACCOUNT}",
    handle=f"{_ACCOUNT}$",
    longest=MAX_AUTHOR_CHARACTERS,
    html=True,
    local=True,
)

# Bluesky's rule (github.com/bluesky-social/atproto, packages/api/src/rich-text, MENTION_REGEX): at the start, behind
# white space or an opening parenthesis; of all that may be in a handle, up to the last letter or digit. It has to be a
# handle by the syntax of the AT Protocol (atproto.com/specs/handle): labels of up to 63 letters, digits and hyphens,
# the last one starting with a letter. Bluesky asks a list of top-level domains too; this rule needs none that ages.
_BLUESKY = Profile(
    name="bluesky",
    version=2,
    about="Bluesky: @ and a domain name, such as @ann.bsky.social",
    source="atproto.com/specs/handle; bluesky-social/atproto, MENTION_REGEX",
    signs="@",
    mention=r"(?:^|[\s(])@[A-Za-z0-9.-]+(?-u:\b)",
    handle=r"@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)$",
    longest=253,
)

# Any word behind any sign, addresses of mail included: for networks that have no rule of their own here. A word is of
# letters, marks, digits, underscores and joiners (Unicode's, UTS #18 annex C).
_PLAIN = Profile(
    name="word",
    version=2,
    about="any word behind any @, addresses of mail included",
    source="Unicode Technical Standard #18, annex C (\\w)",
    signs="@",
    mention=r"@\w+",
    handle=r"@(\w+)$",
    longest=MAX_AUTHOR_CHARACTERS,
)


def _dotted(name: str, about: str, source: str, longest: int, *, shortest: int = 1) -> Profile:
    """Letters, digits, underscores and full stops, none of these last."""
    return Profile(
        name=name,
        version=1,
        about=about,
        source=source,
        signs="[@＠]",
        mention=r"(?:^|[^A-Za-z0-9_.@＠])[@＠][A-Za-z0-9_.]+",
        handle=r"[@＠]([A-Za-z0-9_.]*[A-Za-z0-9_])\.*$",
        longest=longest,
        shortest=shortest,
    )


_INSTAGRAM = _dotted(
    "instagram",
    "Instagram and Threads: up to 30 letters, digits, underscores and full stops",
    "Instagram Help Center, usernames",
    30,
)
_TIKTOK = _dotted(
    "tiktok",
    "TikTok: 2 to 24 letters, digits, underscores and full stops",
    "TikTok Support, changing a username",
    24,
    shortest=2,
)

# YouTube Help, "YouTube handles: naming guidelines": 3 to 30 letters and digits of many scripts, underscores, hyphens,
# full stops and middle dots, none of these marks first or last.
_YOUTUBE = Profile(
    name="youtube",
    version=1,
    about="YouTube: 3 to 30 letters and digits of any script, with _ - . and · inside",
    source="YouTube Help, handle naming guidelines",
    signs="@",
    mention=r"(?:^|[^\p{L}\p{M}\p{Nd}_.@-])@[\p{L}\p{M}\p{Nd}_.·-]+",
    handle=r"@([\p{L}\p{Nd}](?:[\p{L}\p{M}\p{Nd}_.·-]*[\p{L}\p{M}\p{Nd}])?)[_.·-]*$",
    shortest=3,
    longest=30,
)

# Reddit's own parser (reddit/snudown, autolink.c): u/name or /u/name, not within a word; names of 3 to 20 letters,
# digits, underscores and hyphens.
_REDDIT = Profile(
    name="reddit",
    version=1,
    about="Reddit: u/name or /u/name, of 3 to 20 letters, digits, underscores and hyphens",
    source="reddit/snudown, src/autolink.c",
    signs="[uU]/",
    mention=r"(?:^|[^A-Za-z0-9_/-])/?[uU]/[A-Za-z0-9_-]+",
    handle=r"[uU]/([A-Za-z0-9_-]{3,20})$",
    longest=20,
    code=True,
)

# Telegram FAQ, "What can I use as my username?": letters, digits and underscores, the first a letter; 5 to 32 of them,
# or 4 where a name was bought.
_TELEGRAM = Profile(
    name="telegram",
    version=1,
    about="Telegram: 4 to 32 letters, digits and underscores, the first a letter",
    source="Telegram FAQ, usernames",
    signs="@",
    mention=r"(?:^|[^A-Za-z0-9_@/])@[A-Za-z0-9_]+",
    handle=r"@([A-Za-z][A-Za-z0-9_]{3,31})$",
    longest=32,
)

# Weibo: letters of any script, digits, _ and -; text may run on before the sign, but a word of ASCII may not (mail).
_WEIBO = Profile(
    name="weibo",
    version=1,
    about="Weibo: @ and up to 30 letters of any script, digits, _ and -",
    source="Weibo's help for nicknames: 4 to 30 Chinese or English letters, digits, _ or -",
    signs="[@＠]",
    mention=r"(?:^|[^A-Za-z0-9_.@＠-])[@＠][\p{L}\p{M}\p{Nd}_-]+",
    handle=r"[@＠]([\p{L}\p{M}\p{Nd}_-]+)$",
    longest=30,
)

# GitHub Docs, "Mentioning people and teams": @name; a name has up to 39 letters, digits and single hyphens, none of
# them first or last. Managed accounts of companies end with _ and the company's short code. @organisation/team is a
# team. Nothing in code is a mention.
_GITHUB = Profile(
    name="github",
    version=1,
    about="GitHub: @ and up to 39 letters, digits and single hyphens (and one _, with companies); no teams or code",
    source="GitHub Docs, mentioning people and teams; username rules",
    signs="@",
    mention=r"(?:^|[^A-Za-z0-9_/@.-])@[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)?",
    handle=r"@([A-Za-z0-9]+(?:-[A-Za-z0-9]+)*(?:_[A-Za-z0-9]+)?)[_-]*$",
    longest=39,
    code=True,
)

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        _TWITTER, _MASTODON, _BLUESKY, _INSTAGRAM, _TIKTOK, _YOUTUBE, _REDDIT, _TELEGRAM, _WEIBO, _GITHUB, _PLAIN
    )
}  # fmt: skip
"""The present version of each."""

_FIRST = {
    name: msgspec.structs.replace(PROFILES[name], version=1, hides=False, html=False, local=False)
    for name in ("twitter", "mastodon", "bluesky", "word")
}
_VERSIONS = {(profile.name, profile.version): profile for profile in (*_FIRST.values(), *PROFILES.values())}


def profile_named(name: str) -> Profile:
    """The present version of a profile. Raises BadRequest if there is none of this name."""
    if name not in PROFILES:
        raise BadRequest(f"there is no mention profile {name!r}. Choose one of {', '.join(PROFILES)}.")
    return PROFILES[name]


def version_of(name: str, version: int) -> Profile | None:
    """The profile as it was at a version. None: this release does not have it."""
    return _VERSIONS.get((name, version))


# Finding --------------------------------------------------------------------------------------------------------------

# Behind a sign or within a word, a host without a scheme begins no URL: twitter-text has it so, too.
_URL = (
    r"(?:(?P<before>^|//|[^A-Za-z0-9@＠#$_./-])(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24}(?::\d+)?/"
    r"|(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{1,20}://))"
    r"[A-Za-z0-9\u00c0-\u024f\u0400-\u04ff\-._~:/?#\[\]@!$&'()*+,;=%]*"
)
_MAYBE_HIDING = r"…|\.\.\.|/|`"
_MAYBE_URL = r"/\S*[@＠]|\.[A-Za-z]{2,24}/\S*u/"
_CODE = r"(?s)```.*?(?:```|$)|`[^`\n]+`"
_RETWEET = r"^\s*[Rr][Tt]\s+[@＠]"
_CUT = r"(?:[@＠]|(?-u:\b)[uU]/)[^\s@＠…]+?(?:…|\.\.\.)(?:\s+https?://\S*)?\s*$"
_ANCHOR = r"<a\s[^>]*>"
_ACCOUNT_LINK = r"""href=["']https?://([^/"']+)/(?:@|users/)([^/"'@?#]+)["']"""


def find(texts: pl.Series, profile: Profile, *, authors: pl.Series | None = None) -> Found:
    """The mentions in `texts`. `authors`, their authors' handles, say on which server a bare name is."""
    numbered = texts.alias("text").to_frame().select(pl.int_range(pl.len()).alias("row"), "text")
    signed = numbered.filter(pl.col("text").str.contains(profile.signs))
    cut = pl.Series("row", [], pl.Int64)
    linked: pl.DataFrame | None = None
    if profile.html and (is_html := signed["text"].str.contains("<a ", literal=True)).any():
        linked = _links(signed.filter(is_html))
        signed = signed.filter(~is_html)
    if profile.hides:
        signed, cut = _hidden(signed, code=profile.code)
    found = _find(signed, profile)
    if linked is not None:
        found = pl.concat([found, linked]).sort("row", maintain_order=True)
    if profile.local and authors is not None:
        found = _at_home(found, authors)
    return Found(found, cut)


def _hidden(signed: pl.DataFrame, *, code: bool) -> tuple[pl.DataFrame, pl.Series]:
    """The texts without what holds no mention; and the rows whose last handle was cut off."""
    # One cheap look at all texts, close looks at those few that have what an ellipsis, a URL or code has.
    some = signed["text"].str.contains(_MAYBE_HIDING).arg_true()
    text = signed["text"].gather(some)
    cut = text.str.contains(_CUT) & (text.str.contains(_RETWEET) | (text.str.len_chars() >= LONG))
    urls = text.str.contains(_MAYBE_URL)
    coded = text.str.contains("`", literal=True) if code else pl.Series([False])
    touched = cut | urls | coded
    if not touched.any():
        return signed, pl.Series("row", [], pl.Int64)
    rows, shown = some.filter(touched), text.filter(touched)
    if code:
        shown = shown.str.replace_all(_CODE, " ")
    shown = shown.str.replace_all(_URL, "${before}${scheme} ")
    if cut.any():
        ends = cut.filter(touched).arg_true()
        shown = shown.scatter(ends, shown.gather(ends).str.replace(_CUT, ""))
    return signed.with_columns(text=signed["text"].scatter(rows, shown)), signed["row"].gather(some.filter(cut))


def _find(signed: pl.DataFrame, profile: Profile) -> pl.DataFrame:
    exact, after = profile.exact, profile.after
    size = pl.col("handle").str.len_chars()
    # What follows is part of the match, so that a look at the few matches without a handle tells the texts for `exact`.
    mention = profile.mention if after is None else f"{profile.mention}(?:{after})?"
    handle = pl.col("match").str.extract(profile.handle)
    if profile.bare:
        handle = pl.col("match").str.extract_all(profile.handle).list.first().str.strip_chars_start(MENTION_SIGNS)
    matches = (
        signed.select("row", match=pl.col("text").str.extract_all(mention)).explode("match").with_columns(handle=handle)
    )
    found = matches.select("row", "handle").drop_nulls().filter((size <= profile.longest) & (size >= profile.shortest))
    if exact is None or after is None:
        return found
    without = matches.filter(pl.col("handle").is_null())
    delicate = without.filter(pl.col("match").str.contains(f"(?:{after})$"))["row"]
    if not len(delicate):
        return found
    of_delicate = pl.col("row").is_in(delicate.unique().implode())
    exactly = _find_exactly(signed.filter(of_delicate), exact)
    return pl.concat([found.filter(~of_delicate), exactly]).sort("row", maintain_order=True)


def _find_exactly(texts: pl.DataFrame, exact: re.Pattern[str]) -> pl.DataFrame:
    found = [
        (row, match[1])
        for row, text in texts.iter_rows()
        for match in exact.finditer(text)
        if not any(match.groups()[1:])
    ]
    return pl.DataFrame(found, schema={"row": pl.Int64, "handle": pl.String}, orient="row")


def _links(texts: pl.DataFrame) -> pl.DataFrame:
    """Mentions as Mastodon writes them in HTML: links of the class `mention` that are no hashtags, to an account."""
    link = pl.col("link")
    return (
        texts.select("row", link=pl.col("text").str.extract_all(_ANCHOR))
        .explode("link")
        .drop_nulls()
        .filter(link.str.contains(r"\bmention\b") & ~link.str.contains(r"\bhashtag\b"))
        .select("row", host=link.str.extract(_ACCOUNT_LINK, 1), user=link.str.extract(_ACCOUNT_LINK, 2))
        .drop_nulls()
        .select("row", handle=pl.col("user") + "@" + pl.col("host"))
    )


def _at_home(found: pl.DataFrame, authors: pl.Series) -> pl.DataFrame:
    """Bare names with the server of the post's author, where the author has one."""
    bare = ~found["handle"].str.contains("@", literal=True)
    if not bare.any():
        return found
    server = authors.gather(found["row"]).str.extract("@(.+)$")
    whole = pl.when(pl.Series(bare) & pl.Series(server.is_not_null())).then(pl.col("handle") + "@" + pl.Series(server))
    return found.with_columns(handle=whole.otherwise(pl.col("handle")))
