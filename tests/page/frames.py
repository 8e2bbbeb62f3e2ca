"""How many frames a second the drawing has while a hand drags it or turns the wheel.

    python -m tests.page.frames http://127.0.0.1:8000/ [--gpu] [--address '#/network?all=1']

The page runs in a browser without a window, at 1440 × 900. Without --gpu, Chromium starts with --disable-gpu.
"""

from __future__ import annotations

import argparse
import math
import os
from contextlib import suppress
from typing import Any

import psutil
from playwright.sync_api import Page, sync_playwright

from tests.page.conftest import ARGUMENTS, CHROMIUM

SECONDS = 4.0
COUNT = """seconds => new Promise(resolve => {
    const times = [];
    const began = performance.now();
    const step = now => {
        times.push(now);
        if (now - began < seconds * 1000) requestAnimationFrame(step);
        else resolve({
            rate: 1000 * (times.length - 1) / (times.at(-1) - times[0]),
            longest: Math.max(...times.slice(1).map((each, at) => each - times[at])),
        });
    };
    requestAnimationFrame(step);
})"""
MOVE = """([kind, seconds]) => {
    const canvas = document.querySelector(".canvas");
    const {left, top, width, height} = canvas.getBoundingClientRect();
    const [x, y] = [left + width / 2, top + height / 2];
    const target = canvas.querySelector("canvas");
    const given = {bubbles: true, cancelable: true, pointerId: 1, pointerType: "mouse", button: 0};
    const send = (type, at) =>
        target.dispatchEvent(new PointerEvent(type, {...given, clientX: x + at, clientY: y + at / 3}));
    Element.prototype.setPointerCapture = () => {};
    canvas.focus({preventScroll: true});
    if (kind === "drag") send("pointerdown", 0);
    const began = performance.now();
    const step = now => {
        const turn = 2 * Math.PI * (now - began) / 3000;
        if (kind === "drag") send("pointermove", 500 * Math.sin(turn));
        else {
            const wheel = {...given, clientX: x, clientY: y, deltaY: 40 * Math.cos(turn)};
            target.dispatchEvent(new WheelEvent("wheel", wheel));
        }
        if (now - began < seconds * 1000) requestAnimationFrame(step);
        else if (kind === "drag") send("pointerup", 0);
    };
    requestAnimationFrame(step);
}"""


def measured(page: Page, kind: str) -> dict[str, float]:
    page.evaluate(MOVE, [kind, SECONDS])
    before = _used()
    found: dict[str, float] = page.evaluate(COUNT, SECONDS)
    return found | {"cost": 1000 * (_used() - before) / (found["rate"] * SECONDS)}


def _used() -> float:
    """Seconds of the processor that all of the browser's processes have used so far."""
    used = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            times = process.cpu_times()
            used += times.user + times.system
    return used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", help="where a stack serves the page")
    parser.add_argument("--gpu", action="store_true", help="let Chromium look for a graphics card")
    parser.add_argument("--address", default="#/network?all=1&view=drawing")
    options = parser.parse_args()
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    gpu = [] if options.gpu else ["--disable-gpu"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *root, *gpu])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(180_000)
        page.goto(options.page + options.address)
        page.wait_for_selector("main.network:not([aria-busy=true]) .canvas canvas")
        page.wait_for_timeout(1500)
        print(page.locator(".tally").inner_text().splitlines()[0])
        load = os.getloadavg()[0] / (os.cpu_count() or 1)
        idle: Any = page.evaluate(COUNT, 1.0)
        print(f"at rest {idle['rate']:.0f} frames a second; the machine is asked for {load:.1f} times what it has")
        for kind in ("drag", "wheel"):
            found = measured(page, kind)
            rate, longest, cost = found["rate"], math.ceil(found["longest"]), found["cost"]
            print(
                f"{kind:6} {rate:.0f} frames a second, the longest {longest} ms, {cost:.0f} ms of the processor a frame"
            )
        browser.close()


if __name__ == "__main__":
    main()
