"""Settings: what the `BRIDGE_*` variables say, read once and passed by hand."""

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from dotenv.parser import parse_stream
from pydantic import BaseModel, Field, SecretStr, ValidationError

from bridge.configuration.setting_values import (
    Claims,
    Folder,
    Hosts,
    Key,
    Networks,
    Origins,
    Prefixes,
    RedisAddress,
    Schemes,
    Seconds,
    Web,
    WholeSeconds,
)
from bridge.configuration.wording import predicate, suggestion
from bridge.errors import ConfigurationError
from bridge.formats.quantities import SECONDS_MAX

DEMO_VARIABLES = frozenset({"BRIDGE_DEMO_TOKEN", "BRIDGE_DEMO_HOOK_TOKEN"})
"""What the demo server's file asks for; `up` makes up what is not set."""

APP_SCHEMES = ("cursor", "vscode", "vscode-insiders", "windsurf")
"""Schemes of apps that are known to send OAuth answers there, though RFC 8252 wants a dot."""

MAX_BODY_BYTES = 16 * 1024 * 1024
"""As n8n's."""

_TESTS_PREFIX = "BRIDGE_TEST_"


class Settings(BaseModel, frozen=True, extra="forbid"):
    """How this process runs.

    The first sentence of each description ends the sentence "the variable holds …", as an error
    says it; docs/reference/settings.md shows all of it.
    """

    redis_url: RedisAddress | None = Field(
        None,
        description="the address of Redis, as `redis://`, `rediss://` or `unix://`, or of its "
        "Sentinels, as `redis+sentinel://HOST:PORT,HOST:PORT/NAME/0` (`rediss+sentinel://`). "
        "Without it `up` starts a Valkey, which `stdio` joins; `web` and `worker` need it",
    )
    replicas_min: int = Field(
        0,
        ge=0,
        le=99,
        description="how many replicas of Redis must have what the bridge says it has taken. If "
        "that is all of them, a failover loses nothing that was answered, and while one is away "
        "nothing is taken",
    )
    host: str = Field("127.0.0.1", description="the address to listen on")
    port: int = Field(
        8080,
        ge=0,
        le=65535,
        description="the port to listen on; 0 takes a free one. `web` takes `--port` before it, "
        "and `PORT` where neither is said",
    )
    servers_dir: Folder = Field(
        Path("config/servers"),
        description="the folder with the server files. Where it is neither set nor there, `up` "
        "serves the demo that ships",
    )
    alerts: Folder | None = Field(
        None,
        description="the file of alerts: what the bridge tells by itself when it goes wrong, and "
        "whom. It does not lie among the server files",
    )
    data_dir: Folder = Field(
        Path("~/.local/share/n8n-bridge"),
        validate_default=True,
        description="the folder for what the bridge itself must keep: the embedded Valkey's data "
        "and the demo's tokens. Under `XDG_DATA_HOME` where that is set",
    )
    public_url: Web | None = Field(
        None,
        description="the address that n8n and Claude reach the bridge by, if a proxy has one. "
        "Its host is let in, and `status_url` and callback addresses begin with it",
    )
    allowed_hosts: Hosts = Field(
        (),
        description="further Host headers to answer, with commas. Loopback and the host of "
        "`BRIDGE_PUBLIC_URL` are answered anyway",
    )
    allowed_origins: Origins = Field(
        (),
        description="Origin headers to answer, with commas, whose web pages may read the answers "
        "(CORS). Those of loopback may too",
    )
    trusted_proxies: Networks = Field(
        (),
        description="addresses or networks of proxies that tell who asks, with commas. Their "
        "`X-Forwarded-For`, `X-Real-IP` or `Forwarded` is believed: each client is braked for "
        "its own wrong credentials then",
    )
    n8n_url: Web | None = Field(
        None,
        description="the address of n8n, as n8n writes its own addresses. Replies go to this "
        "origin; server files use it as `${BRIDGE_N8N_URL}`",
    )
    n8n_api_key: Key | None = Field(
        None,
        description="a key to n8n's API with the scope `execution:read`. `result: execution` "
        "needs it",
    )
    reply_origins: Origins = Field(
        (), description="further origins that replies may go to, with commas"
    )
    reply_paths: Prefixes = Field(
        ("/webhook-waiting/",), description="what a reply address's path begins with, with commas"
    )
    reply_retry_s: Seconds = Field(
        86400, description="the seconds for which an undelivered reply is tried again"
    )
    keepalive_s: Seconds = Field(
        15, description="the seconds between signs of life on a stream; 8 behind Cloudflare"
    )
    max_body_bytes: int = Field(
        MAX_BODY_BYTES,
        ge=1,
        description="the bytes that a request's body may have; n8n's own limit is the same",
    )
    result_chars: int = Field(
        20_000,
        ge=1,
        description="the characters of a result or payload that Claude is shown at once",
    )
    result_ttl_s: WholeSeconds = Field(
        7 * 86400,
        description="the seconds for which a call's result is kept; the record of the call is "
        "kept as long again",
    )
    event_ttl_s: WholeSeconds = Field(
        14 * 86400,
        description="the seconds for which an event without `answer_within` stays open, and for "
        "which every event is kept after its time to be answered",
    )
    event_webhooks: bool = Field(
        True,
        description="whether clients may have events sent to an https address of theirs. `0` "
        "offers no webhooks of the MCP Events extension",
    )
    event_webhook_origins: Origins = Field(
        (),
        description="origins inside the network that events may be sent to, with commas, such as "
        "`https://agents.internal:8443`. Addresses of the internet need not be named",
    )
    session_idle_s: WholeSeconds = Field(
        86400,
        description="the seconds without a sign of life after which a session ends, of the 2025 "
        "wires or of HTTP+SSE. An open stream is such a sign",
    )
    sessions_max: int = Field(
        100_000,
        ge=1,
        description="the sessions that there may be; idle ones make room. For a new one beyond, "
        "the one that was idle longest ends; where all gave a sign of life within six minutes, "
        "503",
    )
    principal_sessions_max: int = Field(
        10_000,
        ge=1,
        description="the sessions that one token's name may have of these; for a new one beyond, "
        "likewise, with 429",
    )
    principal_takers_max: int = Field(
        1000,
        ge=1,
        description="the `take_event` that may wait for an event under one token's name. One "
        "more is an error that says when to ask again",
    )
    streams_max: int = Field(
        10_000,
        ge=1,
        description="the standing streams that one web process may hold open. Beyond, 503 with "
        "`Retry-After`. The process raises its limit of open files for them, and says so if it "
        "may not",
    )
    proxy_tells_of_leaving: bool = Field(
        False,
        description="whether the reverse proxy closes its connection to the bridge as soon as "
        "its client leaves. nginx, Caddy and Traefik do, HAProxy and Apache do not",
    )
    drain_s: float = Field(
        30,
        ge=0,
        le=SECONDS_MAX,
        allow_inf_nan=False,
        description="the seconds that a stop waits for open work. More than your longest call "
        "with `result: response` takes, if no restart shall cut one off",
    )
    oauth: Literal["built-in"] | None = Field(
        None, description="`built-in` to let people connect OAuth clients with a token of theirs"
    )
    oauth_issuer: Web | None = Field(
        None, description="the issuer of OAuth access tokens, if it is not the bridge itself"
    )
    oauth_app_schemes: Schemes = Field(
        APP_SCHEMES,
        description="schemes without a dot that OAuth clients may be redirected to, with commas. "
        "Those of the default belong to apps that are known to",
    )
    oauth_reuse_ends_grant: bool = Field(
        False,
        description="`1` to end what a person has granted when a refresh token is used that "
        "counts no more",
    )
    log: Literal["console", "json"] | None = Field(
        None,
        description="`console` for lines that people read, or `json` for those that programs "
        "read. Not set, a terminal gets the first and all else the second",
    )
    metrics_token: SecretStr | None = Field(
        None, description="the token that `/metrics` asks for. Without it only loopback may look"
    )
    operator_token: SecretStr | None = Field(
        None,
        description="the token that operators' acts ask for over HTTP, such as `POST "
        "/events/{event_id}/redrive` and `/pauses`, and by which they log in at `/console`. "
        "Without it only loopback may act",
    )
    viewer_token: SecretStr | None = Field(
        None,
        description="the token by which people log in at `/console` who may look and change "
        "nothing. They see no payload, result or answer",
    )
    viewer_payloads: bool = Field(
        False, description="`1` to show those who may only look payloads, results and answers too"
    )
    operators_mcp: bool = Field(
        False, description="`1` for MCP tools of operators, at `/mcp/_operators`, by these tokens"
    )
    console_issuer: Web | None = Field(
        None,
        description="the OpenID issuer with which people log in at `/console`, such as "
        "`https://login.example.com/realms/main`",
    )
    console_client_id: str = Field(
        "", description="the name of the bridge as a client of `BRIDGE_CONSOLE_ISSUER`"
    )
    console_client_secret: SecretStr | None = Field(
        None, description="the secret of the bridge as such a client, if it was given one"
    )
    console_scopes: str = Field(
        "openid email profile",
        description="what is asked of that issuer, with blanks. Some tell of groups only if "
        "`groups` is among them",
    )
    console_operators: Claims = Field(
        (),
        description="what makes somebody who has logged in there an operator: claims with their "
        "values, with commas, such as `groups=bridge-operators, email=ann@example.com`",
    )
    console_viewers: Claims = Field(
        (), description="what makes somebody a viewer who is no operator, likewise"
    )
    allow_unsafe_redis: bool = Field(
        False, description="`1` to start even on a Redis that may lose what it was given"
    )

    @property
    def base_url(self) -> str:
        """Return the address that n8n and receivers know the bridge by, without a slash behind."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], known_names: Container[str] = ()) -> Self:
        """Read the settings from the environment; an empty variable counts as not set.

        Args:
            environ: the environment, a `.env` file already merged in.
            known_names: further `BRIDGE_*` names that something else reads, a server file say.

        Raises:
            ConfigurationError: naming every unknown variable and every wrong value at once, and
                never repeating a value.
        """
        given = {name: text.strip() for name, text in environ.items() if text.strip()}
        faults = [
            f"{name} is no setting; {suggestion(name, _VARIABLES)}"
            for name in sorted(environ)
            if name.startswith("BRIDGE_") and not _is_known(name, known_names)
        ]
        raw: dict[str, Any] = {"data_dir": _data_dir(given)}
        raw |= {field: given[name] for name, field in _VARIABLES.items() if name in given}
        try:
            settings = cls.model_validate(raw)
        except ValidationError as error:
            faults += [
                f"{variable(str(details['loc'][0]))} {predicate(details)}; it holds "
                f"{(cls.model_fields[str(details['loc'][0])].description or '').partition('. ')[0]}"
                for details in error.errors(include_url=False)
            ]
            raise ConfigurationError(tuple(faults)) from None
        if faults:
            raise ConfigurationError(tuple(faults))
        return settings


def variable(field: str) -> str:
    """Name the environment variable that sets a field of `Settings`."""
    return "BRIDGE_SERVERS" if field == "servers_dir" else f"BRIDGE_{field.upper()}"


def servers_dir_of(environ: Mapping[str, str]) -> Path:
    """Return the folder with the server files, which must be read before the settings can be."""
    given = environ.get("BRIDGE_SERVERS", "").strip()
    return Path(given or Settings().servers_dir).expanduser()


def data_dir_of(environ: Mapping[str, str]) -> Path:
    """Return the folder for what this machine keeps, whatever else is wrong or still missing."""
    needed = {
        name: value
        for name, value in environ.items()
        if name == "BRIDGE_DATA_DIR" or not name.startswith("BRIDGE_")
    }
    return Settings.from_environ(needed).data_dir


def read_dotenv(path: Path) -> dict[str, str]:
    """Read the variables of a `.env` file as they stand; none if there is no such file.

    Raises:
        ConfigurationError: naming each line that sets no variable, or why none can be read.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            bindings = list(parse_stream(file))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        why = "it must be UTF-8" if isinstance(error, ValueError) else error.strerror
        raise ConfigurationError((f"{path} cannot be read: {why}",)) from error
    faults = tuple(
        f"{path}:{binding.original.line}: the line must read NAME=value"
        for binding in bindings
        if binding.error or (binding.key is not None and binding.value is None)
    )
    if faults:
        raise ConfigurationError(faults)
    return {binding.key: binding.value or "" for binding in bindings if binding.key is not None}


_VARIABLES = {variable(field): field for field in Settings.model_fields}


def _is_known(name: str, known_names: Container[str]) -> bool:
    return (
        name in _VARIABLES
        or name in DEMO_VARIABLES
        or name in known_names
        or name.startswith(_TESTS_PREFIX)
    )


def _data_dir(given: Mapping[str, str]) -> Path:
    share = given.get("XDG_DATA_HOME") or str(Path(given.get("HOME", "~"), ".local", "share"))
    return Path(share, "n8n-bridge").expanduser()
