"""Settings from the environment and from `.env` files."""

from pathlib import Path

import pytest

from bridge.configuration.settings import Settings, read_dotenv, servers_dir_of, variable
from bridge.errors import ConfigurationError

PROMISED = """
    BRIDGE_REDIS_URL BRIDGE_HOST BRIDGE_PORT BRIDGE_SERVERS BRIDGE_DATA_DIR BRIDGE_PUBLIC_URL
    BRIDGE_ALERTS BRIDGE_ALLOWED_HOSTS BRIDGE_ALLOWED_ORIGINS BRIDGE_TRUSTED_PROXIES BRIDGE_N8N_URL
    BRIDGE_N8N_API_KEY BRIDGE_REPLY_ORIGINS
    BRIDGE_REPLY_PATHS BRIDGE_REPLY_RETRY_S BRIDGE_KEEPALIVE_S
    BRIDGE_MAX_BODY_BYTES BRIDGE_RESULT_CHARS BRIDGE_RESULT_TTL_S BRIDGE_EVENT_TTL_S BRIDGE_DRAIN_S
    BRIDGE_SESSION_IDLE_S BRIDGE_SESSIONS_MAX BRIDGE_PRINCIPAL_SESSIONS_MAX BRIDGE_STREAMS_MAX
    BRIDGE_PRINCIPAL_TAKERS_MAX
    BRIDGE_EVENT_WEBHOOKS BRIDGE_EVENT_WEBHOOK_ORIGINS BRIDGE_OAUTH BRIDGE_OAUTH_ISSUER
    BRIDGE_OAUTH_APP_SCHEMES BRIDGE_OAUTH_REUSE_ENDS_GRANT
    BRIDGE_PROXY_TELLS_OF_LEAVING BRIDGE_LOG BRIDGE_METRICS_TOKEN BRIDGE_OPERATOR_TOKEN
    BRIDGE_CONSOLE_ISSUER BRIDGE_CONSOLE_CLIENT_ID BRIDGE_CONSOLE_CLIENT_SECRET
    BRIDGE_CONSOLE_SCOPES BRIDGE_CONSOLE_OPERATORS BRIDGE_CONSOLE_VIEWERS
    BRIDGE_VIEWER_TOKEN BRIDGE_VIEWER_PAYLOADS BRIDGE_OPERATORS_MCP
    BRIDGE_ALLOW_UNSAFE_REDIS BRIDGE_REPLICAS_MIN
"""
ANY_TEXT = {
    *("host", "servers_dir", "data_dir", "alerts"),
    *("n8n_api_key", "metrics_token", "operator_token", "viewer_token"),
    *("console_client_id", "console_client_secret", "console_scopes"),
}
CHECKED = sorted(variable(field) for field in Settings.model_fields.keys() - ANY_TEXT)


