"""The manifests for Kubernetes and the units for systemd, as far as they can be checked without either."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from app import settings as app_settings
from app.settings.loading import require_known
from ops.cli import COMMANDS
from ops.cli.run import QUEUES

ROOT = Path(__file__).parents[2]
KUBERNETES, SYSTEMD = ROOT / "ops/kubernetes", ROOT / "ops/systemd"
SCHEMAS = json.loads((ROOT / "tests/data/kubernetes-1.37/schemas.json").read_text())
KUSTOMIZATION = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
UNITS = sorted(SYSTEMD.glob("*.service"))
ANALYZE = shutil.which("systemd-analyze") or ""

Manifest = dict[str, Any]


def manifests() -> list[Manifest]:
    return [each for file in KUSTOMIZATION["resources"] for each in yaml.safe_load_all((KUBERNETES / file).read_text())]


def kind_of(manifest: Manifest) -> str:
    return f"{manifest['apiVersion']}/{manifest['kind']}"


def named(manifest: Manifest) -> str:
    return f"{manifest['kind']}-{manifest['metadata']['name']}"


MANIFESTS = {named(each): each for each in manifests()}
PODS = {
    name: each["spec"]["template"]["spec"] for name, each in MANIFESTS.items() if "template" in each.get("spec", {})
}
API = "Deployment-mentiongraph-api"
ENVIRONMENT = MANIFESTS["ConfigMap-mentiongraph"]["data"]


@cache
def schema_of(kind: str) -> jsonschema_rs.Draft7Validator:
    root = SCHEMAS["kinds"][kind]
    return jsonschema_rs.Draft7Validator({"$ref": f"#/$defs/{root}", "$defs": SCHEMAS["$defs"]})


def errors(manifest: Manifest) -> list[str]:
    return [each.message for each in schema_of(kind_of(manifest)).iter_errors(manifest)]


@pytest.mark.parametrize("name", MANIFESTS)
def test_kubernetes_understands_every_manifest(name: str) -> None:
    assert errors(MANIFESTS[name]) == []


WRONG: dict[str, tuple[str, Callable[[Manifest], object]]] = {
    "a misspelt field": (API, lambda made: made["spec"].update(replica=2)),
    "a misspelt field, deep": (API, lambda made: container(made)["readinessProbe"]["httpGet"].update(ports=1)),
    "text for a number": (API, lambda made: made["spec"].update(replicas="two")),
    "no image's name": (API, lambda made: container(made).pop("name")),
    "no selector": (API, lambda made: made["spec"].pop("selector")),
    "a Service's ports": ("Service-mentiongraph", lambda made: made["spec"].update(port=80)),
    "a policy's types": ("NetworkPolicy-mentiongraph", lambda made: made["spec"].update(policyTypes="Ingress")),
    "an Ingress without types of paths": (
        "Ingress-mentiongraph",
        lambda made: made["spec"]["rules"][0]["http"]["paths"][0].pop("pathType"),
    ),
}


def container(manifest: Manifest) -> Manifest:
    return manifest["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("what", WRONG)
def test_a_manifest_with_a_mistake_is_refused(what: str) -> None:
    name, spoil = WRONG[what]
    made = copy.deepcopy(MANIFESTS[name])
    spoil(made)
    assert errors(made)


def test_every_file_is_applied_and_every_pod_has_our_image() -> None:
    files = {file.name for file in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}
    assert files == set(KUSTOMIZATION["resources"])
    images = {each["image"] for pod in PODS.values() for each in pod["containers"]}
    assert images == {each["name"] for each in KUSTOMIZATION["images"]}
    assert KUSTOMIZATION["namespace"] == MANIFESTS["Namespace-mentiongraph"]["metadata"]["name"]


@pytest.mark.parametrize("name", PODS)
def test_every_pod_is_confined(name: str) -> None:
    """What the Pod Security Standard "restricted" asks for, which the namespace enforces, and more."""
    pod = PODS[name]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False, "Kubernetes would set MENTIONGRAPH_PORT"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001, "as in the Dockerfile"
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for each in pod["containers"]:
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert each["resources"]["limits"]["memory"]
        assert each["resources"]["requests"].keys() == {"cpu", "memory"}
        assert each["args"][0] in COMMANDS


def test_selectors_find_the_pods_and_every_queue_has_workers() -> None:
    queues = [
        container(MANIFESTS[name])["args"][2] for name, pod in PODS.items() if pod["containers"][0]["name"] == "worker"
    ]
    assert sorted(queues) == sorted(QUEUES)
    labels = {name: MANIFESTS[name]["spec"]["template"]["metadata"]["labels"] for name in PODS}
    for name, made in MANIFESTS.items():
        spec = made.get("spec", {})
        wanted = spec.get("podSelector") or spec.get("selector") or {}
        wanted = wanted.get("matchLabels", wanted)
        found = [each for each, has in labels.items() if wanted.items() <= has.items()]
        assert not wanted or found, name
        if name in PODS and wanted:
            assert found == [name]


def test_probes_are_those_that_the_image_answers() -> None:
    for name, pod in PODS.items():
        if name.startswith("Job"):
            continue
        [each] = pod["containers"]
        assert "livenessProbe" in each
        for probe in (each[kind] for kind in ("startupProbe", "readinessProbe", "livenessProbe") if kind in each):
            if "httpGet" in probe:
                assert re.fullmatch(r"/health/(live|ready)", probe["httpGet"]["path"])
                assert probe["httpGet"]["httpHeaders"] == [{"name": "Host", "value": "localhost"}], "else 421"
            else:
                assert probe["exec"]["command"][:2] == ["mentiongraph", "health"]
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container(MANIFESTS[API]).keys()


def pod_environments() -> Iterator[tuple[str, dict[str, str], set[str]]]:
    for name, pod in PODS.items():
        [each] = pod["containers"]
        own = {entry["name"]: entry["value"] for entry in each.get("env", [])}
        yield name, ENVIRONMENT | own, {mount["mountPath"] for mount in each["volumeMounts"]}


def test_our_processes_understand_their_environment_in_kubernetes(tmp_path: Path) -> None:
    for name, environment, mounted in pod_environments():
        given: dict[str, str] = {}
        for variable, value in environment.items():
            given[variable] = value
            if variable.endswith("_PASSWORD_FILE"):
                assert str(Path(value).parent) in mounted, (name, variable)
                given[variable] = str(tmp_path / Path(value).name)
                Path(given[variable]).write_text("secret of " + Path(value).name)
            assert not re.search(r"://[^/@]*:[^/@]*@", value), f"{name}: a password in {variable}"
        settings = app_settings.load(given)
        assert ":secret%20of%20" in settings.database_url
        assert "target_session_attrs=read-write" in settings.database_url


def lines_of(unit: Path) -> list[tuple[str, str]]:
    return [
        (name, value)
        for name, equals, value in (line.partition("=") for line in unit.read_text().splitlines())
        if equals and not name.startswith("#")
    ]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_units_are_confined_and_name_real_settings(unit: Path) -> None:
    lines = lines_of(unit)
    facts = dict(lines)
    assert (
        facts.items()
        >= {
            "DynamicUser": "yes",
            "ProtectSystem": "strict",
            "NoNewPrivileges": "yes",
            "Restart": "on-failure",
        }.items()
    )
    assert {"MemoryMax", "TimeoutStopSec"} <= facts.keys()
    assert facts["ExecStart"].split()[1] in COMMANDS
    require_known(value.partition("=")[0] for name, value in lines if name == "Environment")
    files = {value.partition(":")[0] for name, value in lines if name == "LoadCredential"}
    used = {Path(value).name for name, value in lines if name == "Environment"}
    assert files == used, "every credential is read, and every one that is read is loaded"


@pytest.mark.skipif(not ANALYZE, reason="needs systemd-analyze")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_understands_the_units(unit: Path, tmp_path: Path) -> None:
    """With a program that is there: the one in the units is installed by the reader."""
    copied = tmp_path / unit.name
    copied.write_text(unit.read_text().replace("/opt/mentiongraph/.venv/bin/mentiongraph", "/bin/true"))
    told = subprocess.run(
        [ANALYZE, "verify", "--man=no", copied], capture_output=True, text=True, check=False, timeout=60
    )
    assert (told.returncode, unit.name in told.stderr) == (0, False), told.stderr
    secure = [ANALYZE, "security", "--offline=yes", "--threshold=20", copied]
    assert subprocess.run(secure, capture_output=True, check=False, timeout=60).returncode == 0


def test_a_misspelt_directive_is_refused(tmp_path: Path) -> None:
    if not ANALYZE:
        pytest.skip("needs systemd-analyze")
    copied = tmp_path / "wrong.service"
    copied.write_text("[Service]\nExecStart=/bin/true\nProtectSytem=strict\n")
    told = subprocess.run([ANALYZE, "verify", "--man=no", copied], capture_output=True, text=True, check=False)
    assert "ProtectSytem" in told.stderr
