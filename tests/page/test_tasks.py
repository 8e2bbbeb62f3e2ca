"""What people do on the page: each task by mouse, and once more by keyboard alone."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import networkx
import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.page import labels
from tests.page.conftest import Keys

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

Saved = Callable[[Callable[[], object], str], Path]
EXCEL = (
    "Autor;Beitrag;Datum;Likes\n"
    "fiete_{n};Wer kommt heute? @ulla_{n};19/11/2026 17:42;3\n"
    "kai_{n};@ulla_{n} nein, aber @bremse_{n} auch;19/11/2026 22:50;11\n"
    "karla_{n};Grüße von der Brücke @dora_{n};gestern Abend;6\n"
)
AROUND = "/#/network?around=kettenblatt_kai"
OTHER_HOST = re.compile(r"(?:https?:)?//(?!www\.w3\.org/2000/svg)")


@pytest.fixture
def own() -> str:
    """What makes a test's handles its own."""
    return uuid4().hex[:8]


@pytest.fixture
def excel(tmp_path: Path, own: str) -> Path:
    """A file as Excel in German writes it, with one row that can't be read."""
    file = tmp_path / f"Beiträge {own}.csv"
    file.write_bytes(EXCEL.format(n=own).encode("cp1252"))
    return file


def api(page: Page, path: str) -> Any:
    answer = page.request.get(path)
    assert answer.ok, f"{path}: {answer.status}"
    return answer.json()


def started(page: Page) -> None:
    """The page is there, and listens to keys: it then says which screen is open."""
    page.goto("/")
    page.wait_for_function("document.title.includes('·')")


def counted(page: Page, excel: Path) -> None:
    """A file is uploaded, and its column of texts corrected."""
    page.goto("/")
    page.locator("input[type=file]").set_input_files(excel)
    page.get_by_role("combobox", name="What the column Beitrag is").select_option(label="Post text")
    page.get_by_role("button", name="Count these posts").click()
    expect(page.locator(".finding")).to_contain_text("2 posts counted, with 3 mentions")


def network(page: Page, address: str = AROUND) -> Locator:
    """The drawing of an address."""
    page.goto(address)
    page.wait_for_selector("main.network:not([aria-busy=true]) .canvas canvas")
    expect(page.locator(".tally")).to_contain_text("user")
    return page.locator(".canvas")


def upload_of(page: Page) -> Any:
    """The entry of the ledger that the page shows."""
    found = re.search(r"#/uploads/([0-9a-f-]+)", page.url)
    assert found, page.url
    return api(page, f"/uploads/{found[1]}")


# Upload, with a correction


def test_a_file_is_corrected_and_counted(page: Page, excel: Path, own: str) -> None:
    page.goto("/")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose files").click()
    chooser.value.set_files(excel)

    expect(page.get_by_role("button", name="Count these posts")).to_be_disabled()
    page.get_by_role("combobox", name="What the column Beitrag is").select_option(label="Post text")
    expect(page.locator("mark").first).to_have_text(f"@ulla_{own}")
    expect(page.locator("tr.rej")).to_contain_text("gestern Abend")
    page.get_by_role("button", name="Count these posts").click()

    expect(page.locator(".finding")).to_contain_text("2 posts counted, with 3 mentions")
    assert api(page, f"/users/ulla_{own}")["mentions_received"] == 2
    page.get_by_role("link", name="Look at the network").click()
    page.wait_for_selector("main.network:not([aria-busy=true]) .canvas canvas")


def test_a_file_is_corrected_and_counted_by_keyboard(page: Page, keys: Keys, excel: Path, own: str) -> None:
    page.goto("/")
    with page.expect_file_chooser() as chooser:
        keys.use("button", "Choose files")
    chooser.value.set_files(excel)

    keys.to("combobox", "What the column Beitrag is")
    keys.type("Post text")
    expect(page.locator("mark").first).to_have_text(f"@ulla_{own}")
    expect(page.get_by_role("button", name="Count these posts")).to_be_enabled()
    keys.use("button", "Count these posts")

    expect(page.locator(".finding")).to_contain_text("2 posts counted, with 3 mentions")
    keys.use("link", "Look at the network")
    page.wait_for_selector("main.network:not([aria-busy=true]) .canvas canvas")


