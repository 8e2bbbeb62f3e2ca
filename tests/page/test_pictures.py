"""Every screen in light and dark: nothing fails unseen, no other host is asked, and the pictures of the documentation.

`make pictures` keeps the pictures in docs/images/page. Other runs throw them away.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from app.http.page import serve
from tests.page.conftest import PATIENCE, SAMPLE, opened, watched

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

GRAPH = "hobbies"
OF = f"/#/graphs/{GRAPH}"
READY = "main.network:not([aria-busy=true])"
AROUND = f"{OF}/network?around=kettenblatt_kai"
SHOP = (
    "Autor;Beitrag;Datum;Likes\n"
    "rost_und_rad;Wer kommt heute in die Werkstatt? @kettenblatt_kai @nabe_nils;19/11/2026 17:42;3\n"
    "nabe_nils;@rost_und_rad ich nicht, aber @dynamo_dora kommt;19/11/2026 22:50;11\n"
    "klingel_karla;Grüße von der Brücke @kettenblatt_kai;gestern Abend;6\n"
    "dynamo_dora;@nabe_nils bringst du die Pumpe mit?;20/11/2026 08:15;2\n"
)
FILES = {
    "modular-meetup.csv": "text,author,created_at\n@filter_fuku who brings cables?,yoru_patch,2026-11-18T19:00:00Z\n",
    "night-sky.csv": "text,author,created_at\nclear tonight @hilal_hunt,noor_andromeda,2026-11-19T20:10:00Z\n",
    "bread-club.csv": "text,author,created_at\n@farine_felix it rose,levain_lucie,2026-11-17T06:30:00Z\n",
}


class Shot(NamedTuple):
    name: str
    address: str
    ready: str
    prepare: Callable[[Page], None] = lambda _: None
    phone: bool = False
    """Whether there is a picture as wide as a phone, too."""


def _drop(page: Page) -> None:
    shop = {"name": "Beiträge Fahrradladen.csv", "mimeType": "text/csv", "buffer": SHOP.encode("cp1252")}
    page.locator("input[type=file]").set_input_files(shop)  # pyright: ignore[reportArgumentType]
    page.get_by_role("combobox", name="What the column Beitrag is").select_option(label="Post text")
    expect(page.locator("tr.rej")).to_be_visible()


def _repair(page: Page) -> None:
    page.get_by_role("button", name="Repair line").first.click()
    expect(page.locator("form.rep")).to_be_visible()
    expect(page.locator("form.rep [role=status]")).not_to_be_empty()


def _retract(page: Page) -> None:
    page.get_by_role("button", name="Retract…").click()
    expect(page.locator(".what li").first).to_be_visible()


def _save(page: Page) -> None:
    page.get_by_role("button", name="Save as…").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def _help(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def shots(sample: str) -> Iterator[Shot]:
    """`sample`: the id of the upload of the sample."""
    yield Shot("start", f"{OF}/add", ".dropz", _drop, phone=True)
    yield Shot("uploads", f"{OF}/uploads", "tbody tr:nth-child(5)", phone=True)
    yield Shot("upload", f"{OF}/uploads/{sample}", ".nums")
    yield Shot("repair", f"{OF}/uploads/{sample}", ".raw", _repair)
    yield Shot("retract", f"{OF}/uploads/{sample}", ".nums", _retract)
    yield Shot("network", f"{AROUND}&tie=kettenblatt_kai,nabe_nils", f"{READY} .lines li", phone=True)
    yield Shot("whole-network", f"{OF}/network", f"{READY} .twin tbody tr")
    yield Shot("path", f"{AROUND}&path=kettenblatt_kai,kawkab_rim", f"{READY} .path li")
    yield Shot("save", AROUND, f"{READY} .twin tbody tr", _save)
    yield Shot("user", f"{OF}/users/kettenblatt_kai?to=nabe_nils", ".lines li")
    yield Shot("rankings", f"{OF}/rankings", "tbody tr")
    yield Shot("operate", f"{OF}/operate", ".receipt, .cols .panel + .panel")
    yield Shot("settings", f"{OF}/operate/settings", "tbody tr")
    yield Shot("keys", f"{OF}/operate/keys", "main .panel")
    yield Shot("graphs", f"{OF}/operate/graphs", "tbody tr")
    yield Shot("forget", f"{OF}/operate/forget", "#forget")
    yield Shot("help", f"{OF}/rankings", "tbody tr", _help)


@pytest.fixture
def sample(stack: str) -> str:
    """The upload of the sample in a graph of its own, beside some short uploads."""
    with httpx.Client(base_url=stack, timeout=PATIENCE / 1000) as client:
        known = client.get(f"/graphs/{GRAPH}/uploads", params={"text": "forums"})
        if known.status_code == HTTPStatus.OK and (found := known.json()["uploads"]):
            return str(found[-1]["id"])
        client.post("/graphs", json={"name": GRAPH, "half_life": "none"}).raise_for_status()

        def send(name: str, content: bytes, **query: str) -> str:
            answer = client.post(
                f"/graphs/{GRAPH}/uploads",
                params={"filename": name, "clock": "event", **query},
                content=content,
                headers={"content-type": "text/csv"},
            )
            return str(answer.raise_for_status().json()["id"])

        for name, text in FILES.items():
            send(name, text.encode())
        send("next-week.csv", FILES["bread-club.csv"].replace("rose", "rises").encode(), dry_run="true")
        shop = send("Beiträge Fahrradladen.csv", SHOP.encode("cp1252"), text="Beitrag")
        whole = send("forums-autumn.csv", SAMPLE.read_bytes())
        _applied(client, shop)
        client.post(f"/graphs/{GRAPH}/uploads/{shop}/retract").raise_for_status()
        _applied(client, whole)
        return whole


def _applied(client: httpx.Client, upload: str) -> None:
    deadline = time.monotonic() + 120
    while client.get(f"/graphs/{GRAPH}/uploads/{upload}").json()["state"] != "applied":
        assert time.monotonic() < deadline, upload
        time.sleep(0.1)


def test_the_policy_of_the_page_has_no_exception(stack: str) -> None:
    answer = httpx.get(stack)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert "unsafe" not in serve.POLICY
    assert not {name for name in policy if name.endswith(("script-src", "style-src", "img-src", "connect-src"))}


def test_each_screen_is_drawn_without_a_fault(browser: Browser, stack: str, sample: str, tmp_path: Path) -> None:
    kept = os.environ.get("MENTIONGRAPH_PICTURES")
    pictures = Path(kept) if kept else tmp_path
    found = dict[str, list[str]]()
    with (
        opened(browser, stack, reduced_motion="reduce") as desk,
        opened(browser, stack, reduced_motion="reduce", viewport={"width": 390, "height": 844}) as phone,
    ):
        for shot in shots(sample):
            for context, place in ((desk, ""), (phone, "-phone")):
                if place and not shot.phone:
                    continue
                page = context.new_page()
                faults = watched(page, stack)
                page.goto(shot.address)
                page.wait_for_selector(shot.ready)
                shot.prepare(page)
                for look in ("light", "dark"):
                    page.emulate_media(color_scheme=look)
                    _keep(page, pictures / f"{shot.name}{place}-{look}", smaller=kept is not None)
                page.close()
                found[shot.name + place] = faults
    assert {name: faults for name, faults in found.items() if faults} == {}


SETTLES = 400
"""Milliseconds in which a drawing takes on other colours."""


def _keep(page: Page, path: Path, *, smaller: bool) -> None:
    if smaller:
        page.wait_for_timeout(SETTLES)
    shot = page.screenshot(path=path.with_suffix(".png"))
    assert len(shot) > 5000, f"{path.name} shows nothing"
    if smaller:
        with Image.open(path.with_suffix(".png")) as image:
            few = image.convert("RGB").quantize(256, dither=Image.Dither.NONE).convert("RGB")
            few.save(path.with_suffix(".webp"), lossless=True, quality=90, method=5)
        path.with_suffix(".png").unlink()
