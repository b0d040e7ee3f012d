"""The GitHub Action and the hook for pre-commit: what they run, run here."""

import os
import re
import shlex
import sys
from pathlib import Path
from subprocess import CompletedProcess
from subprocess import run as run_program
from typing import Any

import pytest
import yaml

from bridge.authoring.checking.check import check, errors, with_all_set
from tests.commands import run

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load(
    (ROOT / "config" / "github-action" / "action.yml").read_text()
)
COMMAND = Path(sys.executable).with_name("n8n-bridge")
PIPX = f"""#!/bin/sh
[ "$1 $2" = "run --spec" ] || exit 9
echo "$3" >> "$LOG"
shift 4
exec {COMMAND} "$@"
"""
SOUND = "name: s\ntokens: [env:A, env:B]\nhooks: {h: {description: x, auth: {bearer: env:C}}}\n"
BAD = SOUND.replace("description: x, ", "descripton: x, ")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout with server files, and a pipx that runs the command of this very checkout."""
    (tmp_path / "config" / "servers").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    pipx = tmp_path / "bin" / "pipx"
    pipx.write_text(PIPX)
    pipx.chmod(0o755)
    return tmp_path


def act(folder: Path, text: str, **given: str) -> CompletedProcess[str]:
    """Run the step of the action as a runner would, with these inputs."""
    (folder / "config" / "servers" / "s.yaml").write_text(text)
    (step,) = ACTION["runs"]["steps"]
    inputs = {name: spec["default"] for name, spec in ACTION["inputs"].items()} | given
    environ = {
        name: re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda found: inputs[found[1]], value)
        for name, value in step["env"].items()
    }
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return run_program(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), "LOG": str(folder / "log"), **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_action_passes_sound_files_whose_secrets_are_not_there(folder: Path) -> None:
    ended = act(folder, SOUND)
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
    assert (folder / "log").read_text() == "n8n-claude-bridge[tokens]\n"


def test_the_action_annotates_what_is_wrong_and_fails(folder: Path) -> None:
    ended = act(folder, BAD, version="0.1.0", sarif="check.sarif")
    assert ended.returncode == 1
    assert "::error file=config/servers/s.yaml,line=3,col=13,title=key-unknown::" in ended.stdout
    assert '"ruleId": "key-unknown"' in (folder / "check.sarif").read_text()
    assert (folder / "log").read_text() == "n8n-claude-bridge[tokens]==0.1.0\n" * 2


def test_the_action_asks_for_the_secrets_where_it_is_told_to(folder: Path) -> None:
    ended = act(folder, SOUND, **{"assume-set": "false"})
    assert ended.returncode == 1
    assert "needs the variable A" in ended.stdout


def test_no_input_of_the_action_is_read_as_a_command(folder: Path) -> None:
    ended = act(folder, SOUND, path="$(touch owned); touch owned")
    assert ended.returncode == 2
    assert not (folder / "owned").exists()


@pytest.mark.parametrize("file", ["pre-commit-check.yaml", "pre-commit.yaml"])
async def test_the_hooks_run_what_there_is_on_the_files_that_there_are(
    file: str, tmp_path: Path
) -> None:
    (repo,) = yaml.safe_load((ROOT / "config" / file).read_text())["repos"]
    (hook,) = [hook for hook in repo["hooks"] if "n8n-bridge check" in hook["entry"]]
    assert re.search(hook["files"], "config/servers/demo.yaml")
    assert not hook["pass_filenames"]
    words = shlex.split(hook["entry"])[1:]
    status, said = await run(*words, environ={}, folder=ROOT)
    assert status == 0, said
    (tmp_path / "config" / "servers").mkdir(parents=True)
    (tmp_path / "config" / "servers" / "s.yaml").write_text(BAD)
    status, said = await run(*words, environ={}, folder=tmp_path)
    assert (status, "did you mean `description`?" in said) == (1, True)


def test_what_is_assumed_is_no_fault_and_what_is_set_is_judged(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        f"{SOUND}workflows:\n  w:\n    description: x\n    annotations: {{read_only: true}}\n"
        "    url: ${SHOP_URL}/webhook/w\n    result: execution\n"
    )
    given = {"A": "tiny-1", "SHOP_URL": ""}
    assert len(errors(check(tmp_path, given))) == 3
    (short,) = check(tmp_path, with_all_set(tmp_path, given))
    assert short.rule.id == "secret-short"
    assert check(tmp_path, with_all_set(tmp_path, given | {"A": ""})) == ()