# Find the bad rows and mend them


def sums_are_right(page: Page, first: Any, own: str) -> None:
    """Of the first upload a row is missing still; the repaired row is an upload of its own, and all of it counts."""
    assert (first["rows_received"], first["rows_accepted"], first["rows_rejected"], first["mentions"]) == (3, 2, 1, 3)
    again = upload_of(page)
    assert (again["rows_received"], again["rows_accepted"], again["rows_rejected"], again["mentions"]) == (1, 1, 0, 1)
    users = {name: api(page, f"/users/{name}_{own}") for name in ("ulla", "bremse", "dora", "karla")}
    assert [users[name]["mentions_received"] for name in ("ulla", "bremse", "dora")] == [2, 1, 1]
    assert users["karla"]["mentions_made"] == 1


def test_bad_rows_are_found_mended_and_sent_again(page: Page, excel: Path, own: str) -> None:
    counted(page, excel)
    page.get_by_role("link", name="repair it").click()
    expect(page.locator(".raw .er")).to_have_text("gestern Abend")
    first = upload_of(page)

    page.get_by_role("button", name="Repair line 4").click()
    page.get_by_label("Datum").fill("18/11/2026 20:00")
    expect(page.get_by_role("status").filter(has_text="Reads as 1 post with 1 mention")).to_be_visible()
    page.get_by_role("button", name="Keep this repair").click()
    page.get_by_role("button", name="Send 1 row").click()
    page.get_by_role("link", name="The repaired rows are on their way").click()
    expect(page.locator("h1 .st")).to_have_text("applied")
    sums_are_right(page, first, own)

    page.goto(f"/#/users/karla_{own}?to=dora_{own}")
    expect(page.locator(".lines mark")).to_have_text(f"@dora_{own}")


def test_bad_rows_are_mended_by_keyboard(page: Page, keys: Keys, excel: Path, own: str) -> None:
    counted(page, excel)
    keys.use("link", "repair it")
    keys.to("button", "Repair line 4")
    first = upload_of(page)
    keys.press("Enter")
    expect(page.get_by_label("Datum")).to_be_focused()
    keys.press("Control+a")
    keys.type("18/11/2026 20:00")
    expect(page.get_by_role("status").filter(has_text="Reads as 1 post with 1 mention")).to_be_visible()
    keys.press("Enter")
    keys.use("button", "Send 1 row")
    keys.use("link", "The repaired rows are on their way")
    expect(page.locator("h1 .st")).to_have_text("applied")
    sums_are_right(page, first, own)


# Undo


def forecast(page: Page) -> Locator:
    """The box before an upload is retracted: it says first what it would change."""
    box = page.locator(".what")
    expect(box.locator("li", has_text="Mentions taken out")).to_contain_text("3")
    expect(box.locator("li", has_text="Ties that disappear")).to_contain_text("3")
    return box


def is_undone(page: Page, own: str) -> None:
    expect(page.locator("h1 .st")).to_have_text("retracted")
    page.goto(f"/#/users/ulla_{own}")
    expect(page.get_by_text("Nobody mentions this user").or_(page.get_by_role("alert"))).to_be_visible()


def test_an_upload_is_undone_after_its_numbers_were_shown(page: Page, excel: Path, own: str) -> None:
    counted(page, excel)
    page.get_by_role("link", name="Open the upload").click()
    page.get_by_role("button", name="Retract…").click()
    forecast(page).get_by_role("button", name="Retract the upload").click()
    is_undone(page, own)


def test_an_upload_is_undone_by_keyboard(page: Page, keys: Keys, excel: Path, own: str) -> None:
    counted(page, excel)
    keys.use("link", "Open the upload")
    expect(page.get_by_role("button", name="Retract…")).to_be_visible()
    keys.press("t")
    forecast(page)
    keys.use("button", "Retract the upload")
    is_undone(page, own)


# Who is mentioned most


