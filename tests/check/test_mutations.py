"""Server files that ship, changed at random: `check` reports, and what it passes is served."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.authoring.checking.check import Report, errors, report, with_all_set
from bridge.authoring.checking.formats import FORMATS
from bridge.configuration.load import read_configuration
from bridge.schemas.wording import TYPES

CONFIG = Path(__file__).parents[2] / "config"
TRIALS = settings(max_examples=25, deadline=None)

ODD_WORDS = """
on 5m 1m30 -1 ${UNSET} $${X} ${ env:UNSET null http://[ (?=a) ( a:b always python hook
http://n8n.example.com/webhook/:id #/$defs/x json:dumps X-Key take_event
"""
ODD_TEXTS = st.sampled_from([*ODD_WORDS.split(), "", " ", "\u2028", "env: X", *TYPES])
ODD_NUMBERS = st.sampled_from([-1, 0, 1, 1.5, 10**20, 1e300])
ODD = st.none() | st.booleans() | ODD_NUMBERS | ODD_TEXTS
ODD_VALUES = st.recursive(
    ODD, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(ODD_TEXTS, inner, max_size=2)
)
Place = tuple[Any, ...]


@cache
def shipped() -> dict[str, Any]:
    """Return the server files that ship, but for those in Python, whose modules take long."""
    files = [*CONFIG.glob("servers/*.yaml"), *CONFIG.glob("examples/*.[yj]*")]
    files += [CONFIG / "n8n" / name for name in ("templates.yaml", "discovered.yaml")]
    texts = {file.name: file.read_text("utf-8") for file in files}
    return {name: yaml.safe_load(text) for name, text in texts.items() if "python" not in text}


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Return every place in a value but the whole."""
    listed = enumerate(value) if isinstance(value, list) else ()
    for key, member in value.items() if isinstance(value, dict) else listed:
        yield (*at, key)
        yield from places(member, (*at, key))


def changed(value: Any, at: Place, how: str, given: Any) -> Any:
    """Return a value with one member replaced, dropped, or known by another key."""
    first, *rest = at
    if rest:
        copied = value.copy()
        copied[first] = changed(value[first], tuple(rest), how, given)
        return copied
    if isinstance(value, list):
        return [*value[:first], *([given] if how == "replaced" else []), *value[first + 1 :]]
    others = {key: member for key, member in value.items() if key != first}
    return (
        others
        | {"replaced": {first: given}, "dropped": {}, "renamed": {str(given): value[first]}}[how]
    )


@st.composite
def mutants(draw: st.DrawFn) -> Any:
    """Draw a server that ships with up to three changes anywhere in it."""
    value = shipped()[draw(st.sampled_from(sorted(shipped())))]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.sampled_from(list(places(value)) or [("name",)]))
        how = draw(st.sampled_from(["replaced", "dropped", "renamed"]))
        value = changed(value, at, how, draw(ODD_VALUES if how == "replaced" else ODD_TEXTS))
    return value


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("servers")


def all_set(file: Path) -> dict[str, str]:
    """Return the environment of a bridge that serves the file alone, with nothing unset in it."""
    environ = {"BRIDGE_SERVERS": str(file), "BRIDGE_N8N_URL": "http://127.0.0.1:5678"}
    environ |= {"BRIDGE_DEMO_TOKEN": "x" * 32, "BRIDGE_DEMO_HOOK_TOKEN": "y" * 32}
    return dict(with_all_set(file, environ))


def checked(file: Path) -> Report:
    """Check a file, and demand that what is found is told in every form, within the file."""
    found = report(file, all_set(file), counts_tokens=False)
    lines = file.read_text("utf-8").split("\n")
    for finding in found.findings:
        assert finding.path == file, finding
        assert finding.line
        assert 1 <= finding.line <= len(lines), finding
        assert 1 <= (finding.column or 1) <= len(lines[finding.line - 1]) + 1, finding
    told = [(each.line, each.column, each.sentence) for each in found.findings]
    assert len(told) == len(set(told)), told
    for form in FORMATS.values():
        assert "\n".join(form(found)).encode("utf-8") is not None
    return found


@TRIALS
@given(mutant=mutants())
def test_what_check_passes_is_served_and_what_it_does_not_is_reported(
    folder: Path, mutant: Any
) -> None:
    file = folder / "mutant.json"
    file.write_text(json.dumps(mutant, indent=1), "utf-8")
    if not errors(checked(file).findings):
        assert read_configuration(all_set(file)).servers


@TRIALS
@given(data=st.data())
def test_whatever_was_typed_by_mistake_is_reported_within_the_file(
    folder: Path, data: st.DataObject
) -> None:
    names = [file for file in CONFIG.glob("*/*.yaml") if "python" not in file.read_text("utf-8")]
    text = data.draw(st.sampled_from(sorted(names))).read_text("utf-8")
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        typed = data.draw(
            st.sampled_from([*"\t\n :-#'\"{}[]&*!|>%@`,?<\\a1", "<<: ", "- ", "\x07"])
        )
        text = text[:at] + typed + text[at + data.draw(st.integers(0, 3)) :]
    file = folder / "typed.yaml"
    file.write_text(text, "utf-8")
    if not errors(checked(file).findings):
        assert read_configuration(all_set(file)).servers
