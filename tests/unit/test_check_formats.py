"""Findings in the forms that programs read: JSON, SARIF 2.1.0, and GitHub's workflow commands."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from bridge.authoring.checking.check import RULES, check, report
from bridge.authoring.checking.formats import FORMATS, github_line, row_of, text_line
from bridge.configuration.findings import anywhere, at
from bridge.configuration.rules import KEY_UNKNOWN, SECRET_SHORT, SETTING_WRONG
from tests.commands import run

BAD = "name: bad\nhoooks: {}\n"
UNKNOWN_SETTING = {"BRIDGE_PROT": "1"}

LEVEL = {"enum": ["none", "note", "warning", "error"]}
SAID = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
COUNTED = {"type": "integer", "minimum": 1}


def exactly(required: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required.split(),
        "properties": properties,
        "additionalProperties": False,
    }


def list_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


REGION = exactly("startLine", startLine=COUNTED, startColumn=COUNTED)
ARTIFACT = exactly("uri", uri={"type": "string", "format": "uri-reference"})
PHYSICAL = exactly("artifactLocation", artifactLocation=ARTIFACT, region=REGION)
RULE = exactly(
    "id",
    id={"type": "string"},
    shortDescription=SAID,
    help=SAID,
    defaultConfiguration=exactly("level", level=LEVEL),
)
RESULT = exactly(
    "message",
    ruleId={"type": "string"},
    ruleIndex={"type": "integer", "minimum": 0},
    level=LEVEL,
    message=SAID,
    locations=list_of(exactly("", physicalLocation=PHYSICAL)),
)
DRIVER = exactly(
    "name",
    name={"type": "string"},
    version={"type": "string"},
    informationUri={"type": "string", "format": "uri"},
    rules=list_of(RULE) | {"uniqueItems": True},
)
RUN = exactly(
    "tool",
    tool=exactly("driver", driver=DRIVER),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results=list_of(RESULT),
)
LOG = exactly(
    "version runs",
    **{"$schema": {"type": "string"}},
    version={"const": "2.1.0"},
    runs=list_of(RUN),
)
"""What SARIF 2.1.0 says of the members that are used here; its whole schema knows many more."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "of us").mkdir()
    (tmp_path / "of us" / "bad.yaml").write_text(BAD)
    return Path("of us")


def printed(form: str, folder: Path, environ: dict[str, str] | None = None) -> str:
    return "\n".join(FORMATS[form](report(folder, environ or {})))


def test_a_rule_has_one_id_and_says_how_to_mend_it() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.summary.endswith(".")
        assert rule.mend.endswith(".")


def test_text_is_a_line_a_finding_with_file_line_and_column() -> None:
    file = Path("s.yaml")
    assert text_line(at(KEY_UNKNOWN, "a is odd", file, 3, 5)) == "s.yaml:3:5: a is odd"
    assert text_line(at(KEY_UNKNOWN, "a is odd", file, 3)) == "s.yaml:3: a is odd"
    assert text_line(at(SECRET_SHORT, "a is odd", file)) == "s.yaml: a is odd (a warning)"
    assert text_line(anywhere(SETTING_WRONG, "A is odd")) == "A is odd"


def test_json_is_one_document_with_every_finding(folder: Path) -> None:
    setting, file = json.loads(printed("json", folder, UNKNOWN_SETTING))["findings"]
    assert file == {
        "rule": "key-unknown",
        "severity": "error",
        "file": "of us/bad.yaml",
        "line": 2,
        "column": 1,
        "sentence": "hoooks is an unknown key; did you mean `hooks`?",
        "mend": KEY_UNKNOWN.mend,
    }
    assert (setting["rule"], setting["file"], setting["line"]) == ("setting-wrong", None, None)
    assert row_of(check(folder, {})[0]) == file


def test_sarif_is_sound_and_names_rules_and_places(folder: Path) -> None:
    log = json.loads(printed("sarif", folder, UNKNOWN_SETTING))
    validator = jsonschema_rs.validator_for(LOG, validate_formats=True)
    assert [str(error) for error in validator.iter_errors(log)] == []
    (run_of_check,) = log["runs"]
    rules = run_of_check["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [rule.id for rule in RULES]
    setting, file = run_of_check["results"]
    assert rules[file["ruleIndex"]]["id"] == file["ruleId"] == "key-unknown"
    assert file["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "of%20us/bad.yaml"},
                "region": {"startLine": 2, "startColumn": 1},
            }
        }
    ]
    # GitHub takes no result without a file, and shows none without a line.
    place = {"artifactLocation": {"uri": ".env"}, "region": {"startLine": 1}}
    assert setting["locations"] == [{"physicalLocation": place}]


def test_sarif_names_a_file_elsewhere_by_its_whole_address(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    log = json.loads(printed("sarif", tmp_path / folder))
    (result,) = log["runs"][0]["results"]
    (place,) = result["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"].endswith("/of%20us/bad.yaml")


def test_github_s_annotations_are_escaped_as_github_asks() -> None:
    file = Path("a,b:c%.yaml")
    error = replace(at(KEY_UNKNOWN, "", file, 3, 5), sentence="is 100 % odd:\r\nmend, it")
    assert github_line(error) == (
        "::error file=a%2Cb%3Ac%25.yaml,line=3,col=5,title=key-unknown::"
        "is 100 %25 odd:%0D%0Amend, it"
    )
    warning = anywhere(SECRET_SHORT, "is short")
    assert github_line(warning) == "::warning title=secret-short::is short"


def test_a_finding_is_one_line_that_moves_no_cursor() -> None:
    said = "\x1b[31mred\nblue\u2028green"
    finding = at(KEY_UNKNOWN, said, Path("a\nb.yaml"), 3, 5)
    assert text_line(finding) == "a\\u000ab.yaml:3:5: \\u001b[31mred\\u000ablue\\u2028green"
    assert str(finding) == "a\\u000ab.yaml:3: \\u001b[31mred\\u000ablue\\u2028green"
    assert "\n" not in github_line(finding)


@pytest.mark.parametrize("form", FORMATS)
async def test_the_command_fails_in_every_form_when_there_is_an_error(
    tmp_path: Path, form: str
) -> None:
    (tmp_path / "s.yaml").write_text("name: s\n")
    assert (await run("check", str(tmp_path), "--format", form, environ={}))[0] == 0
    (tmp_path / "s.yaml").write_text(BAD)
    status, said = await run("check", str(tmp_path), "--format", form, environ={})
    assert status == 1
    assert "did you mean `hooks`?" in said


async def test_what_programs_read_has_nothing_around_it(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("name: s\n")
    _, said = await run("check", str(tmp_path), "--format", "json", environ={})
    assert json.loads(said)["findings"] == []
    _, said = await run("check", str(tmp_path), "--format", "github", environ={})
    assert said == ""


async def test_a_form_that_there_is_not_is_wrong_use(tmp_path: Path) -> None:
    status, _ = await run("check", str(tmp_path), "--format", "xml", environ={})
    assert status == 2
