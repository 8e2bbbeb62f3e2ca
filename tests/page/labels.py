"""The names in a drawing that was saved as SVG, as a browser lays them out."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

_TEXTS = """() => [...document.querySelectorAll("svg text")].map(each => {
    const {x, y, width, height} = each.getBoundingClientRect();
    return {text: each.textContent, x, y, width, height,
            size: Number(each.getAttribute("font-size")), weight: each.getAttribute("font-weight"),
            name: each.parentNode.matches("[paint-order]")};
})"""
HIGH = 0.3
"""Share of a line's height that a font leaves above and below its letters: so much of two lines may overlap."""


def texts(page: Page) -> list[dict[str, Any]]:
    """All texts of the picture that the tab shows. `name`: it is a user's."""
    return page.evaluate(_TEXTS)


def overlapping(names: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Pairs of names that lie on one another."""

    def lie(one: dict[str, Any], two: dict[str, Any]) -> bool:
        across = min(one["x"] + one["width"], two["x"] + two["width"]) - max(one["x"], two["x"])
        down = min(one["y"] + one["height"], two["y"] + two["height"]) - max(one["y"], two["y"])
        return across > 1 and down > HIGH * min(one["height"], two["height"])

    return [(one["text"], two["text"]) for at, one in enumerate(names) for two in names[:at] if lie(one, two)]
