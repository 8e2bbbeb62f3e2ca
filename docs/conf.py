"""How Sphinx builds the documentation: `make docs`. The pages load nothing from a network."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from docs import generated  # noqa: E402 (found by the path above)

project = "mentiongraph"
copyright = "the authors of mentiongraph"
release = version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nitpicky = True
highlight_language = "none"
smartquotes = False  # options begin with two hyphens

html_theme = "furo"
html_title = f"mentiongraph {release}"
html_favicon = str(ROOT / "app/http/openapi/static/favicon.svg")
html_static_path = ["static"]
html_css_files = ["guide.css"]
html_copy_source = False
html_use_index = False
html_show_sphinx = False
html_theme_options = {"top_of_page_buttons": []}


def setup(app: Sphinx) -> None:
    """Fill the reference pages from the code as Sphinx reads each page."""
    app.connect("source-read", _fill)


def _fill(_app: Sphinx, page: str, source: list[str]) -> None:
    if page.startswith("reference/"):
        source[0] = generated.filled(source[0])
