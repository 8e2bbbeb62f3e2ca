"""compose.yaml and what it mounts, as far as it can be checked without an engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
import tomllib
from collections.abc import Generator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
import yaml

from app import settings as app_settings
from app.http.server import options
from ops import processes
from ops.cli.run import QUEUES
from ops.embedded import children
from ops.embedded.postgres import CONFIGURATION, SETTINGS, Postgres, settings_of
from tests.conftest import until

ROOT = Path(__file__).parents[2]
MOUNTED = ROOT / "ops" / "compose"
MONITORING = ROOT / "ops" / "monitoring"
ONE_SHOT = "migrate"
GIT = shutil.which("git") or ""
DOCKER = shutil.which("docker") or ""
HAPROXY = shutil.which("haproxy", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")


def interpolated(text: str, given: Mapping[str, str]) -> str:
    """As compose does it: ${NAME:-default} and ${NAME:?error}; there is no other form in the file."""

    def value(match: re.Match[str]) -> str:
        name, kind, word = match.groups()
        assert given.get(name) or kind == "-", f"{name} has no default"
        return given.get(name) or word

    return re.sub(r"\$\{(\w+):([-?])([^}]*)\}", value, text)


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return yaml.safe_load(interpolated((ROOT / "compose.yaml").read_text(), {"SECRETS_GID": "10001"}))


@pytest.fixture(scope="module")
def services(project: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return project["services"]


def ours(services: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: service for name, service in services.items() if service["image"].startswith("mentiongraph")}


SHARED_WITH_THE_HOST = {
    "network_mode",
    "pid",
    "ipc",
    "uts",
    "userns_mode",
    "cgroup",
    "cgroup_parent",
    "devices",
    "sysctls",
}
"""What would open to a container the namespaces or devices of its host."""


def test_every_service_is_confined(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "cap_add" not in service, name
        assert "privileged" not in service, name
        assert min(map(int, service["user"].split(":"))) > 0, f"{name}: user and group"
        assert "0" not in map(str, service["group_add"]), name
        assert not SHARED_WITH_THE_HOST & service.keys(), name
        for source, *_, how in (volume.split(":") for volume in service.get("volumes", [])):
            assert "/" not in source or (source.startswith("./ops/") and how == "ro"), f"{name}: {source}"
        assert re.fullmatch(r"\d+[mg]", service["mem_limit"]), name
        assert service["pids_limit"] <= 1024, name
        assert service["logging"]["options"]["max-size"], name
        assert re.search(r":[\w.-]+$", service["image"]), f"{name}: which version?"


def test_every_service_is_watched_and_started_again(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        if name == ONE_SHOT:
            assert service["restart"] == "no"
            continue
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["healthcheck"].keys() >= {"interval", "timeout", "retries", "start_period"}, name
    for name, service in ours(services).items():
        assert name == ONE_SHOT or service["depends_on"][ONE_SHOT] == {"condition": "service_completed_successfully"}


def test_two_of_each_process_and_every_queue_has_workers(services: dict[str, dict[str, Any]]) -> None:
    queues = [service["command"][2] for name, service in services.items() if name.startswith("worker")]
    assert sorted(queues) == sorted(QUEUES)
    for name, service in ours(services).items():
        assert name == ONE_SHOT or int(service["deploy"]["replicas"]) == 2, name
        assert "container_name" not in service, name
        assert "hostname" not in service, f"{name}: two containers, one name"


def test_only_the_proxy_and_grafana_are_reached_from_outside(
    project: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    assert {name: service["ports"] for name, service in services.items() if "ports" in service} == {
        "proxy": ["127.0.0.1:8000:8000"],
        "grafana": ["127.0.0.1:3000:3000"],
    }
    networks = {name: set(service["networks"]) for name, service in services.items()}
    assert networks.pop("proxy") == {"outside", "front"}
    assert networks.pop("api") == {"front", "back"}
    assert networks.pop("prometheus") == {"watch", "front", "back"}
    assert networks.pop("grafana") == networks.pop("alertmanager") == {"watch", "outside"}, "no way to the servers"
    assert all(those == {"back"} for those in networks.values())
    assert {name for name, network in project["networks"].items() if not network.get("internal")} == {"outside"}


def test_one_service_builds_the_image_and_no_registry_is_asked_for_it(services: dict[str, dict[str, Any]]) -> None:
    assert [name for name, service in services.items() if "build" in service] == [ONE_SHOT]
    assert {service["image"] for service in ours(services).values()} == {"mentiongraph:local"}
    assert {service["pull_policy"] for service in ours(services).values()} == {"never"}


def test_the_image_is_made_of_all_that_the_wheel_needs() -> None:
    """.dockerignore names what goes into the image, so a new module beside the packages has to be named there, too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines.index("*") < min(lines.index(line) for line in lines if line.startswith("!"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = {f"!{name}" for name in [*packages, "pyproject.toml", project["project"]["readme"]]}
    others = {"!LICENSE", "!NOTICE", "!requirements-traces.lock", "!requirements-build.lock"}
    assert {line for line in lines if line.startswith("!")} == needed | others, "nothing else, so no secrets"
    assert {"ops/compose", "**/*.dump"} <= set(lines)


@pytest.mark.skipif(not GIT, reason="needs git")
@pytest.mark.parametrize(
    "file", ["mentions.dump", "mentions.dump.part", ".env", "secrets/redis_password", "tls/graph.pem"]
)
def test_what_is_secret_stays_out_of_git(tmp_path: Path, file: str) -> None:
    subprocess.run([GIT, "init", "--quiet", tmp_path], check=True)
    shutil.copy(ROOT / ".gitignore", tmp_path)
    ignored = subprocess.run([GIT, "check-ignore", "--quiet", file], cwd=tmp_path, check=False)
    assert ignored.returncode == 0


def test_the_api_believes_the_proxy_alone(project: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    address = services["proxy"]["networks"]["front"]["ipv4_address"]
    assert services["api"]["environment"]["MENTIONGRAPH_TRUSTED_PROXIES"] == address
    (pool,) = project["networks"]["front"]["ipam"]["config"]
    assert ip_address(address) in ip_network(pool["subnet"])
    assert ip_address(address) not in ip_network(pool["ip_range"]), "another container may take it"


def test_without_a_trusted_proxy_the_api_believes_nobody() -> None:
    """Uvicorn by itself believes every process of this machine."""
    settings = app_settings.Settings()
    assert not options(settings)["proxy_headers"]
    told = options(msgspec.structs.replace(settings, trusted_proxies="10.0.0.1"))
    assert (told["proxy_headers"], told["forwarded_allow_ips"]) == (True, ["10.0.0.1/32"])


def test_passwords_are_files_and_have_no_default(project: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    declared: dict[str, dict[str, str]] = project["secrets"]
    assert all(list(secret) == ["file"] for secret in declared.values())
    assert set(declared) == {name for service in services.values() for name in service.get("secrets", [])}
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            assert "PASSWORD" not in variable or variable.endswith("_FILE"), f"{name}: {variable}"
            assert not re.search(r"://[^/@]*:[^/@]*@", value), f"{name}: a password in {variable}"
            if variable.endswith("_FILE"):
                assert Path(value).name in service["secrets"], f"{name}: {variable}"
    assert not [line for line in (ROOT / ".env.example").read_text().splitlines() if re.match(r"\w*PASSWORD", line)]


def test_every_variable_of_the_file_is_explained() -> None:
    compose = (ROOT / "compose.yaml").read_text() + (MOUNTED / "tls.yaml").read_text()
    used = set(re.findall(r"\$\{(\w+)", compose))
    used |= set(re.findall(r"\$\(setting (\w+)\)", (MOUNTED / "upgrade").read_text()))
    example = dict(
        line.split("=", 1) for line in (ROOT / ".env.example").read_text().splitlines() if re.match(r"\w+=", line)
    )
    assert used == example.keys()
    defaults = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", compose))
    defaults |= {"DRAIN_SECONDS": "600"}
    assert {name: value for name, value in example.items() if value} == {
        name: value for name, value in defaults.items() if value
    }


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(MOUNTED, tmp_path / "ops" / "compose")
    shutil.copytree(CONFIGURATION, tmp_path / "ops" / "postgres")
    shutil.copytree(MONITORING, tmp_path / "ops" / "monitoring")
    shutil.copy(ROOT / ".env.example", tmp_path)
    return tmp_path


def make_secrets(checkout: Path) -> dict[str, str]:
    subprocess.run([checkout / "ops/compose/make-secrets"], check=True, capture_output=True, umask=0o022)
    return {file.name: file.read_text() for file in (checkout / "secrets").iterdir()}


def test_secrets_are_made_once_for_one_group(checkout: Path, project: dict[str, Any]) -> None:
    made = make_secrets(checkout)
    assert made.keys() == project["secrets"].keys()
    assert len(set(made.values())) == len(made)
    assert all(re.fullmatch(r"[A-Za-z0-9]{40}", secret) for secret in made.values())
    gid = re.search(r"^SECRETS_GID=(\d+)$", (checkout / ".env").read_text(), re.MULTILINE)
    assert gid
    assert int(gid[1]) > 0
    assert stat.S_IMODE((checkout / "secrets").stat().st_mode) == 0o700
    for file in (checkout / "secrets").iterdir():
        assert (stat.S_IMODE(file.stat().st_mode), file.stat().st_gid) == (0o440, int(gid[1]))

    # As a checkout made with a umask of 077 has them.
    mounted = [checkout / "ops" / "postgres" / "server.conf", checkout / "ops" / "compose" / "redis" / "health"]
    for file in mounted:
        file.chmod(0o600)
        file.parent.chmod(0o700)
    (checkout / "secrets" / "redis_password").unlink()
    again = make_secrets(checkout)
    assert {name for name in made if made[name] != again[name]} == {"redis_password"}
    for file in mounted:
        assert stat.S_IMODE(file.stat().st_mode) & 0o044 == 0o044, "its container runs as another user"
        assert stat.S_IMODE(file.parent.stat().st_mode) & 0o055 == 0o055


def test_our_processes_understand_their_environment(services: dict[str, dict[str, Any]], checkout: Path) -> None:
    secrets = make_secrets(checkout)
    for service in ours(services).values():
        environment: dict[str, str] = {
            name: value.replace("/run/secrets", str(checkout / "secrets"))
            for name, value in service["environment"].items()
        }
        fields = {name.removesuffix(app_settings.FILE_SUFFIX) for name in environment}
        assert fields <= {row.variable for row in app_settings.describe()}
        settings = app_settings.load(environment)
        assert f":{secrets['database_password']}@" in settings.database_url
        assert secrets["redis_password"] in settings.redis_url
        assert secrets["sentinel_password"] in settings.redis_url


def test_a_process_gets_its_passwords_once(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its command is executed with the settings as variables: the files must not be named there again."""
    make_secrets(checkout)
    monkeypatch.setenv("MENTIONGRAPH_DATABASE_PASSWORD_FILE", str(checkout / "secrets" / "database_password"))
    monkeypatch.setenv("MENTIONGRAPH_DATABASE_URL", "postgresql://mentiongraph@postgres:5432/mentiongraph")
    settings = app_settings.load()
    assert app_settings.load(processes.api(settings).env) == settings


def test_redis_and_sentinel_have_the_addresses_that_others_are_told(
    project: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    addresses = {
        name: service["networks"]["back"]["ipv4_address"]
        for name, service in services.items()
        if service["image"].startswith("valkey")
    }
    (pool,) = project["networks"]["back"]["ipam"]["config"]
    for address in addresses.values():
        assert ip_address(address) in ip_network(pool["subnet"])
        assert ip_address(address) not in ip_network(pool["ip_range"]), "another container may take it"
    servers = [address for name, address in addresses.items() if name.startswith("redis")]
    sentinels = [address for name, address in addresses.items() if name.startswith("sentinel")]
    assert (len(set(servers)), len(set(sentinels))) == (4, 3)
    for name, address in addresses.items():
        environment = services[name]["environment"]
        assert environment["ADDRESS"] == address
        assert environment["PEERS"].split() == servers
        assert environment["SENTINELS"].split() == sentinels
        assert environment["FIRST_MASTER"] in servers
    for service in ours(services).values():
        assert re.findall(r"([\d.]+):26379", service["environment"]["MENTIONGRAPH_REDIS_URL"]) == sentinels
    assert {volume for name in addresses for volume in services[name]["volumes"] if volume.endswith(":/data")} == {
        f"sentinel-{number}:/data" for number in (1, 2, 3)
    }


def test_users_of_redis_have_the_passwords_that_are_mounted(services: dict[str, dict[str, Any]]) -> None:
    for file, service in (("server.acl", "redis-1"), ("sentinel.acl", "sentinel-1")):
        users = [line for line in (MOUNTED / "redis" / file).read_text().splitlines() if line.startswith("user ")]
        assert users[0] == "user default off"
        for user in users[1:]:
            password = re.search(r" on >@(\w+)@ resetchannels .*-@all ", user)
            assert password, f"{user}: a password, and no command but those named"
            assert password[1] in services[service]["secrets"]
            assert "nopass" not in user
            assert "~*" not in user


def test_postgres_has_the_settings_of_the_embedded_one(services: dict[str, dict[str, Any]]) -> None:
    options = dict(
        option.removeprefix("-c").split("=", 1) for option in services["postgres"]["command"] if option[:2] == "-c"
    )
    mounted = f"./{CONFIGURATION.relative_to(ROOT)}:{Path(options['config_file']).parent}:ro"
    assert mounted in services["postgres"]["volumes"]
    common = settings_of(CONFIGURATION / "common.conf")
    server = settings_of(CONFIGURATION / Path(options.pop("config_file")).name) | options
    differ = {"listen_addresses", "max_connections", "min_wal_size", "shared_buffers", "wal_compression"}
    assert common.items() <= server.items()
    assert common.items() <= SETTINGS.items()
    assert server.keys() - common.keys() == differ
    assert SETTINGS.keys() - common.keys() == (differ - {"min_wal_size"}) | {
        "superuser_reserved_connections",
        "unix_socket_directories",
    }


def test_postgres_reads_its_files_as_we_do(server_directory: Path) -> None:
    copied = shutil.copytree(CONFIGURATION, server_directory / "configuration")
    file = copied / "server.conf"
    file.write_text(file.read_text().replace("zstd", "pglz"))  # the embedded one is built without it
    postgres = Postgres(server_directory / "postgres", durable=False, config_file=str(file))
    postgres.start()
    try:
        with psycopg.connect(postgres.dsn()) as conn:
            found = conn.execute("SELECT lower(name), setting FROM pg_file_settings ORDER BY seqno").fetchall()
    finally:
        postgres.stop()
    assert dict(found) == settings_of(file)


def test_the_proxy_is_more_patient_than_the_api(services: dict[str, dict[str, Any]]) -> None:
    configuration = (MOUNTED / "haproxy" / "haproxy.cfg").read_text()
    patience = {side: int(re.findall(rf"timeout {side} (\d+)s", configuration)[0]) for side in ("client", "server")}
    assert min(patience.values()) > app_settings.Settings().receive_timeout
    ends = int(re.findall(r"hard-stop-after (\d+)s", configuration)[0])
    assert ends < int(services["proxy"]["stop_grace_period"].removesuffix("s"))
    assert "option http-buffer-request" not in configuration


@pytest.mark.skipif(HAPROXY is None, reason="needs haproxy")
@pytest.mark.parametrize("environment", [{}, {"METRICS_ADDRESS": "127.0.0.1"}], ids=["plain", "watched"])
def test_the_proxy_takes_its_configuration(environment: dict[str, str]) -> None:
    check = subprocess.run(
        [str(HAPROXY), "-c", "-f", MOUNTED / "haproxy" / "haproxy.cfg"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stderr
    assert "WARNING" not in check.stderr


class Backend(BaseHTTPRequestHandler):
    """An API process of which the test says whether it is ready. It answers with the headers that it got."""

    ready = True
    posts = 0

    def do_GET(self) -> None:
        self.send_response(503 if self.path == "/health/ready" and not Backend.ready else 200)
        self.end_headers()
        self.wfile.write(json.dumps(dict(self.headers)).encode())

    def do_POST(self) -> None:
        """Break off without an answer."""
        Backend.posts += 1
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def proxy(tmp_path: Path) -> Generator[str]:
    """HAProxy with our configuration, before one API process instead of those that Docker's name server knows."""
    Backend.ready = True
    with ThreadingHTTPServer(("127.0.0.1", 0), Backend) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        outside, health, admin = children.free_ports(3)
        text = (MOUNTED / "haproxy" / "haproxy.cfg").read_text()
        text = re.sub(r"server-template .*", f"server api-1 127.0.0.1:{server.server_port}", text)
        for there, here in ((":8000\n", f"127.0.0.1:{outside}\n"), (":8405", f":{health}"), (":8406", f":{admin}")):
            assert there in text
            text = text.replace(there, here)
        configuration = tmp_path / "haproxy.cfg"
        configuration.write_text(text)
        process = subprocess.Popen([str(HAPROXY), "-db", "-f", configuration], stdout=subprocess.DEVNULL)
        try:
            until(lambda: answers(f"http://127.0.0.1:{health}/ready"), within=20, what="the proxy is ready")
            yield f"http://127.0.0.1:{outside} http://127.0.0.1:{health}/ready"
        finally:
            process.terminate()
            process.wait()
            server.shutdown()


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.skipif(HAPROXY is None, reason="needs haproxy")
def test_the_proxy_replaces_what_a_client_says_about_itself(proxy: str) -> None:
    forged = (
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Prefix",
        "X-Real-IP",
        "Upgrade",
    )
    url, _ = proxy.split()
    answer = httpx.get(url, headers=dict.fromkeys(forged, "6.6.6.6") | {"Connection": "Upgrade"}).json()
    told = {name.lower(): value for name, value in answer.items() if name.lower() in map(str.lower, forged)}
    assert told == {"x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http"}


@pytest.mark.skipif(HAPROXY is None, reason="needs haproxy")
def test_the_proxy_sends_no_upload_twice(proxy: str) -> None:
    """The process that broke off may have worked on it."""
    Backend.posts = 0
    url, _ = proxy.split()
    assert httpx.post(url, content=b"data").status_code == 502
    assert Backend.posts == 1


@pytest.mark.skipif(HAPROXY is None, reason="needs haproxy")
def test_while_no_api_process_is_ready_those_alive_answer(proxy: str) -> None:
    """PostgreSQL is away: uploads wait for it in the API, and the proxy must not refuse them."""
    url, ready = proxy.split()
    Backend.ready = False
    until(lambda: httpx.get(ready).status_code == 503, within=20, what="the proxy knows that no process is ready")
    assert httpx.get(url).status_code == 200


@pytest.mark.skipif(not DOCKER, reason="needs docker compose")
def test_compose_takes_the_file(checkout: Path) -> None:
    version = subprocess.run([DOCKER, "compose", "version"], capture_output=True, check=False)
    if version.returncode != 0:
        pytest.skip("needs docker compose")
    make_secrets(checkout)
    shutil.copy(ROOT / "compose.yaml", checkout)
    check = subprocess.run(
        [DOCKER, "compose", "config", "--quiet"], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert (check.returncode, check.stderr) == (0, "")


class Server:
    """`start-server` of the server at 10.0.0.1, among programs that answer as `answers` says: by address and port what
    valkey-cli prints. Who is not named does not answer."""

    def __init__(self, checkout: Path) -> None:
        self._directory = checkout
        self._programs = checkout / "programs"
        self._programs.mkdir()
        make_secrets(checkout)
        # -h ADDRESS -p PORT …
        self._program("valkey-cli", 'exec cat "$ANSWERS/$2:$4"')
        self._program("valkey-server", 'exec cat "$1"')

    def _program(self, name: str, line: str) -> None:
        file = self._programs / name
        file.write_text(f"#!/bin/sh\n{line}\n")
        file.chmod(0o755)

    def configuration(self, answers: Mapping[str, str], script: str = "start-server") -> list[str]:
        """Lines that it starts with."""
        directory = self._directory / "answers"
        directory.mkdir(exist_ok=True)
        for address, text in answers.items():
            (directory / address).write_text(text)
        environment = {
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "ANSWERS": str(directory),
            "DATA": str(self._directory),
            "SECRETS": str(self._directory / "secrets"),
            "PATIENCE": "0",
            "ADDRESS": "10.0.0.1",
            "FIRST_MASTER": "10.0.0.1",
            "PEERS": "10.0.0.1 10.0.0.2 10.0.0.3",
            "SENTINELS": "10.0.0.7 10.0.0.8 10.0.0.9",
        }
        started = subprocess.run(
            ["/bin/sh", self._directory / "ops/compose/redis" / script],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return started.stdout.splitlines()


@pytest.fixture
def server(checkout: Path) -> Server:
    return Server(checkout)


def told(master: str, epoch: int) -> str:
    """What a Sentinel says of the master, an element a line."""
    return f"name\nmain\nip\n{master}\nport\n6379\nflags\nmaster\nconfig-epoch\n{epoch}\n"


def test_a_server_follows_the_latest_fail_over(server: Server) -> None:
    lines = server.configuration(
        {
            "10.0.0.7:26379": told("10.0.0.1", 9),
            "10.0.0.8:26379": told("10.0.0.3", 11),
            "10.0.0.9:26379": told("10.0.0.2", 10),
        }
    )
    assert "replicaof 10.0.0.3 6379" in lines


def test_a_server_is_master_if_the_sentinels_say_so(server: Server) -> None:
    lines = server.configuration({"10.0.0.7:26379": told("10.0.0.1", 2), "10.0.0.2:6379": "master\n0\n"})
    assert not [line for line in lines if line.startswith("replicaof")]


def test_without_sentinels_a_server_follows_one_that_is_master(server: Server) -> None:
    lines = server.configuration({"10.0.0.2:6379": "slave\n10.0.0.3\n6379\n", "10.0.0.3:6379": "master\n0\n"})
    assert "replicaof 10.0.0.3 6379" in lines


def test_only_if_nobody_knows_the_configured_one_is_master(server: Server) -> None:
    lines = server.configuration({"10.0.0.2:6379": "slave\n10.0.0.1\n6379\n"})
    assert not [line for line in lines if line.startswith("replicaof")]


def test_a_server_keeps_no_password_but_its_own(server: Server, checkout: Path) -> None:
    server.configuration({})
    users = (checkout / "users.acl").read_text()
    secrets = [file.read_text() for file in (checkout / "secrets").iterdir()]
    assert "@redis" not in users
    assert not [secret for secret in secrets if secret in users]
    assert len(re.findall(r" on #[0-9a-f]{64} ", users)) == 4
    assert stat.S_IMODE((checkout / "server.conf").stat().st_mode) == 0o600


def test_a_sentinel_keeps_what_it_knows_while_the_master_is_one_of_the_servers(server: Server, checkout: Path) -> None:
    assert "sentinel monitor main 10.0.0.1 6379 2" in server.configuration({}, "start-sentinel")
    state = checkout / "sentinel.conf"
    state.write_text(state.read_text().replace("main 10.0.0.1 6379", "main 10.0.0.3 6379") + "sentinel myid 7\n")
    again = server.configuration({}, "start-sentinel")
    assert {"sentinel monitor main 10.0.0.3 6379 2", "sentinel myid 7"} <= set(again)


def test_a_sentinel_forgets_a_master_of_another_network(server: Server, checkout: Path) -> None:
    """After a change of BACK_NET, the addresses that it knows are nobody's."""
    (checkout / "sentinel.conf").write_text(
        "sentinel monitor main 10.9.9.1 6379 2\nsentinel known-replica main 10.9.9.2 6379\n"
    )
    lines = server.configuration({}, "start-sentinel")
    assert "sentinel monitor main 10.0.0.1 6379 2" in lines
    assert not [line for line in lines if "10.9.9." in line and line.startswith("sentinel")]


class FirstStart:
    """PostgreSQL's start-server, with an entry point that does what `does` says in place of the image's."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "18" / "docker"
        self._programs = directory / "programs"
        self._programs.mkdir()

    def run(self, does: str) -> subprocess.CompletedProcess[str]:
        entry = self._programs / "docker-entrypoint.sh"
        entry.write_text(f"#!/bin/sh -e\n{does}\n")
        entry.chmod(0o755)
        return subprocess.run(
            ["/bin/sh", MOUNTED / "postgres" / "start-server", "postgres"],
            env={"PATH": f"{self._programs}:{os.environ['PATH']}", "PGDATA": str(self.data)},
            capture_output=True,
            text=True,
            check=False,
        )


INITDB = 'mkdir -p "$PGDATA"; echo 18 > "$PGDATA/PG_VERSION"'
COMPLETE = f". {MOUNTED / 'postgres' / 'initdb' / '90-complete.sh'}"


@pytest.fixture
def first_start(tmp_path: Path) -> FirstStart:
    return FirstStart(tmp_path)


def test_a_first_start_of_postgres_that_was_killed_is_made_anew(first_start: FirstStart) -> None:
    first_start.run(f'{INITDB}; touch "$PGDATA/half"; kill -9 $$')
    second = first_start.run(f'test ! -e "$PGDATA"; {INITDB}; {COMPLETE}')
    assert (second.returncode, "made anew" in second.stderr) == (0, True)
    assert (first_start.data.with_name("docker.unfinished") / "half").exists(), "it is moved, not removed"


def test_a_cluster_that_is_whole_is_never_moved(first_start: FirstStart) -> None:
    first_start.run(f'{INITDB}; {COMPLETE}; touch "$PGDATA/rows"; kill -9 $$')
    again = first_start.run('test -e "$PGDATA/rows"')
    assert (again.returncode, again.stderr) == (0, "")


def test_a_directory_that_nobody_can_start_says_what_to_do(first_start: FirstStart) -> None:
    first_start.data.mkdir(parents=True)
    (first_start.data / "base").mkdir()
    started = first_start.run("exit 0")
    assert started.returncode == 1
    assert "docker volume rm mentiongraph_postgres" in started.stderr
    assert (first_start.data / "base").exists()


# A Docker without containers. It keeps its state in a file, and writes down what it is asked to do.
FAKE_DOCKER = """
import json, sys

directory, *arguments = sys.argv[1:]
with open(f"{directory}/state.json") as kept:
    state = json.load(kept)
containers = state["containers"]

def did(*words):
    with open(f"{directory}/did", "a") as log:
        print(*words, file=log)

def of(service):
    return [each for each in containers if each["service"] == service]

def servers():
    return [(backend, each) for each in of("api") for backend in ("api", "waiting")]

match arguments:
    case ["compose", "--progress", "quiet", *rest] | ["compose", *rest]:
        match rest:
            case ["ps", "--quiet", service]:
                print(*[each["id"] for each in of(service)], sep="\\n")
            case ["config", "--images", _]:
                print("mentiongraph:local")
            case ["config", "--hash", service]:
                print(service, "hash")
            case ["build", *_]:
                did("build")
            case ["run", *_]:
                did("migrate")
            case ["up", *_, "--scale", scale, service]:
                assert int(scale.partition("=")[2]) == len(of(service)) + 1
                state["made"] += 1
                containers.append({"id": f"new{state['made']}", "service": service, "image": "new", **state["new"]})
                did("start", service)
            case ["up", *_]:
                did("up")
            case ["exec", "-T", "proxy", "bash", "-c", _, "-", "show", "servers", *_]:
                for backend, each in servers():
                    up = 2 if each["health"] == "healthy" else 0
                    print(1, backend, 1, f"s-{each['id']}", each["id"], up, 0)
                for backend in ("api", "waiting"):
                    for gone in state["gone"]:
                        print(1, backend, 1, f"s-{gone}", gone, 0, 0)
            case ["exec", "-T", "proxy", "bash", "-c", _, "-", "show", "stat"]:
                for backend, each in servers():
                    busy = 1 if each["image"] == "old" and state["busy"] > 0 else 0
                    print(backend, f"s-{each['id']}", 0, 0, busy, sep=",")
                state["busy"] -= 1
            case ["exec", "-T", "proxy", "bash", "-c", _, "-", "set", "server", name, "state", to]:
                did(to, name)
            case _:
                sys.exit(f"what is {rest}?")
    case ["inspect", "--format", form, id]:
        each = next(each for each in containers if each["id"] == id)
        if "Health" in form:
            print("running", each["health"])
        elif "Networks" in form:
            print("x_front", id)
        else:
            print(each["image"], "hash")
    case ["image", "inspect", *_]:
        print("new")
    case ["stop", id] | ["rm", "--force", id]:
        each = next(each for each in containers if each["id"] == id)
        did("stop" if arguments[0] == "stop" else "remove", each["image"], each["service"])
        containers.remove(each)
        state["gone"].append(id)
    case ["rm", _] | ["logs", *_]:
        pass
    case _:
        sys.exit(f"what is {arguments}?")
with open(f"{directory}/state.json", "w") as kept:
    json.dump(state, kept)
"""
UPGRADED = {"worker-urgent": "old", "worker-bulk": "new", "worker-maintenance": "new", "scheduler": "new", "api": "old"}


def upgrade(checkout: Path, *, health: str = "healthy", busy: int = 0) -> tuple[int, list[str]]:
    """Run ops/compose/upgrade. Returns its exit code, and what Docker was asked to do."""
    containers = [
        {"id": f"{service}{number}", "service": service, "image": image, "health": "healthy"}
        for service, image in UPGRADED.items()
        for number in ((1, 2) if service == "api" else (1,))
    ]
    state = {"containers": containers, "new": {"health": health}, "busy": busy, "gone": [], "made": 0}
    (checkout / "state.json").write_text(json.dumps(state))
    (checkout / "fake.py").write_text(FAKE_DOCKER)
    docker = f"{sys.executable} -I -S {checkout / 'fake.py'} {checkout}"
    done = subprocess.run(
        [checkout / "ops/compose/upgrade"],
        env={**os.environ, "DOCKER": docker, "COMPOSE": f"{docker} compose", "HEALTHY_SECONDS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "what is" not in done.stderr, done.stderr
    return done.returncode, (checkout / "did").read_text().splitlines()


def test_an_upgrade_starts_the_new_before_it_ends_the_old(checkout: Path) -> None:
    code, did = upgrade(checkout, busy=2)
    assert (code, did[:2], did[-1]) == (0, ["build", "migrate"], "up")
    assert did[2:4] == ["start worker-urgent", "stop old worker-urgent"], "what is up to date stays as it is"
    api = [word.split()[0] for word in did if word.split()[-1].startswith(("api", "waiting"))]
    assert api == ["start", "drain", "drain", "stop", "ready", "ready"] * 2
    assert len(did) == 2 + 2 + 12 + 1


def test_an_upgrade_whose_process_is_not_well_leaves_the_old_ones(checkout: Path) -> None:
    code, did = upgrade(checkout, health="unhealthy")
    assert code == 1
    assert did == ["build", "migrate", "start worker-urgent", "remove new worker-urgent"]
