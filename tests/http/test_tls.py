"""The API behind TLS: what a client may speak, how long a handshake may take, and what a renewed certificate does."""

from __future__ import annotations

import os
import pwd
import socket
import ssl
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import httpx
import msgspec
import pytest
import trustme
from trustme import KeyType

from app.errors import BadSetting, KeyNotPrivate
from app.http import tls
from app.http.connections import HEADERS
from app.http.tls import SecureDoor
from app.settings import Settings
from ops import admin_key, checkup, processes
from ops.cli import trust
from ops.cli.client import ApiAway, Client
from ops.demo import show
from ops.embedded.children import Child, free_ports
from tests.conftest import until
from tests.http.conftest import Api, Serve
from tests.http.test_connections import GET, POST, SHORT, read
from tests.http.test_receiving import CSV, CSV_TYPE

AUTHORITY = trustme.CA()
NOW = datetime.now(UTC)
NAME = "graph.example.org"


class Files:
    """A certificate and its key, in files."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self.certificate, self.key = directory / "graph.pem", directory / "graph.key"
        self.issue(NAME, "127.0.0.1")

    def issue(self, *names: str, until: datetime | None = None) -> None:
        issued = AUTHORITY.issue_cert(*names, not_after=until)
        with self.certificate.open("wb") as file:
            file.writelines(each.bytes() for each in issued.cert_chain_pems)
        issued.private_key_pem.write_to_path(self.key)

    def settings(self, settings: Settings, **changed: object) -> Settings:
        named = {"tls_certificate": str(self.certificate), "tls_key": str(self.key)}
        return msgspec.structs.replace(settings, **named | changed)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def api(serve: Serve, files: Files, settings: Settings) -> Api:
    return serve(files.settings(settings, allowed_hosts=NAME))


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


def client(api: Api) -> httpx.Client:
    return httpx.Client(base_url=f"https://127.0.0.1:{api.port}", verify=trusting(), timeout=20)


def secured(api: Api, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
    return (context or trusting()).wrap_socket(api.connect(), server_hostname=NAME)


def test_an_upload_over_tls(api: Api) -> None:
    with client(api) as http:
        assert http.post("/uploads", content=CSV * 200, headers=CSV_TYPE).status_code == 202
        answer = http.get("/health/live", headers={"Host": NAME})
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert "strict-transport-security" not in http.get("/health/live", headers={"Host": "localhost"}).headers
    with secured(api) as wire:
        assert wire.selected_alpn_protocol() is None
        assert wire.version() == "TLSv1.3"


@pytest.mark.parametrize(
    ("version", "ciphers", "spoken"),
    [
        (ssl.TLSVersion.TLSv1_2, "ECDHE+AESGCM", True),
        (ssl.TLSVersion.TLSv1_2, "AES128-GCM-SHA256", False),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA256", False),
        (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0", False),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_old_protocols_and_ciphers_are_refused(api: Api, version: ssl.TLSVersion, ciphers: str, spoken: bool) -> None:
    context = trusting()
    context.set_ciphers(ciphers)
    context.minimum_version = context.maximum_version = version
    if spoken:
        secured(api, context).close()
    else:
        with pytest.raises((ssl.SSLError, ConnectionResetError)), secured(api, context):
            pass


def test_plain_http_is_told_to_use_https(api: Api) -> None:
    with api.connect() as wire:
        wire.sendall(GET + b"\r\n")
        answer = read(wire)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"This port speaks HTTPS only" in answer
    assert b"strict-transport-security" not in answer.lower()
    assert answer.count(b"HTTP/1.1 ") == 1
    with client(api) as http:
        assert http.get("/health/live").status_code == 200


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", b"\x16\x03\x01\x40\x00" + b"x" * 100], ids=["0", "3", "105"])
def test_a_handshake_that_stalls_ends(serve: Serve, files: Files, settings: Settings, sent: bytes) -> None:
    api = serve(files.settings(settings, head_timeout=SHORT))
    with api.connect() as wire:
        wire.sendall(sent)
        until(lambda: len(api.door.connections) == 1, within=5, what="a handshake is counted")
        read(wire)
    until(lambda: not api.door.connections, within=5, what="a handshake that ended is counted no more")


def test_half_a_head_over_tls_is_answered_and_ends(serve: Serve, files: Files, settings: Settings) -> None:
    api = serve(files.settings(settings, head_timeout=1, allowed_hosts=NAME))
    with secured(api) as wire:
        wire.sendall(GET)
        answer = _read(wire)
    assert answer.startswith(b"HTTP/1.1 408 ")
    until(lambda: not api.door.connections, within=10, what="the connection is counted no more")


@pytest.mark.parametrize(
    ("host", "sent"),
    [(NAME.encode(), True), (b"localhost:8000", False), (None, False)],
    ids=["name", "here", "no"],
)
def test_what_the_door_refuses_tells_browsers_the_same(api: Api, host: bytes | None, sent: bool) -> None:
    line = b"" if host is None else b"Host: " + host + b"\r\n"
    with secured(api) as wire:
        wire.sendall(b"GET / HTTP/1.1\r\n" + line + b"x: 1\r\n" * (HEADERS + 1) + b"\r\n")
        answer = _read(wire).lower()
    assert answer.startswith(b"http/1.1 431 ")
    assert (b"strict-transport-security: max-age=31536000\r\n" in answer) is sent
    assert b"x-content-type-options: nosniff\r\n" in answer


def _read(wire: ssl.SSLSocket) -> bytes:
    received = b""
    try:
        while piece := wire.recv(1 << 16):
            received += piece
    except OSError:
        pass
    return received


def test_stalled_handshakes_keep_nobody_out(serve: Serve, files: Files, settings: Settings) -> None:
    api = serve(files.settings(settings, max_connections=8, head_timeout=60))
    stalled = [api.connect() for _ in range(6)]
    try:
        until(lambda: len(api.door.connections) == 6, within=5, what="handshakes are counted")
        more = [_from("127.0.0.2", api) for _ in range(4)]
        stalled += more
        until(lambda: len(api.door.connections) <= 8, within=5, what="no more than the server may hold")
        transport = httpx.HTTPTransport(verify=trusting(), local_address="127.0.0.3")
        with httpx.Client(transport=transport) as http:
            assert http.get(f"https://127.0.0.1:{api.port}/health/live").status_code == 200
    finally:
        for each in stalled:
            each.close()


def _from(address: str, api: Api) -> socket.socket:
    return socket.create_connection(("127.0.0.1", api.port), timeout=20, source_address=(address, 0))


def test_a_renewed_certificate_is_served_without_a_restart(api: Api, files: Files) -> None:
    door = cast("SecureDoor", api.door)
    door.certificates.look_seconds = 0
    with secured(api) as kept:
        before = _serial(api)
        files.key.write_text("half of a renewal")
        assert _serial(api) == before, "what can't be used changes nothing"
        files.issue(NAME, "127.0.0.1")
        assert _serial(api) != before
        kept.sendall(GET + b"\r\n")
        assert kept.recv(1 << 16).startswith(b"HTTP/1.1 200 ")


def _serial(api: Api) -> str:
    with secured(api) as wire:
        found = wire.getpeercert()
    assert found
    return str(found["serialNumber"])


def test_what_cannot_be_used_is_refused_with_what_and_where(files: Files, tmp_path: Path) -> None:
    def refused(match: str, now: datetime = NOW, **changed: object) -> None:
        with pytest.raises(BadSetting, match=match) as raised:
            tls.read(files.settings(Settings(), **changed), now)
        assert "PRIVATE" not in str(raised.value)

    assert NAME in tls.read(files.settings(Settings()), NOW).names
    refused(r"TLS_KEY is set, and MENTIONGRAPH_TLS_CERTIFICATE is not", tls_certificate="")
    refused(r"TLS_CERTIFICATE='/nowhere': .*No such file", tls_certificate="/nowhere")
    refused(r"TLS_KEY must be the path of a file, and is the content", tls_key=files.key.read_text())
    refused(r"TLS_CERTIFICATE=.*holds no certificate", tls_certificate=str(files.key))
    refused(r"TLS_KEY=.*OpenSSL can't use the key", tls_key="")
    refused(r"valid only from \d{4}-.*clock", now=NOW - timedelta(days=20_000))
    files.issue(NAME, until=NOW - timedelta(days=1))
    refused(rf"expired at {NOW - timedelta(days=1):%Y-%m-%d}")
    other = tmp_path / "other.key"
    AUTHORITY.issue_cert(NAME).private_key_pem.write_to_path(other)
    files.issue(NAME)
    refused(r"TLS_KEY=.*does not belong to the certificate", tls_key=str(other))
    # A key of another kind belongs to another certificate, too.
    kinds = (KeyType.RSA, KeyType.ECDSA)
    for mine, theirs in (kinds, kinds[::-1]):
        certificate = AUTHORITY.issue_cert(NAME, key_type=mine)
        certificate.cert_chain_pems[0].write_to_path(files.certificate)
        AUTHORITY.issue_cert(NAME, key_type=theirs).private_key_pem.write_to_path(other)
        refused(r"TLS_KEY=.*does not belong to the certificate", tls_key=str(other))


def test_a_key_with_a_password(files: Files) -> None:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    files.key.write_bytes(key.private_bytes(pem, pkcs8, serialization.BestAvailableEncryption(b"open sesame")))
    assert tls.read(files.settings(Settings(), tls_key_password="open sesame"), NOW).names
    for wrong in ("", "wrong"):
        with pytest.raises(BadSetting, match="TLS_KEY_PASSWORD_FILE"):
            tls.read(files.settings(Settings(), tls_key_password=wrong), NOW)


def test_a_file_that_cannot_be_read_is_refused_with_the_name_of_the_account(files: Files) -> None:
    files.key.unlink()
    files.key.symlink_to(files.key)  # which root can't read, either
    me = pwd.getpwuid(os.geteuid()).pw_name
    with pytest.raises(BadSetting, match=rf"TLS_KEY=.*symbolic links.*whether the account {me}, as which"):
        tls.read(files.settings(Settings()), NOW)


def test_a_proxy_that_speaks_tls_for_the_api_is_believed(serve: Serve, settings: Settings) -> None:
    forwarded = {"X-Forwarded-Proto": "https", "Host": "127.0.0.1"}
    for trusted, sent in (("127.0.0.1", True), ("", False)):
        api = serve(msgspec.structs.replace(settings, trusted_proxies=trusted))
        answer = api.http.get("/health/live", headers=forwarded)
        assert ("strict-transport-security" in answer.headers) is sent


def test_commands_believe_the_right_certificate_only(
    api: Api, files: Files, settings: Settings, tmp_path: Path
) -> None:
    authority = tmp_path / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(authority)
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(stranger)
    mine = files.settings(settings, port=api.port, host="127.0.0.1", ca_file=str(authority))

    def live(url: str, settings: Settings, *, own: bool = False) -> None:
        with Client(url, verify=trust.verified_by(url, settings, own=own)) as client:
            client.recent(1)

    url = processes.url_of_api(mine)
    assert url == f"https://127.0.0.1:{api.port}"
    live(url, mine)
    for changed in ({"ca_file": ""}, {"ca_file": str(stranger)}):
        with pytest.raises(ApiAway, match=r"certificate that is not believed.*MENTIONGRAPH_CA_FILE"):
            live(url, msgspec.structs.replace(mine, **changed))
    with pytest.raises(ApiAway, match=r"not believed.*localhost"):
        live(f"https://localhost:{api.port}", mine)
    with pytest.raises(BadSetting, match=r"MENTIONGRAPH_CA_FILE='/nowhere'.*No such file"):
        live(url, msgspec.structs.replace(mine, ca_file="/nowhere"))
    # The settings name the API's own certificate, whose names need not have 127.0.0.1.
    live(f"https://localhost:{api.port}", msgspec.structs.replace(mine, ca_file=""), own=True)
    other = Files(tmp_path / "other")
    with pytest.raises(ApiAway, match="not believed"):
        live(url, other.settings(mine, ca_file=""), own=True)
    assert checkup.api_answers(mine)[0] == 200


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("https://graph.example.org", True),
        ("http://localhost:8000", True),
        ("http://127.0.0.2", True),
        ("http://[::1]:8000", True),
        ("http://[::ffff:127.0.0.1]", True),
        ("http://graph.example.org", False),
        ("http://localhost.example.org", False),
        ("http://127.0.0.1.example.org", False),
        ("http://localhost@192.0.2.1", False),
        ("http://10.0.0.1:8000", False),
        ("http://[fe80::1]", False),
    ],
)
def test_a_key_goes_over_plain_http_to_this_machine_only(url: str, private: bool) -> None:
    if private:
        trust.require_private(url, Settings())
    else:
        with pytest.raises(KeyNotPrivate, match="KEY_OVER_HTTP=true"):
            trust.require_private(url, Settings())
    trust.require_private(url, Settings(key_over_http=True))


@pytest.mark.parametrize(
    "sent", [b"GET /doc/static/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5, POST]
)
def test_slow_clients_over_tls_are_hung_up_on(serve: Serve, files: Files, settings: Settings, sent: bytes) -> None:
    """One reads nothing of its answers, one sends half a body."""
    slow = {"receive_timeout": SHORT, "least_rate": 5_000}
    api = serve(files.settings(settings, **slow))
    with closing(socket.socket()) as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.settimeout(20)
        wire.connect(("127.0.0.1", api.port))
        with trusting().wrap_socket(wire, server_hostname=NAME) as client:
            client.sendall(sent + (b"Content-Length: 1000000\r\n\r\ndata" if sent == POST else b""))
            assert client.recv(100)
            until(lambda: not api.door.connections, within=15, what="the connection is gone")


def test_other_processes_get_whole_paths_of_a_usable_certificate(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files.certificate.parent)
    given = Settings(tls_certificate="graph.pem", tls_key="graph.key")
    found = processes.with_certificate(given)
    assert (found.tls_certificate, found.tls_key) == (str(files.certificate), str(files.key))
    files.key.unlink()
    with pytest.raises(BadSetting, match="TLS_KEY"):
        processes.with_certificate(given)


def test_a_process_tells_its_address_as_https(files: Files, settings: Settings, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    command = processes.api(files.settings(settings, port=port))
    log = tmp_path / "log"
    child = Child("api", command.argv, env=command.env, cwd=tmp_path, log=log, grace=30)
    child.start()
    try:
        until(lambda: "Uvicorn running on" in log.read_text(), within=60, what="the API runs")
        assert f"Uvicorn running on https://127.0.0.1:{port} " in log.read_text()
    finally:
        child.stop()


@pytest.mark.usefixtures("conn")
@pytest.mark.parametrize("ca_file", ["", "authority.pem"], ids=["the certificate itself", "its authority"])
def test_what_the_demo_says_to_try_is_answered(
    serve: Serve, files: Files, settings: Settings, tmp_path: Path, ca_file: str
) -> None:
    AUTHORITY.cert_pem.write_to_path(tmp_path / "authority.pem")
    closed = files.settings(settings, keys="required", ca_file=ca_file and str(tmp_path / ca_file))
    admin_key.ensure(tmp_path, settings.database_url, now=NOW)
    api = serve(closed)
    for given, status in ((closed, b"200"), (msgspec.structs.replace(closed, keys="off"), b"401")):
        curl = show.curl(given, str(tmp_path / "admin.key"))
        command = f"{curl} --silent --write-out '%{{http_code}}' --output body https://127.0.0.1:{api.port}/users"
        done = subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, check=True, capture_output=True)
        assert done.stdout == status
