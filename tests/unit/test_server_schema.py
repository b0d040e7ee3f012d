"""The JSON Schema that editors check server files with."""

import json
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

import bridge
from bridge.configuration.schema import server_file_schema
from tests.unit.wrong_server_files import HOOK, WORKFLOW, WRONG

ROOT = Path(__file__).parents[2]
SHIPPED = Path(bridge.__file__).with_name("server_file.schema.json")
EXAMPLES = [
    Path(__file__).parent / "server_files" / "support.yaml",
    *sorted((ROOT / "config").glob("servers/*.yaml")),
]

# What an editor cannot know: the environment, what several keys are together, what a text means.
ONLY_THE_LOADER_KNOWS = (
    "is a credential",
    "is the reply address",
    "is what proves",
    "is set by",
    "must name one header",
    "must hold no colon",
    "keeps nothing",
    "is given twice",
    "is no hook of this server",
    "tokens gives a and b",
    "takes no secret",
    "must be longer than no time",
    "pattern is no JSON Schema",
    "may only refer to",
    "refers to",
    "is never sent without",
    "breaks the reply schema",
    "must hold no user",
    "must hold no comma",
    "may hold {timestamp}",
    "contradicts",
)


def faults(text: str) -> list[str]:
    validator = jsonschema_rs.validator_for(server_file_schema(), offline=True)
    return [error.message for error in validator.iter_errors(yaml.safe_load(text))]


def test_the_shipped_schema_is_the_one_that_the_models_make() -> None:
    assert json.loads(SHIPPED.read_text("utf-8")) == server_file_schema()


def test_the_schema_is_itself_one() -> None:
    jsonschema_rs.meta.validate(server_file_schema())


@pytest.mark.parametrize("file", EXAMPLES, ids=[file.name for file in EXAMPLES])
def test_sound_files_fit_the_schema(file: Path) -> None:
    assert faults(file.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        f"$schema: ./server_file.schema.json\n{HOOK}    default_reply: null\n",
        f"{HOOK}    max_attempts: ${{FIVE}}\n    lease: ${{FIVE}}m\n    reply_url: ${{HOW}}\n",
        f"{WORKFLOW}    attach: false\n    attach_for: 0\n    timeout: 1.5\n",
        f"{WORKFLOW}    retry: {{first: 1h}}\n    auth: {{bearer: env:A}}\n",
        "name: s\nhooks:\nworkflows:\ntokens: [env:A, {name: a, token: env:B}]\n",
        "name: s\nhooks: {h: {auth: [{basic: {user: a, password: env:B}}, {github: env:C}]}}\n",
    ],
)
def test_other_ways_to_write_a_key_fit_the_schema(text: str) -> None:
    assert faults(text) == []


@pytest.mark.parametrize(("text", "said"), WRONG.items(), ids=list(WRONG.values()))
def test_what_the_loader_refuses_does_not_fit_the_schema(text: str, said: str) -> None:
    known = not any(part in said for part in ONLY_THE_LOADER_KNOWS)
    assert bool(faults(text)) == known
