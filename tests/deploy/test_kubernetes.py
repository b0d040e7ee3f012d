"""The manifests of config/deploy/kubernetes."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.authoring.checking.check import check, errors
from bridge.configuration.settings import Settings
from tests.docs.commands_shown import look_at
from tests.processes import ROOT

FOLDER = ROOT / "config" / "deploy" / "kubernetes"
FILES = sorted(FOLDER.glob("*.yaml"))
OF_OTHERS = ("kustomization.yaml", "keda.yaml", "prometheus.yaml")
"""What Kubernetes itself has no schema for."""

KINDS = {"configMapRef": "ConfigMap", "secretRef": "Secret"}
DEPLOYMENTS = ("web", "worker")


def documents(name: str) -> list[dict[str, Any]]:
    """Read the documents of a file."""
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def pod(name: str) -> dict[str, Any]:
    """Return the pods' spec of a Deployment."""
    spec: dict[str, Any] = documents(f"{name}.yaml")[0]["spec"]["template"]["spec"]
    return spec


def environ() -> dict[str, str]:
    """Return what the ConfigMap and the sample of the Secret set."""
    (settings,), (secret,) = documents("settings.yaml"), documents("secret.sample.yaml")
    return {**settings["data"], **secret["stringData"]}


def test_kubernetes_takes_the_manifests() -> None:
    files = [str(path) for path in FILES if path.name not in OF_OTHERS]
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", *files]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_all_but_the_secret_s_sample_is_applied_or_named_as_to_be_chosen() -> None:
    text = (FOLDER / "kustomization.yaml").read_text()
    named = re.findall(r"- ([a-z]+\.yaml)", text)
    others = {"kustomization.yaml", "secret.sample.yaml"}
    assert {*named} == {path.name for path in FILES}.difference(others)


def test_the_settings_are_settings_and_the_server_files_are_sound(tmp_path: Path) -> None:
    (servers,) = documents("servers.yaml")
    for name, text in servers["data"].items():
        (tmp_path / name).write_text(text)
    own = {name for name in environ() if not name.startswith("BRIDGE_")}
    Settings.from_environ(environ(), own)
    secrets = {name: f"{name}-is-as-long-as-a-secret-should-be" for name in own}
    assert [str(fault) for fault in errors(check(tmp_path, environ() | secrets))] == []


def test_the_file_of_alerts_is_sound_and_lies_where_the_setting_names_it(tmp_path: Path) -> None:
    setting = re.findall(r"# (BRIDGE_ALERTS): (\S+)", (FOLDER / "settings.yaml").read_text())
    ((name, path),) = setting
    (alerts,) = documents("alerts.yaml")
    file = tmp_path / Path(path).name
    file.write_text(alerts["data"][file.name])
    assert "# ALERTS_KEY: " in (FOLDER / "secret.sample.yaml").read_text()
    (tmp_path / "servers").mkdir()
    (tmp_path / "servers" / "s.yaml").write_text("name: s\ntitle: S\ndescription: Nothing.\n")
    secrets = {name: str(file), "ALERTS_KEY": "as-long-as-a-secret-should-be"}
    found = check(tmp_path / "servers", {"BRIDGE_N8N_URL": "https://n8n.example.com", **secrets})
    assert [str(fault) for fault in errors(found)] == []
    for deployment in DEPLOYMENTS:
        (volume,) = (each for each in pod(deployment)["volumes"] if each["name"] == "alerts")
        assert volume["configMap"] == {"name": alerts["metadata"]["name"], "optional": True}
        (container,) = pod(deployment)["containers"]
        (mount,) = (each for each in container["volumeMounts"] if each["name"] == "alerts")
        assert mount["mountPath"] == f"/bridge/{Path(path).parent}"


def test_the_pods_are_told_of_what_is_there() -> None:
    there = {
        (each["kind"], each["metadata"]["name"])
        for name in ("settings.yaml", "servers.yaml", "secret.sample.yaml")
        for each in documents(name)
    }
    for name in DEPLOYMENTS:
        (container,) = pod(name)["containers"]
        (servers,) = (each for each in pod(name)["volumes"] if each["name"] == "servers")
        named = {("ConfigMap", servers["configMap"]["name"])}
        for source in container["envFrom"]:
            ((kind, reference),) = source.items()
            named.add(
                ({"configMapRef": "ConfigMap", "secretRef": "Secret"}[kind], reference["name"])
            )
        assert named == there


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_may_do_nothing_but_its_work_and_writes_to_its_volumes_alone(name: str) -> None:
    assert pod(name)["securityContext"]["runAsNonRoot"]
    assert pod(name)["automountServiceAccountToken"] is False
    (container,) = pod(name)["containers"]
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    written = {m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")}
    assert written == {"/data", "/tmp"}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_runs_a_command_that_there_is(name: str) -> None:
    (container,) = pod(name)["containers"]
    look_at(["n8n-bridge", *container["args"]])


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_variables_that_kubernetes_sets_for_services_stop_no_start(name: str) -> None:
    """A Service called `bridge` in the namespace would set BRIDGE_PORT and BRIDGE_SERVICE_HOST."""
    assert pod(name)["enableServiceLinks"] is False


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_pod_has_the_time_to_drain(name: str) -> None:
    hook = pod(name)["containers"][0].get("lifecycle", {"preStop": {"sleep": {"seconds": 0}}})
    drain_s = float(environ()["BRIDGE_DRAIN_S"])
    longest_s = hook["preStop"]["sleep"]["seconds"] + drain_s + 5
    assert pod(name)["terminationGracePeriodSeconds"] > longest_s


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_deployment_is_replaced_one_by_one_and_its_budget_is_its_own(name: str) -> None:
    deployment, *_, budget = documents(f"{name}.yaml")
    labels = deployment["spec"]["selector"]["matchLabels"]
    assert deployment["spec"]["template"]["metadata"]["labels"] == labels
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert deployment["spec"]["replicas"] > budget["spec"]["maxUnavailable"]
    assert (budget["kind"], budget["spec"]["selector"]["matchLabels"]) == (
        "PodDisruptionBudget",
        labels,
    )


def test_keda_scales_by_numbers_that_the_bridge_tells() -> None:
    """The page names what /metrics tells, which tests/test_docs.py sees to."""
    told = {*re.findall(r"`(n8n_bridge_\w+)", (ROOT / "docs" / "operating.md").read_text())}
    queries = [each["metadata"]["query"] for each in documents("keda.yaml")[0]["spec"]["triggers"]]
    asked = {name for query in queries for name in re.findall(r"n8n_bridge_\w+", query)}
    assert asked
    assert asked <= told
    (target,) = (each["spec"]["scaleTargetRef"]["name"] for each in documents("keda.yaml"))
    assert target == documents("worker.yaml")[0]["metadata"]["name"]