def test_who_is_mentioned_most(page: Page) -> None:
    page.goto("/")
    page.get_by_role("navigation", name="Screens").get_by_role("link", name="Rankings").click()
    best = api(page, "/rankings/mentioned?limit=1")["users"][0]
    expect(page.locator(".finding")).to_contain_text(best["spelling"])
    page.locator("tbody tr").first.get_by_role("link", name=best["spelling"]).click()
    expect(page.locator(".finding").first).to_contain_text(f"Mentioned {best['mentions']:,} times")


def test_who_is_mentioned_most_by_keyboard(page: Page, keys: Keys) -> None:
    started(page)
    keys.press("g", "r")
    best = api(page, "/rankings/mentioned?limit=1")["users"][0]
    expect(page.locator("tbody tr").first).to_contain_text(best["spelling"])
    keys.use("link", best["spelling"])
    expect(page.locator(".finding").first).to_contain_text(f"Mentioned {best['mentions']:,} times")

    keys.press("g", "u")
    expect(page.get_by_role("heading", name="Uploads")).to_be_visible()
    keys.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Find a user")
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


# Who surrounds whom


def path_is_shown(page: Page) -> None:
    found = api(page, "/paths?source=kettenblatt_kai&target=kawkab_rim")
    names = [each["spelling"] for each in found["users"]]
    expect(page.locator(".path li")).to_have_count(len(names) - 1)
    expect(page.locator(".path li").last).to_contain_text(names[-1])
    expect(page).to_have_url(re.compile("path=kettenblatt_kai"))


def dot(page: Page, canvas: Locator) -> tuple[float, float]:
    """The place of a user in the drawing, where the pointer is told whom it is over."""
    box = canvas.bounding_box()
    assert box
    for down in (0.5, 0.35, 0.65, 0.2):
        for right in range(8, 60):
            x, y = box["x"] + box["width"] * right / 64, box["y"] + box["height"] * down
            page.mouse.move(x, y)
            if page.locator(".told").count():
                return x, y
    raise AssertionError("the pointer met nobody in the drawing")


def test_who_surrounds_whom(page: Page) -> None:
    page.goto("/")
    page.get_by_role("combobox", name="Find a user").fill("kettenbl")
    page.get_by_role("option", name="kettenblatt_kai").click()
    expect(page).to_have_url(re.compile("around=kettenblatt_kai"))
    page.wait_for_selector("main.network:not([aria-busy=true]) .canvas canvas")
    tally = page.locator(".tally")
    before = tally.inner_text()
    page.get_by_role("button", name="1 step").click()
    expect(page).to_have_url(re.compile("steps=1"))
    expect(tally).not_to_have_text(before, use_inner_text=True)
    canvas = page.locator("main.network:not([aria-busy=true]) .canvas")

    page.mouse.click(*dot(page, canvas))
    name = page.locator(".told bdi").inner_text()
    expect(page.locator(".side h2")).to_contain_text(name)
    users = page.locator(".tally b").nth(1)
    before = users.inner_text()
    if page.get_by_role("button", name="Expand").is_enabled():
        page.get_by_role("button", name="Expand").click()
        expect(page.get_by_role("button", name="Take back 1 expanded")).to_be_visible()
        assert int(users.inner_text()) >= int(before)

    page.locator(".twin").get_by_role("button", name="kettenblatt_kai").click()
    page.get_by_role("button", name="Path to…").click()
    page.get_by_role("combobox", name="Path to which user").fill("kawkab")
    page.locator(".side .found").get_by_role("option", name="kawkab_rim").click()
    path_is_shown(page)


