"""Settings and servers, read and judged together."""

from pathlib import Path

import pytest

from bridge.authoring.checking.check import check, errors
from bridge.cli.welcome import welcome
from bridge.configuration.load import (
    is_reachable_by,
    process_configuration,
    read_configuration,
    unguarded,
)
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings
from bridge.errors import ConfigurationError
from tests.unit.wrong_server_files import HOOK


def environ(folder: Path, text: str, **more: str) -> dict[str, str]:
    (folder / "s.yaml").write_text(text)
    return {"BRIDGE_SERVERS": str(folder), **more}


def faults_of(variables: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(variables)
    return caught.value.faults


def test_settings_and_servers_are_read_together(tmp_path: Path) -> None:
    variables = environ(tmp_path, HOOK, HOOK_TOKEN="a", BRIDGE_PORT="1")
    configuration = read_configuration(variables)
    assert configuration.settings.port == 1
    assert list(configuration.servers) == ["s"]


def test_faults_of_both_are_named_at_once(tmp_path: Path) -> None:
    variables = environ(tmp_path, "name: S\n", BRIDGE_PORT="x", BRIDGE_HOTS="y")
    assert len(faults_of(variables)) == 3


FOLLOWED = "name: s\nworkflows:\n  w:\n    url: http://n\n    result: execution\n"


def test_following_executions_needs_a_key_to_n8ns_api(tmp_path: Path) -> None:
    url, key = {"BRIDGE_N8N_URL": "http://n:5678"}, {"BRIDGE_N8N_API_KEY": "a"}
    assert read_configuration(environ(tmp_path, FOLLOWED, **url, **key)).servers
    (fault,) = faults_of(environ(tmp_path, FOLLOWED, **url, BRIDGE_N8N_API_KEY=" "))
    assert fault == (
        f"{tmp_path}/s.yaml:5: workflows.w.result is `execution`, which needs BRIDGE_N8N_API_KEY: "
        "set it"
    )
    (fault,) = faults_of(environ(tmp_path, FOLLOWED))
    assert fault.endswith("which needs BRIDGE_N8N_URL and BRIDGE_N8N_API_KEY: set it")


def test_a_name_that_a_server_file_uses_is_no_unknown_setting(tmp_path: Path) -> None:
    text = "name: s\ntokens: [env:BRIDGE_OF_MINE]\n"
    assert read_configuration(environ(tmp_path, text, BRIDGE_OF_MINE="a")).servers
    (fault,) = faults_of(environ(tmp_path, "name: s\n", BRIDGE_OF_MINE="a"))
    assert fault.startswith("BRIDGE_OF_MINE is no setting")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_on_loopback_a_server_needs_no_tokens(host: str) -> None:
    assert unguarded(Settings(host=host), [Server(name="s")]) == []


@pytest.mark.parametrize(
    "settings",
    [
        Settings(host="0.0.0.0"),
        Settings(host="::"),
        Settings(host="bridge.internal"),
        Settings(public_url="https://bridge.example.com"),
    ],
)
def test_beyond_loopback_a_server_without_tokens_needs_some(settings: Settings) -> None:
    with_token = Server.model_validate({"name": "t", "tokens": [{"name": "a", "token": "b"}]})
    ((name, fault),) = unguarded(settings, [Server(name="s"), with_token])
    assert name == "s"
    assert fault.startswith("server s has no tokens")


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"BRIDGE_OAUTH": "built-in"}, "BRIDGE_PUBLIC_URL is not set"),
        (
            {"BRIDGE_OAUTH": "built-in", "BRIDGE_PUBLIC_URL": "http://bridge.example.com"},
            "BRIDGE_PUBLIC_URL must be https://",
        ),
        (
            {"BRIDGE_OAUTH_ISSUER": "http://id.example", "BRIDGE_PUBLIC_URL": "https://b.example"},
            "BRIDGE_OAUTH_ISSUER must be https://",
        ),
        (
            {
                "BRIDGE_OAUTH": "built-in",
                "BRIDGE_OAUTH_ISSUER": "https://id.example",
                "BRIDGE_PUBLIC_URL": "https://b.example",
            },
            "choose one of the two",
        ),
    ],
)
def test_oauth_without_what_makes_it_safe_stops_the_start(
    tmp_path: Path, given: dict[str, str], fault: str
) -> None:
    (told,) = faults_of(environ(tmp_path, "name: s\n", **given))
    assert fault in told