def faults_of(**environ: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environ(environ)
    return caught.value.faults


def test_every_promised_variable_is_a_setting_and_no_other_is() -> None:
    assert {variable(field) for field in Settings.model_fields} == set(PROMISED.split())


def test_every_setting_says_what_it_holds() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_an_empty_environment_gives_the_promised_defaults() -> None:
    settings = Settings.from_environ({})
    assert (settings.host, settings.port, settings.redis_url) == ("127.0.0.1", 8080, None)
    assert settings.servers_dir == Path("config/servers")
    assert settings.reply_paths == ("/webhook-waiting/",)
    assert (settings.keepalive_s, settings.drain_s, settings.reply_retry_s) == (15, 30, 86400)
    assert (settings.max_body_bytes, settings.result_chars) == (16 * 2**20, 20_000)
    assert (settings.result_ttl_s, settings.event_ttl_s) == (7 * 86400, 14 * 86400)
    assert not settings.allow_unsafe_redis


def test_every_setting_is_read_from_its_variable() -> None:
    settings = Settings.from_environ(
        {
            "BRIDGE_REDIS_URL": "rediss://:secret@redis:6379/0",
            "BRIDGE_PORT": "0",
            "BRIDGE_SERVERS": "/etc/servers",
            "BRIDGE_PUBLIC_URL": "https://bridge.example.com/",
            "BRIDGE_ALLOWED_HOSTS": "Bridge.internal:8080, [::1]",
            "BRIDGE_REPLY_ORIGINS": "https://A.example.com , http://b:5678/",
            "BRIDGE_REPLY_PATHS": "/webhook-waiting/,/n8n/webhook-waiting/",
            "BRIDGE_KEEPALIVE_S": "7.5",
            "BRIDGE_METRICS_TOKEN": "hush",
            "BRIDGE_ALLOW_UNSAFE_REDIS": "1",
        }
    )
    assert settings.redis_url == "rediss://:secret@redis:6379/0"
    assert (settings.port, settings.keepalive_s) == (0, 7.5)
    assert settings.servers_dir == Path("/etc/servers")
    assert settings.public_url == "https://bridge.example.com"
    assert settings.allowed_hosts == ("bridge.internal:8080", "[::1]")
    assert settings.reply_origins == ("https://a.example.com", "http://b:5678")
    assert settings.reply_paths == ("/webhook-waiting/", "/n8n/webhook-waiting/")
    assert settings.metrics_token is not None
    assert settings.metrics_token.get_secret_value() == "hush"
    assert settings.allow_unsafe_redis


def test_an_empty_variable_counts_as_not_set() -> None:
    assert Settings.from_environ({"BRIDGE_N8N_URL": "", "BRIDGE_PORT": " "}).port == 8080


def test_the_data_folder_follows_the_environment_that_was_given() -> None:
    def data_dir(**environ: str) -> Path:
        return Settings.from_environ(environ).data_dir

    assert data_dir(HOME="/home/ann") == Path("/home/ann/.local/share/n8n-bridge")
    assert data_dir(HOME="/home/ann", XDG_DATA_HOME="/data") == Path("/data/n8n-bridge")
    assert data_dir(XDG_DATA_HOME="/data", BRIDGE_DATA_DIR="/b") == Path("/b")
    assert data_dir(BRIDGE_DATA_DIR="~/b") == Path("~/b").expanduser()


def test_the_servers_folder_can_be_told_before_the_settings_are_read() -> None:
    assert servers_dir_of({}) == Settings().servers_dir
    assert servers_dir_of({"BRIDGE_SERVERS": " "}) == Settings().servers_dir
    assert servers_dir_of({"BRIDGE_SERVERS": "/etc/servers"}) == Path("/etc/servers")


def test_all_faults_are_named_at_once_a_line_each() -> None:
    faults = faults_of(
        BRIDGE_PORT="many",
        BRIDGE_KEEPALIVE_S="0",
        BRIDGE_DRAIN_S="inf",
        BRIDGE_REDIS_URL="localhost",
        BRIDGE_ALLOW_UNSAFE_REDIS="perhaps",
        BRIDGE_REPLY_PATHS=",",
        BRIDGE_TOKEN="x",
        BRIDGE_PROT="8080",
    )
    assert len(faults) == 8
    assert all("\n" not in fault for fault in faults)
    told = "\n".join(faults)
    assert "BRIDGE_PORT must be a whole number; it holds the port to listen on" in told
    assert "BRIDGE_KEEPALIVE_S must be greater than 0" in told
    assert "BRIDGE_DRAIN_S must be a finite number" in told
    assert "BRIDGE_REDIS_URL must start with one of redis://" in told
    assert "BRIDGE_ALLOW_UNSAFE_REDIS must be true or false" in told
    assert "BRIDGE_REPLY_PATHS must have at least 1 item" in told


@pytest.mark.parametrize("name", [name for name in CHECKED if name.endswith("_S")])
def test_a_time_that_redis_cannot_count_is_a_fault(name: str) -> None:
    for text in ("9" * 20, str(2**63)):
        assert f"{name} must be less than or equal to" in faults_of(**{name: text})[0]


@pytest.mark.parametrize(
    "url",
    [
        "redis://redis",
        "redis://redis:6379",
        "redis://redis:6379/2",
        "redis://:p%40ss%2Fword@redis:6379/0",
        "redis://user:a-b_c.d~e!f@redis:6379/0",
        "rediss://user:pass@[::1]:6380/0?ssl_ca_certs=/etc/ca.pem",
        "unix:///run/redis/redis.sock?db=1",
        "unix://user:pass@/run/redis.sock",
    ],
)
def test_the_address_of_a_redis_is_taken_as_it_is(url: str) -> None:
    assert Settings.from_environ({"BRIDGE_REDIS_URL": url}).redis_url == url


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cr@t@redis:6379/0",
        "redis://:s3cr@t/word@redis:6379/0",
        "redis://:s3cr/t@redis:6379/0",
        "redis://:s3cr#t@redis:6379/0",
        "redis://:s3cr?t@redis:6379/0",
        "redis://:100%s3cr@redis:6379/0",
        "redis://:s3cr t@redis:6379/0",
        "redis://:s3crt@redis:99999/0",
        "redis://:s3crt@redis:port/0",
        "redis://:s3crt@redis/cache",
        "redis://:s3crt@redis/0/1",
        "redis://:s3crt@",
        "redis://",
        "unix://",
        "unix://redis.sock",
        "unix://:s3cr@t@/run/redis.sock",
    ],
)
def test_an_address_whose_password_ends_it_early_is_a_fault_that_repeats_nothing_of_it(
    url: str,
) -> None:
    (fault,) = faults_of(BRIDGE_REDIS_URL=url)

    assert "percent-encoded (@ as %40" in fault
    assert "s3c" not in fault


