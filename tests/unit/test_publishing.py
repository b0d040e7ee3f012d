"""What GitHub, PyPI, the MCP registry and Docker read agrees with the project and with itself."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge import __version__

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SERVER = json.loads((ROOT / "config" / "server.json").read_text())
IMAGE = ROOT / "config" / "deploy"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

OURS = "n8n-claude-bridge/n8n-claude-bridge"
NAMED_IN = {
    *("README.md", "pyproject.toml", "config/server.json", "config/deploy/Dockerfile"),
    "config/desktop-extension/manifest.json",
    *(f"config/deploy/kubernetes/{name}.yaml" for name in ("kustomization", "web", "worker")),
    *(".github/CONTRIBUTING.md", ".github/SECURITY.md", ".github/workflows/release.yml"),
    *("config/claude-plugin/README.md", "config/claude-plugin/.claude-plugin/plugin.json"),
    *(".github/ISSUE_TEMPLATE/bug.yml", ".github/ISSUE_TEMPLATE/config.yml", "docs/deploying.md"),
}
"""The files that name the repository or its image: all to be changed where the name is another."""

NOT_OURS = ("modelcontextprotocol/registry",)
NAME = re.compile(r"(?:github\.com|ghcr\.io)/([\w.-]+/[\w-]+)")


def workflow(name: str) -> dict[str, Any]:
    """Read a workflow."""
    read: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())
    return read


def test_ci_runs_the_whole_check_on_every_python_that_the_package_names() -> None:
    job = workflow("ci.yml")["jobs"]["check"]
    prefix = "Programming Language :: Python :: 3."
    minors = [line.removeprefix(prefix) for line in PROJECT["classifiers"] if prefix in line]
    assert job["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in minors]
    assert PROJECT["requires-python"] == f">=3.{minors[0]}"
    assert job["steps"][-1]["run"] == "bash .ci/run"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_of_others_is_pinned_to_a_commit(path: Path) -> None:
    used = re.findall(r"uses: (.+)", path.read_text())
    others = [action for action in used if not action.startswith("./")]
    assert others
    pinned = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [action for action in others if not pinned.fullmatch(action)] == []


def test_a_release_is_made_of_what_ci_has_tried() -> None:
    jobs = workflow("release.yml")["jobs"]
    assert jobs["check"]["uses"] == "./.github/workflows/ci.yml"
    assert {"run": "make wheel"} in jobs["build"]["steps"]
    needs = {name: job.get("needs", []) for name, job in jobs.items()}
    assert needs == {
        "check": [],
        "build": "check",
        "pypi": "build",
        "image": "build",
        "registry": ["pypi", "image"],
        "github": ["build", "pypi"],
    }


def test_one_name_stands_wherever_the_repository_is_named() -> None:
    """Source: docs/releasing.md, "Once, before the first"."""
    named: dict[str, set[str]] = {}
    for pattern in ("*.md", "*.toml", "*.yml", ".github/**/*.*", "config/**/*", "docs/*.md"):
        for path in filter(Path.is_file, ROOT.glob(pattern)):
            text = path.read_text(errors="replace")  # samples are PDFs, and Python leaves bytecode
            if names := {*NAME.findall(text)}.difference(NOT_OURS):
                named[path.relative_to(ROOT).as_posix()] = names
    assert named == {name: {OURS} for name in NAMED_IN}


def test_the_registry_is_told_the_version_and_how_to_prove_whose_it_is() -> None:
    packages = SERVER["packages"]
    on_pypi = [each for each in packages if each["registryType"] == "pypi"]
    assert {SERVER["version"], *(each["version"] for each in on_pypi)} == {__version__}
    assert {each["identifier"] for each in on_pypi} == {PROJECT["name"]}
    (image,) = (each for each in packages if each["registryType"] == "oci")
    assert image["identifier"] == f"ghcr.io/{OURS}:{__version__}"
    kustomization = yaml.safe_load((IMAGE / "kubernetes" / "kustomization.yaml").read_text())
    assert kustomization["images"] == [{"name": f"ghcr.io/{OURS}", "newTag": __version__}]
    assert SERVER["name"] == f"io.github.{OURS.partition('/')[0]}/bridge"
    assert f"<!-- mcp-name: {SERVER['name']} -->" in (ROOT / "README.md").read_text()
    label = f'io.modelcontextprotocol.server.name="{SERVER["name"]}"'
    assert label in (IMAGE / "Dockerfile").read_text()
    assert len(SERVER["description"]) <= 100, "the registry takes no more"


def test_the_registry_s_way_to_start_is_a_command_of_the_package() -> None:
    assert PROJECT["scripts"][PROJECT["name"]] == PROJECT["scripts"]["n8n-bridge"]


def test_what_the_image_copies_is_sent_to_its_build_and_is_there() -> None:
    lines = (IMAGE / "Dockerfile").read_text().splitlines()
    copied = {
        source
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    }
    sent = (IMAGE / "Dockerfile.dockerignore").read_text().splitlines()
    assert {f"!{source}" for source in copied} == {line for line in sent if line.startswith("!")}
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert "dockerfile: config/deploy/Dockerfile" in (ROOT / "docker-compose.yml").read_text()


def test_the_plugin_is_of_this_version_and_listed_where_people_look() -> None:
    """Whoever names the repository finds the file at its root, whoever has a clone the other."""
    folder = ROOT / "config" / "claude-plugin"
    plugin = json.loads((folder / ".claude-plugin" / "plugin.json").read_text())
    assert plugin["version"] == __version__
    own, root = (
        json.loads((at / ".claude-plugin" / "marketplace.json").read_text())
        for at in (folder, ROOT)
    )
    (listed,), (elsewhere,) = own["plugins"], root["plugins"]
    assert (listed["name"], listed["description"]) == (plugin["name"], plugin["description"])
    assert (folder / listed["source"]).resolve() == (ROOT / elsewhere["source"]).resolve()
    assert {**own, "plugins": []} == {**root, "plugins": []}
    assert {**listed, "source": ""} == {**elsewhere, "source": ""}