def test_oauth_on_loopback_needs_no_tls(tmp_path: Path) -> None:
    given = {"BRIDGE_OAUTH": "built-in", "BRIDGE_PUBLIC_URL": "http://127.0.0.1:8080"}
    assert read_configuration(environ(tmp_path, "name: s\n", **given)).settings.oauth


ISSUER = {
    "BRIDGE_CONSOLE_ISSUER": "https://id.example",
    "BRIDGE_CONSOLE_CLIENT_ID": "bridge",
    "BRIDGE_CONSOLE_VIEWERS": "groups=staff, realm_access.roles = auditor",
}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"BRIDGE_CONSOLE_ISSUER": "http://id.example"}, "must be https://"),
        ({"BRIDGE_CONSOLE_CLIENT_ID": ""}, "BRIDGE_CONSOLE_CLIENT_ID is not set"),
        ({"BRIDGE_CONSOLE_VIEWERS": ""}, "BRIDGE_CONSOLE_OPERATORS or BRIDGE_CONSOLE_VIEWERS is"),
        ({"BRIDGE_CONSOLE_VIEWERS": "staff"}, "must be claims with their values"),
        (
            {"BRIDGE_CONSOLE_ISSUER": "", "BRIDGE_CONSOLE_CLIENT_ID": ""},
            "does nothing without BRIDGE_CONSOLE_ISSUER",
        ),
    ],
)
def test_an_issuer_for_the_console_without_what_it_needs_stops_the_start(
    tmp_path: Path, changes: dict[str, str], fault: str
) -> None:
    (told,) = faults_of(environ(tmp_path, "name: s\n", **(ISSUER | changes)))
    assert fault in told


@pytest.mark.parametrize("name", ["BRIDGE_VIEWER_TOKEN", "BRIDGE_METRICS_TOKEN"])
def test_who_may_look_has_another_token_than_operators(name: str, tmp_path: Path) -> None:
    given = environ(tmp_path, "name: s\n", BRIDGE_OPERATOR_TOKEN=LONG)

    (fault,) = faults_of(given | {name: LONG})

    assert fault == f"{name} must be another than BRIDGE_OPERATOR_TOKEN, which may do everything"
    assert read_configuration(given | {name: LONG[::-1]}).faults == ()


def test_claims_are_read_with_blanks_around_them(tmp_path: Path) -> None:
    settings = read_configuration(environ(tmp_path, "name: s\n", **ISSUER)).settings
    assert settings.console_viewers == ("groups=staff", "realm_access.roles=auditor")


DROPPED = """\
name: s
description: d
tokens: [{name: t, token: env:S_TOKEN}]
workflows:
  w: {description: d, url: http://n, input: {type: object, properties: {First Name: {}}}}
  v: {description: d, url: http://n, input: {type: object, oneOf: [{required: [a]}]}}
"""


def test_what_clients_drop_is_a_warning_at_every_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    redis = {"BRIDGE_REDIS_URL": "redis://127.0.0.1:1", "BRIDGE_N8N_URL": "http://127.0.0.1:1"}
    variables = environ(tmp_path, DROPPED, S_TOKEN="a-token-of-sixteen", **redis)
    configuration = process_configuration(variables)
    logged = [vars(line)["warning"] for line in caplog.records]
    assert [line.split(" ")[1] for line in logged] == [
        "workflows.w.input.properties.First",
        "workflows.v.input.oneOf",
    ]
    greeting = welcome(configuration, variables, None)
    assert all(line in greeting for line in logged)
    at = "http://127.0.0.1:8080/mcp/s"
    line = f'claude mcp add --scope user --transport http s {at} --header "Authorization: Bearer '
    assert f'{line}$S_TOKEN"' in greeting
    assert f'{line}<the token t>"' in welcome(configuration, {"BRIDGE_N8N_URL": "http://n"}, None)
    assert "a-token-of-sixteen" not in greeting


