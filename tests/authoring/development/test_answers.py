"""The file of answers: which rule is for which event, and all that is wrong, with file and line."""

from pathlib import Path
from typing import Any

import pytest

from bridge.authoring.development.answers import Answers, read_answers, reply_of
from bridge.configuration.server_files import read_server_files
from bridge.configuration.servers import Server
from bridge.errors import ConfigurationError

SERVERS = """
name: support
hooks:
  ticket:
    auth: {bearer: env:HOOK}
    reply:
      type: object
      properties: {category: {enum: [billing, bug]}}
      required: [category]
  note: {auth: {bearer: env:HOOK}}
workflows:
  find:
    description: Finds.
    url: http://127.0.0.1:9/webhook/find
    input: {type: object, properties: {email: {type: string}}, required: [email]}
"""


@pytest.fixture
def servers(tmp_path: Path) -> dict[str, Server]:
    file = tmp_path / "servers" / "support.yaml"
    file.parent.mkdir()
    file.write_text(SERVERS)
    return read_server_files(file, {"HOOK": "a-long-enough-secret"}).servers


def read(folder: Path, text: str, servers: dict[str, Server], *, knows_all: bool = True) -> Answers:
    file = folder / "answers.yaml"
    file.write_text(text)
    return read_answers(file, servers, knows_all=knows_all)


RULES = """
answers:
  - hook: ticket
    payload: {properties: {subject: {pattern: invoice}}, required: [subject]}
    reply: {category: billing}
  - {hook: ticket, where: {/from/1/name: Ann}, reply: {category: bug}}
  - {hook: note, release: {reason: not now, delay: 2m}}
"""


@pytest.mark.parametrize(
    ("hook", "payload", "category"),
    [
        ("ticket", {"subject": "the invoice"}, "billing"),
        ("ticket", {"from": [{}, {"name": "Ann"}]}, "bug"),
        ("ticket", {"from": ["Ann"]}, None),
        ("ticket", {"from": {"1": {"name": "Bob"}}}, None),
    ],
)
def test_the_first_rule_that_fits_answers_and_else_an_example(
    tmp_path: Path, servers: dict[str, Server], hook: str, payload: Any, category: str | None
) -> None:
    rule = read(tmp_path, RULES, servers).rule_for("support", hook, payload)
    assert rule is not None
    assert (rule.reply or {}).get("category") == category
    assert reply_of(rule, servers["support"].hooks[hook]) == {"category": category or "billing"}


def test_events_may_be_given_back_or_left_to_others(
    tmp_path: Path, servers: dict[str, Server]
) -> None:
    answers = read(tmp_path, RULES + "otherwise: leave\n", servers)
    rule = answers.rule_for("support", "note", {})
    assert rule is not None
    assert rule.release is not None
    assert (rule.release.reason, rule.release.delay_s, rule.release.dead) == ("not now", 120, False)
    assert answers.rule_for("support", "ticket", {}) is None
    alone = read(tmp_path, "answers: [{hook: note}]\notherwise: leave\n", servers)
    assert alone.hooks_of(servers["support"]) == ["note"]
    assert read(tmp_path, "", servers).hooks_of(servers["support"]) == [""]


WRONG = """
answers:
  - {hook: tickt, reply: 1}
  - hook: ticket
    reply: {category: praise}
  - {server: support, hook: note, reply: 1, delay: 2s}
calls:
  - {server: support, workflow: find, arguments: {mail: a}}
  - {server: support, workflow: fnd}
"""


def faults(folder: Path, text: str, servers: dict[str, Server], **said: bool) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read(folder, text, servers, **said)
    return [fault.partition("answers.yaml:")[2] for fault in caught.value.faults]


def test_all_that_does_not_go_with_the_servers_is_named_at_once(
    tmp_path: Path, servers: dict[str, Server]
) -> None:
    hook, reply, arguments, workflow = faults(tmp_path, WRONG, servers)
    assert hook.startswith("3: answers.0.hook is for */tickt, and no server has such a hook; ")
    assert "support/ticket" in hook
    assert reply.startswith("5: answers.1.reply.category ")
    assert arguments.startswith("8: calls.0.arguments ")
    assert "did you mean `support/find`?" in workflow
    assert len(faults(tmp_path, WRONG, servers, knows_all=False)) == len((reply, arguments))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("answers: [", ["1: the file is not valid YAML"]),
        ("answrs: []", ["1: answrs is an unknown key; did you mean `answers`?"]),
        (
            "answers:\n- {hook: note, reply: 1, release: {}}\n- {delay: soon}\notherwise: never",
            ["2: answers.0.release stands beside", "3: answers.1.delay must be a time", "4: other"],
        ),
        ("answers:\n- payload: {type: no}", ["2: answers.0.payload"]),
        ("answers:\n- where: {subject: a}", ["2: answers.0.where"]),
        ("answers:\n- release: {delay: 8d}", ["2: answers.0.release.delay must be"]),
        (f"answers:\n- release: {{reason: {'x' * 1001}}}", ["2: answers.0.release.reason must "]),
        ("calls:\n- {workflow: find}", ["2: calls.0 needs `server`"]),
    ],
)
def test_all_that_is_no_answer_is_named_with_its_line(
    tmp_path: Path, servers: dict[str, Server], text: str, said: list[str]
) -> None:
    found = faults(tmp_path, text, servers)
    assert len(found) == len(said), found
    assert all(line.startswith(start) for line, start in zip(found, said, strict=True)), found