def test_who_surrounds_whom_by_keyboard(page: Page, keys: Keys) -> None:
    started(page)
    keys.press("/")
    keys.type("kettenbl")
    expect(page.get_by_role("listbox", name="Users").get_by_role("option")).to_have_text("kettenblatt_kai")
    keys.press("Enter")
    expect(page).to_have_url(re.compile("around=kettenblatt_kai"))
    page.wait_for_selector("main.network:not([aria-busy=true]) .canvas canvas")

    keys.to("application", re.compile("around kettenblatt_kai"))
    keys.press("Home", "ArrowDown", "ArrowDown")
    live = page.locator("#live")
    expect(live).to_contain_text("rank")
    name = live.inner_text().split(",")[0]
    keys.press("Enter")
    expect(page.locator(".side h2")).to_contain_text(name)
    keys.press("e")
    expect(page.get_by_role("button", name="Take back 1 expanded")).to_be_visible()

    keys.use("button", re.compile("^kettenblatt_kai$"))
    expect(page.locator(".side h2")).to_contain_text("kettenblatt_kai")
    keys.press("p")
    expect(page.get_by_role("combobox", name="Path to which user")).to_be_focused()
    keys.type("kawkab")
    expect(page.locator(".side .found").get_by_role("option")).to_have_text("Kawkab_Rim")
    keys.press("Enter")
    path_is_shown(page)


# A picture for an article


HEADLINE = "Kai knows everybody"


def is_a_picture(file: Path) -> None:
    with Image.open(file) as image:
        assert image.width >= 1200
        colours = image.convert("RGB").resize((300, 280)).getcolors(1 << 20) or []
    assert len(colours) > 500  # neither blank nor two lines


def can_be_printed(page: Page, file: Path) -> None:
    """The file asks nobody for anything, and everything in it can be read, the important names without an overlap."""
    drawn = re.search(r"([\d,]+ of [\d,]+ ties), ([\d,]+ users)", page.locator(".tally").inner_text())
    assert drawn
    text = file.read_text()
    assert "<script" not in text
    assert not OTHER_HOST.search(text.replace("http://www.w3.org/2000/svg", ""))
    asked: list[str] = []
    tab = page.context.new_page()
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(file.as_uri())
    assert asked == [file.as_uri()]
    for words in (HEADLINE, f"{drawn[2]}, {drawn[1]}", "the thick end mentions the thin end", "Source: "):
        expect(tab.get_by_text(words).first).to_be_attached()
    expect(tab.locator("svg text").filter(has_text=re.compile("^kettenblatt_kai$"))).to_have_count(1)
    texts = labels.texts(tab)
    assert min(each["size"] for each in texts) >= 10
    names = [each for each in texts if each["name"]]
    assert len(names) > 30
    assert labels.overlapping(names) == []
    tab.close()


def test_a_picture_for_an_article(page: Page, saved: Saved) -> None:
    network(page)
    page.get_by_role("button", name="Save as…").click()
    page.get_by_label("Headline").fill(HEADLINE)
    is_a_picture(saved(page.get_by_role("button", name="Save PNG").click, "saved.png"))
    for kind in ("SVG", "HTML"):
        file = saved(page.get_by_role("button", name=f"Save {kind}").click, f"saved.{kind.lower()}")
        can_be_printed(page, file)


def test_a_picture_for_an_article_by_keyboard(page: Page, keys: Keys, saved: Saved) -> None:
    network(page)
    keys.use("button", "Save as…")
    keys.to("textbox", "Headline")
    keys.press("Control+a")
    keys.type(HEADLINE)
    is_a_picture(saved(lambda: keys.use("button", "Save PNG"), "saved.png"))
    can_be_printed(page, saved(lambda: keys.use("button", "Save SVG"), "saved.svg"))
    assert HEADLINE in saved(lambda: keys.use("button", "Save HTML"), "saved.html").read_text()
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


# Hand the data to a colleague


def same_as_the_api(page: Page, gexf: Path, table: Path) -> None:
    """GEXF and CSV of all that is drawn are the ties that the API gives of these surroundings."""
    answer = api(page, "/users/kettenblatt_kai/ego?depth=2&users=200&edges=5000")
    spelling = {each["handle"]: each["spelling"] for each in answer["users"]}
    wanted = {(spelling[each["source"]], spelling[each["target"]]): each["mention_count"] for each in answer["edges"]}
    graph = networkx.read_gexf(gexf)
    assert {(one, two): facts["mention_count"] for one, two, facts in graph.edges(data=True)} == wanted
    received = {each["spelling"]: each["mentions_received"] for each in answer["users"]}
    assert {name: facts["mentions_received"] for name, facts in graph.nodes(data=True)} == received
    assert all({"x", "y"} <= facts["viz"]["position"].keys() for _, facts in graph.nodes(data=True))
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["Mentions"], row["Is mentioned"]): int(row["How often"]) for row in rows} == wanted


