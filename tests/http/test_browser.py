"""What a real browser lets another site's page do with the API: nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.http.conftest import Api

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

PAGE = """<!doctype html><title>a page</title><pre id="found"></pre>
<iframe id="frame" src="{api}/doc"></iframe>
<iframe name="sink" style="display: none"></iframe>
<form id="form" method="post" action="{api}/uploads?author_is=form" enctype="{enctype}" target="sink">
  <textarea name="file">data,timestamp,username
@bob,2026-01-10T11:00:00Z,form
</textarea></form>
<script>
const rows = "data,timestamp,username\\n@bob,2026-01-10T11:00:00Z,fetched\\n";
const read = async (name, promise) => {
  let told;
  try {
    const answer = await promise;
    told = answer.type === "opaque" ? "opaque" : answer.status + " " + (await answer.text()).length;
  } catch (error) { told = "refused"; }
  document.getElementById("found").textContent += name + "=" + told + ";";
};
(async () => {
  document.getElementById("form").submit();
  await read("read", fetch("{api}/uploads"));
  await read("export", fetch("{api}/export/edges.csv", {mode: "no-cors"}));
  await read("text", fetch("{api}/uploads", {method: "POST", mode: "no-cors", body: rows}));
  await read("csv", fetch("{api}/uploads", {method: "POST", body: rows, headers: {"Content-Type": "text/csv"}}));
  const form = new FormData();
  form.append("file", new Blob([rows]), "posts.csv");
  await read("multipart", fetch("{api}/uploads", {method: "POST", mode: "no-cors", body: form}));
  document.title = "done";
})();
</script>"""


@contextmanager
def site(body: str) -> Generator[int]:
    """Another site, on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def shown(url: str, directory: Path) -> str:
    """The page as it is after its scripts, in a browser for which evil.example is this machine."""
    assert CHROMIUM
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={directory}",
            "--host-resolver-rules=MAP evil.example 127.0.0.1",
            "--virtual-time-budget=20000",
            "--dump-dom",
            *sandbox,
            url,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed here")
@pytest.mark.timeout(120)
def test_another_site_can_neither_read_nor_change_anything(api: Api, tmp_path: Path) -> None:
    # Under its own name the page of another site asks our address, and the name that leads to us.
    for number, target in enumerate((f"http://127.0.0.1:{api.port}", f"http://evil.example:{api.port}")):
        page = PAGE.replace("{api}", target).replace("{enctype}", ("multipart/form-data", "text/plain")[number])
        with site(page) as port:
            dom = shown(f"http://evil.example:{port}/", tmp_path / str(number))

        assert "<title>done</title>" in dom
        found = dict(each.split("=") for each in dom.partition('id="found">')[2].partition("<")[0].split(";") if each)
        assert found.keys() == {"read", "export", "text", "csv", "multipart"}
        assert set(found.values()) <= {"refused", "opaque"}

    # The name that leads to us, in the place of our own: the browser takes whatever is there for one site.
    dom = shown(f"http://evil.example:{api.port}/uploads", tmp_path / "rebound")
    assert "unknown-host" in dom
    assert "next" not in dom

    assert api.http.get("/uploads").json()["uploads"] == []