def test_who_is_served_the_demo_is_told_where_server_files_go(tmp_path: Path) -> None:
    folder = tmp_path / "my servers"
    configuration = read_configuration(environ(tmp_path, HOOK, HOOK_TOKEN="a-token-of-sixteen"))
    greeting = welcome(configuration, {"BRIDGE_N8N_URL": "http://n"}, None, folder)
    assert f"Put their files into {folder} and start again" in greeting
    assert f"mkdir -p '{folder}' && cp " in greeting
    assert str(folder) not in welcome(configuration, {"BRIDGE_N8N_URL": "http://n"}, None)


def test_a_process_that_shares_its_redis_is_told_that_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        process_configuration(environ(tmp_path, HOOK, HOOK_TOKEN="a"))
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        "BRIDGE_REDIS_URL is not set"
    ]


def test_settings_that_cannot_be_read_may_let_anybody_reach_the_bridge() -> None:
    assert is_reachable_by({"BRIDGE_PUBLIC_URL": "no address"})
    assert is_reachable_by({"BRIDGE_HOST": "0.0.0.0"})
    assert not is_reachable_by({})


SECRETS = """
name: s
tokens: [env:A, {name: alice, token: env:B}]
hooks:
  bearer: {auth: {bearer: env:A}}
  basic: {auth: {basic: {user: me, password: env:A}}}
  either: {auth: [{github: env:A}, {bearer: env:B}]}
workflows:
  w: {description: d, url: "http://n:5678/w", auth: {bearer: env:N8N}}
"""
SHORT, LONG, BARELY = "a", "0123456789abcdef", "0123456789abcde"
PLACES = ("tokens.0", "hooks.bearer.auth.bearer", "hooks.basic.auth.basic.password")


@pytest.mark.parametrize("short", [SHORT, BARELY])
@pytest.mark.parametrize(
    "reachable",
    [{"BRIDGE_HOST": "0.0.0.0"}, {"BRIDGE_PUBLIC_URL": "https://b.example"}, {"BRIDGE_PORT": "x"}],
)
def test_a_secret_that_can_be_guessed_stops_the_start_where_strangers_come(
    tmp_path: Path, reachable: dict[str, str], short: str
) -> None:
    given = {"A": short, "B": LONG, "N8N": "n", "BRIDGE_METRICS_TOKEN": short, **reachable}
    variables = environ(tmp_path, SECRETS, **given, BRIDGE_OPERATOR_TOKEN=LONG)
    is_near = "BRIDGE_PORT" in reachable
    named = [fault for fault in faults_of(variables) if "fewer than 16" in fault]
    assert len(named) == (0 if is_near else 5)
    if not is_near:
        assert named[0].startswith("BRIDGE_METRICS_TOKEN is a secret of fewer than 16 characters")
        for place in (*PLACES, "hooks.either.auth.0.github"):
            assert any(f" {place} is a secret" in fault for fault in named), place
        assert {str(each) for each in errors(check(tmp_path, variables))} == set(named)


def test_on_loopback_a_secret_that_can_be_guessed_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = {"A": SHORT, "B": LONG, "N8N": "n", "BRIDGE_REDIS_URL": "redis://r"}
    variables = environ(tmp_path, SECRETS, **given)
    configuration = process_configuration(variables)
    assert len(configuration.short_secrets) == 4
    assert [record.message for record in caplog.records] == ["secret.short"] * 4
    assert errors(check(tmp_path, variables)) == ()
    told = welcome(configuration, {"BRIDGE_N8N_URL": "http://n"}, None)
    assert "tokens.0 is a secret of fewer than 16 characters" in told


def test_secrets_of_n8n_are_n8n_s_to_judge(tmp_path: Path) -> None:
    given = {"A": LONG, "B": LONG[::-1], "N8N": "n", "BRIDGE_HOST": "0.0.0.0"}
    read = read_configuration(environ(tmp_path, SECRETS, **given, BRIDGE_N8N_API_KEY="k"))
    assert read.short_secrets == ()
