"""`check`: what Claude and MCP would refuse or cut, beside what the loader refuses."""

from pathlib import Path

import pytest

from bridge.authoring.checking.check import check, errors
from bridge.authoring.checking.formats import text_line
from bridge.configuration.rules import PATTERN_SLOW
from bridge.configuration.tool_limits import DESCRIPTION_CHARS, INSTRUCTIONS_BYTES, TITLE_CHARS

ROOT = Path(__file__).parents[2]
TOOL = "name: s\nworkflows:\n  w:\n    description: Does it.\n    url: http://n8n:5678/webhook/w\n"


def faults(folder: Path, text: str) -> list[str]:
    (folder / "s.yaml").write_text(text)
    return [text_line(each).removeprefix(f"{folder}/") for each in errors(check(folder, {}))]


def test_the_files_that_ship_pass_in_an_empty_environment() -> None:
    assert check(ROOT / "config" / "servers", {}) == ()


def test_one_file_can_be_checked_by_itself(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(TOOL)
    (tmp_path / "b.yaml").write_text("name: B\n")
    assert errors(check(tmp_path / "a.yaml", {})) == ()
    assert len(errors(check(tmp_path, {}))) == 1


def test_what_the_loader_refuses_is_a_fault(tmp_path: Path) -> None:
    assert faults(tmp_path, "name: s\ntokens: [env:NOT_SET]\n") == [
        "s.yaml:2:10: tokens.0 needs the variable NOT_SET, which is not set or empty: set it"
    ]


def test_settings_at_which_the_start_would_stop_are_faults(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\ntokens: [env:BRIDGE_OF_A]\n")
    (tmp_path / "b.yaml").write_text("name: b\ntokens: [env:BRIDGE_OF_B]\n")
    environ = {
        "BRIDGE_OF_A": "a" * 16,
        "BRIDGE_OF_B": "b" * 16,
        "BRIDGE_SERVERS": str(tmp_path),
    }
    for path in (tmp_path, tmp_path / "a.yaml"):
        assert check(path, environ) == ()
        unknown, wrong = check(path, environ | {"BRIDGE_PROT": "1", "BRIDGE_PORT": "x"})
        assert str(unknown).startswith("BRIDGE_PROT is no setting; did you mean `BRIDGE_PORT`?")
        assert str(wrong).startswith("BRIDGE_PORT must be a whole number")
    (oauth,) = check(tmp_path, environ | {"BRIDGE_OAUTH": "built-in"})
    assert str(oauth).startswith("BRIDGE_PUBLIC_URL is not set")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            TOOL.replace("    description: Does it.\n", ""),
            "s.yaml:3:3: workflows.w needs a `description`",
        ),
        (TOOL.replace("Does it.", "' '"), "s.yaml:3:3: workflows.w needs a `description`"),
        (
            TOOL.replace("Does it.", "x" * (DESCRIPTION_CHARS + 1)),
            "s.yaml:4:5: workflows.w.description has more than 4096 characters",
        ),
        (
            f"{TOOL}    title: {'x' * (TITLE_CHARS + 1)}\n",
            "s.yaml:6:5: workflows.w.title has more than 128 characters",
        ),
        (
            f"{TOOL}title: {'x' * (TITLE_CHARS + 1)}\n",
            "s.yaml:6:1: title has more than 128 characters",
        ),
        (
            f"{TOOL}description: {'é' * (INSTRUCTIONS_BYTES // 2 + 1)}\n",
            "s.yaml:6:1: description has more than 2048 bytes",
        ),
        (
            f"{TOOL}    input:\n      type: object\n      anyOf: [{{}}]\n",
            "s.yaml:8:7: workflows.w.input.anyOf is not taken by Claude at the top",
        ),
        (
            f"{TOOL}    input:\n      type: object\n      properties:\n        über: {{}}\n",
            "s.yaml:9:9: workflows.w.input.properties.über is no name that Claude takes",
        ),
    ],
)
def test_what_claude_would_refuse_or_cut_is_a_fault(
    tmp_path: Path, text: str, expected: str
) -> None:
    (fault,) = faults(tmp_path, text)
    assert fault.startswith(expected)


def test_all_that_is_just_short_enough_passes(tmp_path: Path) -> None:
    text = TOOL.replace("Does it.", "x" * DESCRIPTION_CHARS)
    text += f"    title: {'x' * TITLE_CHARS}\ndescription: {'é' * (INSTRUCTIONS_BYTES // 2)}\n"
    assert faults(tmp_path, text) == []


def test_faults_of_files_and_of_the_tools_in_them_are_named_at_once(tmp_path: Path) -> None:
    text = f"{TOOL}    input:\n      type: object\n      properties: {{First Name: {{}}}}\n"
    named = faults(tmp_path, f"{text}    timeout: soon\ntokens: [env:NOT_SET]\n")
    assert [fault.split(" ")[1] for fault in named] == [
        "workflows.w.input.properties.First",
        "workflows.w.timeout",
        "tokens.0",
    ]


@pytest.mark.parametrize(
    "workflows", ["[]", "{w: 1}", "{w: {input: 1}}", "{w: {input: {properties: [1]}}}", "3"]
)
def test_files_that_are_wrong_throughout_are_named_as_such(tmp_path: Path, workflows: str) -> None:
    assert faults(tmp_path, f"name: s\nworkflows: {workflows}\n")


def test_a_pattern_that_may_take_for_ever_is_a_warning_and_no_fault(tmp_path: Path) -> None:
    schema = "{properties: {a: {pattern: '^(?!x)y'}, b: {pattern: '^(?<y>[0-9]+)$'}}}"
    text = (
        f"{TOOL}    output: {schema}\nhooks: {{h: {{auth: {{bearer: env:A}}, payload: {schema}}}}}"
    )
    (tmp_path / "s.yaml").write_text(text)
    found = check(tmp_path, {"A": "a-token-of-sixteen"})
    assert errors(found) == ()
    slow = [each for each in found if each.rule is PATTERN_SLOW]
    named = [str(each).removeprefix(f"{tmp_path}/") for each in slow]
    assert [line.partition(" holds the pattern '^(?!x)y'")[0] for line in named] == [
        "s.yaml:6: workflows.w.output.properties.a.pattern",
        "s.yaml:7: hooks.h.payload.properties.a.pattern",
    ]
