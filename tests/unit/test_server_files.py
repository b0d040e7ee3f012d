"""Server files: what they become, and how each fault in them is told."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from bridge.configuration.server_files import ServerFiles, read_server_files
from bridge.configuration.server_options import Dedupe, Keep, MetaHandshake
from bridge.configuration.servers import HeaderAuth, Server
from bridge.formats.quantities import Rate
from tests.unit.wrong_server_files import HOOK, WORKFLOW, WRONG

ROOT = Path(__file__).parents[2]
SUPPORT = Path(__file__).parent / "server_files" / "support.yaml"
ENVIRON = {
    "BRIDGE_N8N_URL": "http://n8n:5678/",
    "SUPPORT_TOKEN": "claude-1",
    "HOOK_TOKEN": "hook-1",
    "N8N_KEY": "key-1",
    "OTHER": "other-1",
    "VERIFY": "verify-1",
    "FIVE": "5",
    "BRIDGE_DEMO_TOKEN": "demo-1",
    "BRIDGE_DEMO_HOOK_TOKEN": "demo-2",
}


def read(folder: Path, text: str, name: str = "s.yaml") -> ServerFiles:
    (folder / name).write_text(text)
    return read_server_files(folder / name, ENVIRON)


def server(folder: Path, text: str) -> Server:
    found = read(folder, text)
    assert found.faults == ()
    (only,) = found.servers.values()
    return only


def faults(folder: Path, text: str) -> list[str]:
    found = read(folder, text)
    assert found.servers == {}
    return [fault.removeprefix(f"{folder}/") for fault in found.faults]


def test_every_key_of_the_contracts_example_is_read() -> None:
    found = read_server_files(SUPPORT, ENVIRON)
    assert found.faults == ()
    assert found.variables == {"BRIDGE_N8N_URL", "SUPPORT_TOKEN", "HOOK_TOKEN", "N8N_KEY", "VERIFY"}
    support = found.servers["support"]
    assert (support.name, support.title, support.trim_context) == ("support", "Support desk", True)
    assert [(token.name, token.value.get_secret_value()) for token in support.tokens] == [
        ("SUPPORT_TOKEN", "claude-1")
    ]
    hook = support.hooks["ticket-created"]
    assert (hook.name, hook.answer_within_s, hook.lease_s) == ("ticket-created", 900, 900)
    assert (hook.reply_url, hook.max_attempts, hook.priority) == ("signed", 5, 0)
    assert hook.default_reply == {"category": "question", "draft": "We are on it."}
    assert hook.coalesce is not None
    assert (hook.coalesce.key, hook.coalesce.window_s) == ("/ticket/id", 30)
    assert hook.limits is not None
    assert (hook.limits.rate, hook.limits.queued) == (Rate(100, 1), 100_000)
    workflow = support.workflows["parse_document"]
    assert workflow.name == "parse_document"
    assert workflow.url == "http://n8n:5678/webhook/parse-document"
    assert (workflow.method, workflow.result, workflow.progress) == ("POST", "response", False)
    assert isinstance(workflow.auth, HeaderAuth)
    assert (workflow.auth.name, workflow.auth.value.get_secret_value()) == ("X-Key", "key-1")
    assert (workflow.timeout_s, workflow.answer_inline_for_s, workflow.attach_for_s) == (
        1200,
        45,
        600,
    )
    retry = workflow.retry
    assert (retry.attempts, retry.first_s, retry.cap_s, workflow.concurrency) == (3, 2, 60, 20)
    assert workflow.annotations.read_only
    assert workflow.annotations.idempotent


def test_the_keys_for_senders_that_are_not_n8n_are_read() -> None:
    support = read_server_files(SUPPORT, ENVIRON).servers["support"]
    hook = support.hooks["ticket-created"]
    assert hook.keep == Keep(headers=("X-GitHub-Event",), query=True)
    assert hook.dedupe == Dedupe(header="X-GitHub-Delivery")
    assert hook.handshake == MetaHandshake(token=SecretStr("verify-1"))
    assert support.workflows["parse_document"].headers == {
        "CF-Access-Client-Id": SecretStr("key-1")
    }


def test_a_value_that_stands_in_the_file_is_no_secret(tmp_path: Path) -> None:
    only = server(tmp_path, WORKFLOW + "    headers: {X-Tenant: acme}\n")
    assert only.workflows["w"].headers == {"X-Tenant": "acme"}


def test_json_files_have_the_same_shape(tmp_path: Path) -> None:
    (tmp_path / "support.json").write_text(
        json.dumps(yaml.safe_load(SUPPORT.read_text()), indent="\t")
    )
    shutil.copytree(SUPPORT.parent / "my_tools", tmp_path / "my_tools")
    as_json = read_server_files(tmp_path, ENVIRON)
    assert as_json.faults == ()
    elsewhere = {"python": None}  # it says where the handlers are
    assert [
        each.model_copy(update=elsewhere)
        for found in (as_json, read_server_files(SUPPORT, ENVIRON))
        for each in found.servers.values()
    ] == [as_json.servers["support"].model_copy(update=elsewhere)] * 2


def test_the_demo_that_ships_is_sound() -> None:
    found = read_server_files(ROOT / "config" / "servers", ENVIRON)
    assert found.faults == ()
    demo = found.servers["demo"]
    assert [token.value.get_secret_value() for token in demo.tokens] == ["demo-1"]
    assert demo.workflows["slow_tool"].url == "http://n8n:5678/webhook/slow-tool"


def test_what_is_left_out_has_the_promised_defaults(tmp_path: Path) -> None:
    only = server(tmp_path, HOOK + WORKFLOW.removeprefix("name: s\n"))
    assert (only.title, only.tokens) == ("s", ())
    hook, workflow = only.hooks["h"], only.workflows["w"]
    assert (hook.payload, hook.reply, hook.answer_within_s, hook.has_default_reply) == (
        None,
    ) * 3 + (False,)
    assert (hook.lease_s, hook.max_attempts, hook.coalesce, hook.limits) == (900, 5, None, None)
    assert (workflow.method, workflow.auth, workflow.output) == ("POST", None, None)
    assert workflow.input == {"type": "object", "additionalProperties": False}
    assert (workflow.timeout_s, workflow.answer_inline_for_s, workflow.attach_for_s) == (
        1200,
        45,
        600,
    )


@pytest.mark.parametrize("keys", ["attach: false", "attach: false\n    attach_for: 10m"])
def test_attaching_can_be_turned_off(tmp_path: Path, keys: str) -> None:
    assert server(tmp_path, f"{WORKFLOW}    {keys}\n").workflows["w"].attach_for_s is None


def test_a_null_default_reply_is_a_default_reply(tmp_path: Path) -> None:
    hook = server(tmp_path, f"{HOOK}    answer_within: 1m\n    default_reply: null\n").hooks["h"]
    assert hook.has_default_reply
    assert hook.default_reply is None


@pytest.mark.parametrize(
    ("written", "kinds"),
    [
        ("{bearer: env:OTHER}", ["bearer"]),
        ("{basic: {user: env:OTHER, password: env:OTHER}}", ["basic"]),
        ("{standard_webhooks: whsec_c2VjcmV0}", ["standard_webhooks"]),
        ("{github: env:OTHER}", ["github"]),
        ("[{bearer: env:OTHER}, {github: x}, {bearer: x}]", ["bearer", "github", "bearer"]),
    ],
)
def test_a_hook_takes_one_auth_or_a_list_of_any_kinds(
    tmp_path: Path, written: str, kinds: list[str]
) -> None:
    hook = server(tmp_path, f"name: s\nhooks: {{h: {{auth: {written}}}}}\n").hooks["h"]
    assert [auth.kind for auth in hook.auth] == kinds


def test_tokens_of_one_name_may_rotate(tmp_path: Path) -> None:
    text = "name: s\ntokens: [{name: ann, token: env:OTHER}, {name: ann, token: x}, env:FIVE]"
    names = [token.name for token in server(tmp_path, text).tokens]
    assert names == ["ann", "ann", "FIVE"]


def test_variables_fill_in_texts_and_numbers(tmp_path: Path) -> None:
    text = (
        HOOK
        + "    max_attempts: ${FIVE}\n    lease: ${FIVE}m\n    description: $${FIVE} is ${FIVE}\n"
    )
    hook = server(tmp_path, text).hooks["h"]
    assert (hook.max_attempts, hook.lease_s, hook.description) == (5, 300, "${FIVE} is 5")


def test_the_line_end_of_a_mounted_secret_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("name: s\ntokens: [env:MOUNTED]\n")
    found = read_server_files(tmp_path, {"MOUNTED": "secret\n"})
    assert found.servers["s"].tokens[0].value.get_secret_value() == "secret"


def test_secrets_stay_out_of_the_repr() -> None:
    shown = repr(read_server_files(SUPPORT, ENVIRON).servers)
    assert not [secret for secret in ("claude-1", "hook-1", "key-1") if secret in shown]


def test_an_unset_variable_is_a_fault_at_its_line_and_is_told_once(tmp_path: Path) -> None:
    text = "name: s\ntokens:\n  - env:NONE\nworkflows:\n  w:\n    url: ${NOWHERE}/webhook/w\n"
    assert faults(tmp_path, text) == [
        "s.yaml:3: tokens.0 needs the variable NONE, which is not set or empty: set it",
        "s.yaml:6: workflows.w.url needs the variable NOWHERE, which is not set or empty: set it",
    ]
    assert read(tmp_path, text).variables == {"NONE", "NOWHERE"}


@pytest.mark.parametrize(("text", "expected"), WRONG.items(), ids=list(WRONG.values()))
def test_a_wrong_file_is_told_by_line_and_key(tmp_path: Path, text: str, expected: str) -> None:
    (fault,) = faults(tmp_path, text)
    assert fault.startswith(f"s.yaml:{expected}")


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        HOOK + "    lease: soon\n    lese: 1m\n    payload:\n      type: x\n      items: 1\n"
    )
    (tmp_path / "b.json").write_text('{\n"name": "b",\n"tokens": 5,\n"x": 1}')
    (tmp_path / "c.yml").write_text("name: [\n")
    told = read_server_files(tmp_path, ENVIRON).faults
    starts = [fault.removeprefix(f"{tmp_path}/").split(" ")[0:2] for fault in told]
    assert starts == [
        ["a.yaml:5:", "hooks.h.lease"],
        ["a.yaml:6:", "hooks.h.lese"],
        ["a.yaml:8:", "hooks.h.payload.type"],
        ["a.yaml:9:", "hooks.h.payload.items"],
        ["b.json:3:", "tokens"],
        ["b.json:4:", "x"],
        ["c.yml:2:", "the"],
    ]


def test_sound_files_are_read_beside_faulty_ones(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: A\n")
    (tmp_path / "b.yaml").write_text("name: b\n")
    (tmp_path / ".c.yaml").write_text("an editor's own\n")
    (tmp_path / "notes.txt").write_text("no server file\n")
    found = read_server_files(tmp_path, {})
    assert list(found.servers) == ["b"]
    assert len(found.faults) == 1


def test_two_files_may_not_share_a_name(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: s\n")
    (tmp_path / "b.yaml").write_text("title: x\nname: s\n")
    found = read_server_files(tmp_path, {})
    assert found.faults == (
        f"{tmp_path}/b.yaml:2: name is that of {tmp_path}/a.yaml too: choose another",
    )


def test_a_folder_without_server_files_is_a_fault(tmp_path: Path) -> None:
    (fault,) = read_server_files(tmp_path, {}).faults
    assert fault.startswith(f"{tmp_path}: the folder holds no")
    (fault,) = read_server_files(tmp_path / "none", {}).faults
    assert fault.startswith(f"{tmp_path}/none:1: the file cannot be read")


def test_no_fault_repeats_a_secret(tmp_path: Path) -> None:
    environ = {"A": "hunter2\x00", "B": "ftp://hunter2"}
    text = (
        "name: s\ntokens: [env:A]\nhooks: {h: {auth: {bearer: env:A}, lease: env:B}}\n"
        "workflows: {w: {url: '${B}', auth: {bearer: env:A}, method: '${B}', input: '${B}'}}\n"
    )
    (tmp_path / "s.yaml").write_text(text)
    told = read_server_files(tmp_path, environ).faults
    assert len(told) == 7
    assert "hunter2" not in "\n".join(told)


def test_a_pipe_in_the_folder_is_waited_for_by_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "desk.yaml").write_text("name: desk\n")
    assert read_server_files(tmp_path, ENVIRON).servers.keys() == {"desk"}


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Be kept out of files by their modes, as all are but the superuser."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


def test_a_folder_that_may_not_be_read_is_one_fault(tmp_path: Path) -> None:
    for above in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        above.chmod(0o755)
    folder = tmp_path / "servers"
    folder.mkdir()
    folder.chmod(0)
    with as_nobody():
        (fault,) = read_server_files(folder, ENVIRON).faults
    said = f"{folder}: the folder cannot be read: Permission denied; let this user read it"
    assert fault == said