def is_the_same_view(page: Page, another: BrowserContext) -> None:
    """Whoever opens the address sees the same: users, ties, selection, evidence and place."""
    tab = another.new_page()
    network(tab, page.url)
    for part in (".tally", ".side h2", ".side .finding", ".twin tbody tr:nth-child(3)"):
        expect(tab.locator(part).first).to_have_text(page.locator(part).first.inner_text(), use_inner_text=True)
    expect(tab.locator(".lines mark").first).to_have_text(page.locator(".lines mark").first.inner_text())
    assert tab.url == page.url


def test_the_data_is_handed_to_a_colleague(page: Page, another: BrowserContext, saved: Saved) -> None:
    network(page, f"{AROUND}&all=1")
    page.get_by_role("button", name="Save as…").click()
    gexf = saved(page.get_by_role("button", name="Save GEXF").click, "saved.gexf")
    table = saved(page.get_by_role("button", name="Save CSV").click, "ties.csv")
    same_as_the_api(page, gexf, table)
    everything = networkx.read_gexf(
        saved(page.get_by_role("link", name="Save all ties").click, "all.gexf"), node_type=str
    )
    assert networkx.read_gexf(gexf).edges == everything.edges
    page.keyboard.press("Escape")

    page.locator(".side").get_by_role("button", name="nabe_nils").click()
    page.get_by_role("button", name="Closer").click()
    expect(page).to_have_url(re.compile("camera="))
    expect(page.locator(".lines mark").first).to_be_visible()
    is_the_same_view(page, another)


def test_the_data_is_handed_to_a_colleague_by_keyboard(
    page: Page, keys: Keys, another: BrowserContext, saved: Saved
) -> None:
    network(page, f"{AROUND}&all=1")
    keys.use("button", "Save as…")
    gexf = saved(lambda: keys.use("button", "Save GEXF"), "saved.gexf")
    same_as_the_api(page, gexf, saved(lambda: keys.use("button", "Save CSV"), "ties.csv"))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    keys.use("button", "Copy the address")
    expect(page.locator("#live")).to_have_text("The address is copied.")
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    keys.press("Escape")

    keys.press("t", "+")
    expect(page).to_have_url(re.compile("camera="))
    expect(page.locator(".lines mark").first).to_be_visible()
    is_the_same_view(page, another)


# Where a tie comes from


def came_from_the_tie(page: Page, line: str) -> None:
    """The upload says which of its batches the line is in."""
    expect(page).to_have_url(re.compile(r"#/uploads/[0-9a-f-]+\?batch=\d+&line=\d+"))
    expect(page.locator("h1")).to_contain_text("sample.csv")
    expect(page.locator(".came mark")).to_have_text(f"Line {int(line):,}")
    expect(page.locator(".came")).to_contain_text(re.compile(r"batch \d+ of \d+"))


def test_from_a_drawn_tie_to_its_lines_and_batches(page: Page) -> None:
    page.goto("/#/users/kettenblatt_kai")
    page.locator(".three section").first.get_by_role("button", name="nabe_nils").click()
    expect(page.locator(".lines li")).to_have_count(10)
    expect(page.locator(".lines mark").first).to_have_text("@nabe_nils")

    network(page, f"{AROUND}&tie=kettenblatt_kai,nabe_nils")
    line = page.locator(".lines .ln").first.inner_text()
    expect(page.locator(".side .files").get_by_role("link", name="sample.csv")).to_be_visible()
    page.locator(".lines .ln").first.click()
    came_from_the_tie(page, line)


def test_two_keys_lead_from_a_drawn_tie_to_its_lines_and_batches(page: Page, keys: Keys) -> None:
    network(page)
    keys.press("t")
    expect(page.locator("#live")).to_have_text(re.compile(r"mentions \S+ \d+ times"))
    expect(page.locator(".lines mark").first).to_be_visible()
    line = page.locator(".lines .ln").first.inner_text()
    keys.press("l")
    came_from_the_tie(page, line)
