"""The built guide: without a warning, without a network, and with everything that the code has in the reference."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import click
import pytest

from app import settings as app_settings
from app.graph.profiles import PROFILES
from app.ledger.states import UploadState
from app.ledger.warnings import Code
from app.log_events import MEANING as LOGGED
from app.metrics.table import METRICS
from app.posts.looking.presets import PRESETS
from app.posts.screening import Reason
from app.reads.exports.emptiness import Empty
from app.settings import Settings
from docs import generated
from ops.cli import COMMANDS, EXIT_CODES, main
from tests.docs.pages import ROOT

LOADS = {"script": ["src"], "img": ["src"], "source": ["src", "srcset"], "iframe": ["src"], "link": ["href"]}
VOCABULARY = {
    *("upload", "batch", "reject", "delta", "shard", "edge", "source", "target", "handle", "count", "merge", "decay"),
    *("archive", "sweep", "replay", "retract", "audit", "effective weight", "half-life", "heartbeat", "ring", "bell"),
    *("claim", "seal", "ledger", "period", "summary", "profile", "fleet"),
}


class Loads(HTMLParser):
    """What a page makes a browser fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag != "link" or given.get("rel") not in {"next", "prev", "search", "index", "canonical"}:
            self.found += [value for name in LOADS.get(tag, []) if (value := given.get(name))]


def _words(page: Path) -> str:
    """The text of a page as a reader has it."""
    return unescape(re.sub(r"<[^>]+>", "", page.read_text("utf-8")))


def _reference(page: str) -> str:
    """The Markdown of a reference page, with its generated part."""
    return generated.filled((ROOT / "docs" / "reference" / f"{page}.md").read_text("utf-8")).replace("\\", "")


@pytest.mark.timeout(300)
def test_the_guide_builds_without_a_warning_and_needs_no_network(tmp_path: Path) -> None:
    built = tmp_path / "guide"
    command = ["make", "docs", f"GUIDE={built}", f"VENV={sys.prefix}", "-o", f"{sys.prefix}/.dev"]
    # The directory of doctrees is beside, so that another build at this time is not disturbed.
    done = subprocess.run(
        [*command, f"DOCTREES={tmp_path}/doctrees"], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

    pages = list(built.rglob("*.html"))
    assert (built / "index.html") in pages
    assert not any(built.rglob("*.md.txt"))
    elsewhere = [
        f"{page.relative_to(built)}: {url}"
        for page in pages
        for url in Loads(page.read_text("utf-8")).found
        if re.match(r"[a-z]+:|//", url) and not url.startswith("data:")
    ]
    assert elsewhere == []
    assert [
        style.name for style in built.rglob("*.css") if re.search(r"(url\(|@import )['\"]?(https?:)?//", _css(style))
    ] == []

    texts = {page.stem: _words(page) for page in (built / "reference").glob("*.html")}
    for page, names in _everything().items():
        assert [name for name in names if name.replace("`", "") not in texts[page]] == []


def _css(style: Path) -> str:
    return re.sub(r"/\*.*?\*/", "", style.read_text("utf-8"), flags=re.DOTALL)


def _everything() -> dict[str, list[str]]:
    """What each page of the reference has to name, from the code itself and not from what makes the pages."""
    operations = [f"{method.upper()} {path}" for path, item in generated.openapi()["paths"].items() for method in item]
    return {
        "settings": [app_settings.PREFIX + name.upper() for name in Settings.__struct_fields__],
        "cli": [*(f"mentiongraph {name}" for name in COMMANDS), *_options(), *map(str, EXIT_CODES)],
        "problems": sorted(generated.problem_codes()),
        "rejects": [reason.value for reason in Reason],
        "warnings": [*(code.value for code in Code), *(reason.value for reason in Empty)],
        "log-events": [*LOGGED, *(field for call in generated.logged() for field in call.fields)],
        "presets": [text.replace("`", "") for preset in PRESETS for text in (preset.name, preset.note) if text],
        "profiles": [text for name, profile in PROFILES.items() for text in (name, profile.about, profile.source)],
        "metrics": [text for each in METRICS for text in (each.full_name, each.help, *each.labels)],
        "http": [*operations, *_parameters()],
    }


def _options() -> Iterator[str]:
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        yield from (flag for param in command.params if isinstance(param, click.Option) for flag in param.opts)


def _parameters() -> Iterator[str]:
    for item in generated.openapi()["paths"].values():
        for operation in item.values():
            yield from (each["name"] for each in operation.get("parameters", []))


@pytest.mark.parametrize("page", ["settings", "cli", "problems", "rejects", "warnings", "metrics", "http"])
def test_the_reference_has_everything(page: str) -> None:
    text = _reference(page)
    assert [name for name in _everything()[page] if name not in text] == []
    assert "% generated" not in text


def test_the_reference_says_what_a_setting_is_for() -> None:
    text = _reference("settings")
    for name in Settings.__struct_fields__:
        after = text.partition(f"### {app_settings.PREFIX}{name.upper()}\n")[2]
        meaning, default = after.strip().split("\n\n")[:2]
        assert len(meaning.split()) > 2, name
        assert default.startswith("Default: "), name


def test_the_glossary_has_the_vocabulary_and_the_states() -> None:
    text = (ROOT / "docs" / "reference" / "glossary.md").read_text("utf-8")
    terms = re.findall(r"^(\S.*)\n  \S", text, re.MULTILINE)
    assert terms == sorted(terms, key=str.lower)
    lower = {term.lower() for term in terms}
    assert VOCABULARY - lower == set()
    assert {state.value for state in UploadState} - lower == set()
