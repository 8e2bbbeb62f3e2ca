"""The command that lists what files and mentions the service knows: presets."""

from __future__ import annotations

import click
import msgspec

from app.graph.profiles import PROFILES
from app.posts.looking.presets import PRESETS
from ops.cli import options
from ops.cli.console import out, plain, print_json, table


@click.command()
@options.as_json
def presets(*, json: bool) -> None:
    """List the presets and the profiles.

    A preset says where the text, the instant and the author stand in the files of a tool or service. An upload
    recognises its preset by itself; --preset names one. A profile says what a mention is on a platform; --profile names
    one.

    \b
    Examples:
      mentiongraph presets
      mentiongraph upload --preset 4cat export.csv
      mentiongraph presets --json | jq -r '.presets[].name'
    """
    if json:
        about = [{"name": each.name, "version": each.version, "about": each.about} for each in PROFILES.values()]
        print_json({"presets": msgspec.to_builtins(PRESETS), "profiles": about})
        return
    listed = table("preset", "files of", "profile", "ids", title="Presets")
    for each in PRESETS:
        listed.add_row(each.name, plain(f"{each.title}. {each.note}" if each.note else each.title), each.profile,
                       "yes" if each.id else "no")  # fmt: skip
    out.print(listed)
    listed = table("profile", "version", "what a mention is", title="Profiles")
    for profile in PROFILES.values():
        listed.add_row(profile.name, str(profile.version), plain(profile.about))
    out.print(listed)