def test_a_misspelt_variable_is_told_its_nearest_name() -> None:
    assert faults_of(BRIDGE_REDDIS_URL="redis://x") == (
        "BRIDGE_REDDIS_URL is no setting; did you mean `BRIDGE_REDIS_URL`?",
    )


@pytest.mark.parametrize("name", CHECKED)
def test_a_wrong_value_is_never_repeated(name: str) -> None:
    secret = "ftp://ann:hunter2@example.com:port \n"
    (fault,) = faults_of(**{name: secret})
    assert fault.startswith(name)
    assert "hunter2" not in fault


@pytest.mark.parametrize(
    "url",
    [
        "n8n:5678",
        "https://",
        "https://ann:pw@n8n",
        "http://n8n:99999",
        "http://n8n:0",
        "http://[::1",
        "http://n8n:5678?x=1",
        "http://n8n:5678/#there",
    ],
)
def test_only_an_address_with_a_host_and_no_password_is_n8ns(url: str) -> None:
    assert faults_of(BRIDGE_N8N_URL=url)


@pytest.mark.parametrize("text", ["https://n8n/path", "https://n8n?x", "n8n", "*"])
def test_an_origin_has_no_path(text: str) -> None:
    assert faults_of(BRIDGE_REPLY_ORIGINS=f"https://fine.example.com,{text}")


@pytest.mark.parametrize("text", ["https://bridge", "bridge/path", "two hosts"])
def test_an_allowed_host_is_a_host_and_no_address(text: str) -> None:
    assert faults_of(BRIDGE_ALLOWED_HOSTS=text)


def test_names_that_something_else_reads_are_no_faults() -> None:
    environ = {
        "BRIDGE_DEMO_TOKEN": "a",
        "BRIDGE_DEMO_HOOK_TOKEN": "b",
        "BRIDGE_TEST_N8N_URL": "http://n8n:5678",
        "BRIDGE_OF_MINE": "c",
        "ANYTHING": "d",
    }
    assert Settings.from_environ(environ, {"BRIDGE_OF_MINE"}) == Settings.from_environ({})
    assert len(faults_of(**environ)) == 1


def test_secrets_stay_out_of_the_repr() -> None:
    environ = {"BRIDGE_METRICS_TOKEN": "hunter2", "BRIDGE_N8N_API_KEY": "hunter2"}
    assert "hunter2" not in repr(Settings.from_environ(environ))


def test_a_dotenv_file_gives_its_variables_as_they_stand(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# a comment\nBRIDGE_PORT=1\nexport A='b c' # more\nEMPTY=\nD=${A}\n")
    assert read_dotenv(file) == {"BRIDGE_PORT": "1", "A": "b c", "EMPTY": "", "D": "${A}"}


def test_a_dotenv_file_need_not_exist(tmp_path: Path) -> None:
    assert read_dotenv(tmp_path / ".env") == {}


def test_each_line_of_a_dotenv_file_that_sets_nothing_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=1\nBRIDGE_PORT 8080\nB=2\nALONE\n")
    with pytest.raises(ConfigurationError) as caught:
        read_dotenv(file)
    assert caught.value.faults == (
        f"{file}:2: the line must read NAME=value",
        f"{file}:4: the line must read NAME=value",
    )
