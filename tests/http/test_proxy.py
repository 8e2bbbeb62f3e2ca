"""The load balancer of compose, with the configuration that it ships with, in front of a running API."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest
import trustme
import yaml

from app.settings import Settings
from app.store.postgres import Connection
from ops.cli.client import ApiAway, Client
from ops.embedded.children import Child, free_ports
from tests.conftest import until
from tests.http.conftest import Api, Serve
from tests.http.test_receiving import CSV, CSV_TYPE, states

CONFIGURATION = Path(__file__).parents[2] / "ops/compose/haproxy/haproxy.cfg"
HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
UPLOADS = 100
STANDING = b"POST /uploads HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nContent-Length: 1000\r\n\r\n"

pytestmark = pytest.mark.skipif(HAPROXY is None, reason="needs haproxy")


@pytest.fixture
def api(serve: Serve, settings: Settings) -> Api:
    return serve(msgspec.structs.replace(settings, trusted_proxies="127.0.0.0/8"))


@pytest.fixture
def proxy(api: Api, tmp_path: Path) -> Generator[int]:
    """The port of the proxy. Its heads have one second instead of ten."""
    with proxied(api, tmp_path) as (port, _):
        yield port


AUTHORITY = trustme.CA()


@pytest.fixture
def with_tls(api: Api, tmp_path: Path) -> Generator[tuple[int, int]]:
    """The proxy's ports for plain HTTP and for TLS, with what ops/compose/tls.yaml sets."""
    (tmp_path / "tls").mkdir()
    AUTHORITY.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "tls/graph.pem")
    proxy = yaml.safe_load((CONFIGURATION.parents[1] / "tls.yaml").read_text())["services"]["proxy"]
    assert proxy["volumes"][0].endswith(":/run/tls:ro")
    with proxied(api, tmp_path, proxy["environment"]) as ports:
        yield ports


@contextmanager
def proxied(api: Api, tmp_path: Path, environment: dict[str, str] | None = None) -> Generator[tuple[int, int]]:
    port, health, secure = free_ports(3)
    text = CONFIGURATION.read_text()
    for pattern, new in {
        r"bind :8000": f"bind 127.0.0.1:{port}",
        r"bind :8443": f"bind 127.0.0.1:{secure}",
        r"/run/tls/": f"{tmp_path}/tls/",
        r"stats socket .*": "",
        r"bind 127.0.0.1:8405": f"bind 127.0.0.1:{health}",
        r"server-template .*": f"server api 127.0.0.1:{api.port} check",
        r"timeout http-request 10s": "timeout http-request 1s",
    }.items():
        text, found = re.subn(pattern, new, text)
        assert found >= 1, pattern
    file = tmp_path / "haproxy.cfg"
    file.write_text(text)
    log = tmp_path / "haproxy.log"
    argv = [str(HAPROXY), "-f", str(file)]
    child = Child("haproxy", argv, env=os.environ | (environment or {}), log=log, ready=lambda: _ready(health))
    child.start()
    try:
        yield port, secure
    finally:
        child.stop()


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 200
    except httpx.TransportError:
        return False


def client_from(address: str, port: int) -> httpx.Client:
    return httpx.Client(
        base_url=f"http://127.0.0.1:{port}", transport=httpx.HTTPTransport(local_address=address), timeout=20
    )


def test_standing_uploads_of_one_source_keep_nobody_out(proxy: int, domain: Connection) -> None:
    with ExitStack() as stack:
        standing = [stack.enter_context(socket.create_connection(("127.0.0.1", proxy))) for _ in range(UPLOADS + 10)]
        for each in standing:
            each.sendall(STANDING)
        until(lambda: len(states(domain)) == UPLOADS, within=20, what="as many are received as may be")
        own = stack.enter_context(client_from("127.0.0.1", proxy))
        other = stack.enter_context(client_from("127.0.0.2", proxy))

        refused = own.post("/uploads", content=CSV, headers=CSV_TYPE)
        assert (refused.status_code, refused.json()["status"], refused.headers["Retry-After"]) == (429, 429, "60")
        assert own.get("/uploads").status_code == 200
        assert other.post("/uploads", content=CSV, headers=CSV_TYPE).status_code == 202


def test_half_a_head_ends(proxy: int) -> None:
    with socket.create_connection(("127.0.0.1", proxy), timeout=20) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        answer = b"".join(iter(lambda: client.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_the_api_believes_the_proxy_and_not_the_client(proxy: int, api: Api) -> None:
    forged = {"X-Forwarded-For": "192.0.2.9", "Forwarded": "for=192.0.2.9"}
    with client_from("127.0.0.3", proxy) as client:
        path = client.post("/uploads", content=CSV, headers=CSV_TYPE).headers["location"]
        with client.stream("GET", f"{path}/events", headers=forged) as answer:
            next(answer.iter_lines())
            assert list(api.services.hub.addresses) == ["127.0.0.3"]


def test_tls_ends_at_the_proxy_and_plain_http_leads_there(with_tls: tuple[int, int]) -> None:
    plain, secure = with_tls
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    with httpx.Client(verify=context, timeout=20) as client:
        url = f"https://localhost:{secure}"
        assert client.post(f"{url}/uploads", content=CSV * 100, headers=CSV_TYPE).status_code == 202
        answer = client.get(f"{url}/health/live", headers={"X-Forwarded-Proto": "http"})
        assert answer.headers.get_list("strict-transport-security") == ["max-age=31536000"]
        sent = client.post(
            f"http://localhost:{plain}/uploads?a=b", content=CSV, headers=CSV_TYPE | {"Host": "localhost"}
        )
        assert (sent.status_code, sent.headers["location"]) == (308, "https://localhost/uploads?a=b")
        assert "strict-transport-security" not in sent.headers
    with Client(f"http://localhost:{plain}") as command:
        with pytest.raises(ApiAway, match="leads to https://localhost"):
            command.recent(1)
        with pytest.raises(ApiAway, match="leads to https://localhost"), command.download("/export/edges.csv", []):
            pytest.fail("the redirect passes for a file")
    with socket.create_connection(("127.0.0.1", secure), timeout=20) as wire:
        context.set_ciphers("AES128-GCM-SHA256")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(wire, server_hostname="localhost")
