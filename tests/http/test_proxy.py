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

PHASES = ("connect", "queue", "http-request", "http-keep-alive", "client", "client-fin", "server", "server-fin")

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
def proxied(
    api: Api, tmp_path: Path, environment: dict[str, str] | None = None, bounds: dict[str, str] | None = None
) -> Generator[tuple[int, int]]:
    """The proxy's ports for plain HTTP and for TLS. `bounds` are smaller than those of the configuration."""
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
        **(bounds or {}),
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


def test_every_phase_of_a_connection_has_its_time() -> None:
    """HAProxy has no time-outs by itself."""
    seconds = dict(re.findall(r"^  timeout ([\w-]+) (\d+)s$", CONFIGURATION.read_text(), re.MULTILINE))

    assert {phase: 0 < int(seconds.get(phase, 0)) <= 90 for phase in PHASES} == dict.fromkeys(PHASES, True)


def test_a_network_of_ipv6_is_one_source_and_half_of_the_connections_are_left_to_others() -> None:
    text = CONFIGURATION.read_text()
    (most,) = re.findall(r"^  maxconn (\d+)$", text, re.MULTILINE)

    assert re.findall(r"track-sc\d (\S+) table", text) == ["src,ipmask(32,64)"] * 2
    assert re.findall(r"sc_conn_cur\(0\) gt (\d+)", text) == [str(int(most) // 2)]


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


def test_one_source_leaves_connections_for_others(api: Api, tmp_path: Path) -> None:
    bounds = {r"reject if { sc_conn_cur\(0\) gt 1500 }": "reject if { sc_conn_cur(0) gt 5 }"}
    with proxied(api, tmp_path, bounds=bounds) as (port, _), ExitStack() as stack:
        for _ in range(5):
            standing = socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0))
            stack.enter_context(standing).sendall(STANDING)
        with client_from("127.0.0.2", port) as own, pytest.raises(httpx.TransportError):
            own.get("/health/live")
        with client_from("127.0.0.3", port) as other:
            assert other.get("/health/live").status_code == 200


def test_connections_beyond_the_bound_wait_for_others_to_end(api: Api, domain: Connection, tmp_path: Path) -> None:
    with proxied(api, tmp_path, bounds={r"maxconn 3000": "maxconn 12"}) as (port, _), ExitStack() as stack:
        standing = list[socket.socket]()
        for number in range(20):
            source = (f"127.0.0.{2 + number % 5}", 0)
            standing.append(stack.enter_context(socket.create_connection(("127.0.0.1", port), source_address=source)))
            standing[-1].sendall(STANDING)
        until(lambda: len(states(domain)) == 12, within=20, what="as many are received as may be")
        standing[0].close()
        until(lambda: len(states(domain)) == 13, within=20, what="the next one is received")
        until(lambda: states(domain).count("receiving") <= 12, within=20, what="the first one is noticed as ended")


@pytest.mark.parametrize(("head", "status"), [(30 << 10, 200), (34 << 10, 400)])
def test_a_head_is_as_large_as_at_the_api_and_no_larger(proxy: int, head: int, status: int) -> None:
    large = {"X": "x" * head}
    with client_from("127.0.0.1", proxy) as client:
        assert client.get("/health/live", headers=large).status_code == status
        assert client.get("/health/live", headers={f"x-{n}": "x" for n in range(130)}).status_code == 400


def test_a_connection_without_a_request_ends(proxy: int) -> None:
    with socket.create_connection(("127.0.0.1", proxy), timeout=20) as silent:
        assert silent.recv(1) == b""


def test_a_connection_that_stays_open_ends_after_its_time(api: Api, tmp_path: Path) -> None:
    bounds = {
        r"timeout http-request 1s": "timeout http-request 1h",
        r"timeout http-keep-alive 10s": "timeout http-keep-alive 1s",
    }
    with (
        proxied(api, tmp_path, bounds=bounds) as (port, _),
        socket.create_connection(("127.0.0.1", port), timeout=20) as client,
    ):
        client.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")


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
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", secure), timeout=20) as wire,
        context.wrap_socket(wire, server_hostname="localhost") as spoken,
    ):
        assert spoken.selected_alpn_protocol() == "http/1.1"
    with socket.create_connection(("127.0.0.1", secure), timeout=20) as wire:
        context.set_ciphers("AES128-GCM-SHA256")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(wire, server_hostname="localhost")
