"""What a process starts on: settings and servers, read and judged before anything starts."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import get_args
from urllib.parse import urlsplit

from pydantic import SecretStr

from bridge.configuration.alert_files import read_alert_file
from bridge.configuration.alerts import Alerts
from bridge.configuration.operators_server import NEEDS_TOKEN
from bridge.configuration.server_files import read_server_files
from bridge.configuration.servers import Server
from bridge.configuration.settings import Settings, servers_dir_of, variable
from bridge.configuration.short_secrets import TOO_SHORT, is_short
from bridge.errors import ConfigurationError
from bridge.formats.addresses import is_loopback

OF_N8N = "n8n_api_key"
"""The setting whose secret is n8n's to judge."""


@dataclass(frozen=True)
class Configuration:
    """All that a process is told from outside; `warnings` and `short_secrets` keep it from nothing.

    Where more than this machine can reach the bridge, short secrets are faults. `faults` are
    those of server files that are not served, where that keeps the process from nothing.
    """

    settings: Settings
    servers: dict[str, Server]
    warnings: tuple[str, ...] = ()
    short_secrets: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    alerts: Alerts | None = None


def read_configuration(environ: Mapping[str, str], *, keeps_going: bool = False) -> Configuration:
    """Read the settings, the server files that they point to, and the file of alerts.

    When it `keeps_going`, files that are not sound are left out.

    Raises:
        ConfigurationError: naming every fault of both at once.
    """
    files = read_server_files(servers_dir_of(environ), environ)
    alerts = read_alert_file(environ, files)
    short = (*short_in_settings(environ), *files.short_secrets)
    unsound = (*files.faults, *alerts.faults)
    faults = (*(() if keeps_going else unsound), *(short if is_reachable_by(environ) else ()))
    try:
        settings = Settings.from_environ(environ, files.variables | alerts.variables)
    except ConfigurationError as error:
        raise ConfigurationError((*error.faults, *faults)) from error
    faults += tuple(faults_between(settings))
    if faults:
        raise ConfigurationError(faults)
    return Configuration(settings, files.servers, files.warnings, short, unsound, alerts.alerts)


@dataclass(frozen=True)
class ReadAnew:
    """What the files of a process that runs hold now."""

    servers: dict[str, Server]
    alerts: Alerts | None


def read_anew(
    environ: Mapping[str, str], settings: Settings, last: ReadAnew | None = None
) -> ReadAnew:
    """Read the server files and the alerts of a process that runs; its settings stay as they are.

    With what was there `last`, what is not sound is logged, and nothing of it is taken away: in
    place of a file with a fault its server, or the alerts, stand as they were.

    Raises:
        ConfigurationError: naming every fault of the files.
    """
    files = read_server_files(servers_dir_of(environ), environ)
    alerts = read_alert_file(environ, files)
    faults = files.short_secrets if is_reachable(settings) else ()
    if last is None:
        faults = files.faults + alerts.faults + faults
    if faults:
        raise ConfigurationError(faults)
    log_faults(files.faults + alerts.faults)
    log_warnings(files.warnings, files.short_secrets)
    if last is None:
        return ReadAnew(files.servers, alerts.alerts)
    return ReadAnew(
        {**last.servers, **files.servers} if files.faults else files.servers,
        last.alerts if alerts.faults else alerts.alerts,
    )


def log_faults(faults: Iterable[str]) -> None:
    """Log which server files are not served as they are now."""
    for fault in faults:
        logger.error("server_file.left_out", extra={"fault": fault})


def log_warnings(warnings: Iterable[str], short_secrets: Iterable[str]) -> None:
    """Log what is better mended, and keeps nothing from being served."""
    for warning in warnings:
        logger.warning("server_file.warning", extra={"warning": warning})
    for secret in short_secrets:
        logger.warning("secret.short", extra={"warning": secret})


def faults_between(settings: Settings) -> Iterator[str]:
    """Name what settings want of one another and lack."""
    yield from _faults_of_oauth(settings)
    yield from _faults_of_console(settings)
    if settings.operators_mcp and settings.operator_token is None:
        yield NEEDS_TOKEN
    less = {
        "BRIDGE_VIEWER_TOKEN": settings.viewer_token,
        "BRIDGE_METRICS_TOKEN": settings.metrics_token,
    }
    for name, token in less.items():
        if token and token == settings.operator_token:
            yield f"{name} must be another than BRIDGE_OPERATOR_TOKEN, which may do everything"


def _faults_of_oauth(settings: Settings) -> Iterator[str]:
    """Name what OAuth lacks: its tokens are for the public address, and TLS keeps them secret.

    Source: RFC 8414, 2; RFC 9728, 1.2; MCP 2025-11-25, "Authorization".
    """
    if settings.oauth and settings.oauth_issuer:
        yield "BRIDGE_OAUTH and BRIDGE_OAUTH_ISSUER are both set: choose one of the two"
    if not settings.oauth and not settings.oauth_issuer:
        return
    for name, url in (
        ("BRIDGE_PUBLIC_URL", settings.public_url),
        ("BRIDGE_OAUTH_ISSUER", settings.oauth_issuer),
    ):
        parts = urlsplit(url or "")
        if url and parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            yield f"{name} must be https:// for OAuth, but on loopback"
    if settings.public_url is None:
        yield "BRIDGE_PUBLIC_URL is not set, but OAuth's tokens are made out to it"


def _faults_of_console(settings: Settings) -> Iterator[str]:
    """Name what logging in at an issuer lacks."""
    client = "BRIDGE_CONSOLE_CLIENT_ID", settings.console_client_id
    roles = (
        "BRIDGE_CONSOLE_OPERATORS or BRIDGE_CONSOLE_VIEWERS",
        settings.console_operators or settings.console_viewers,
    )
    issuer = settings.console_issuer
    for name, given in (client, roles):
        if issuer and not given:
            yield f"{name} is not set, but needed for BRIDGE_CONSOLE_ISSUER"
        if given and not issuer:
            yield f"{name} is set, but does nothing without BRIDGE_CONSOLE_ISSUER"
    parts = urlsplit(issuer or "")
    if issuer and parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        yield "BRIDGE_CONSOLE_ISSUER must be https://, but on loopback"


def short_in_settings(environ: Mapping[str, str]) -> Iterator[str]:
    """Name the settings that hold a secret which can be guessed, whatever else is wrong."""
    for name, field in Settings.model_fields.items():
        is_secret = SecretStr in (field.annotation, *get_args(field.annotation))
        if is_secret and name != OF_N8N and is_short(environ.get(variable(name), "")):
            yield f"{variable(name)} {TOO_SHORT}"


def is_reachable(settings: Settings) -> bool:
    """Report whether more than this machine can reach a bridge with these settings."""
    public_host = urlsplit(settings.public_url or "").hostname
    is_near = is_loopback(settings.host) and (public_host is None or is_loopback(public_host))
    return not is_near


def is_reachable_by(environ: Mapping[str, str]) -> bool:
    """Report the same by the environment, whatever else is wrong in it."""
    named = {name: environ.get(name, "") for name in ("BRIDGE_HOST", "BRIDGE_PUBLIC_URL")}
    try:
        return is_reachable(Settings.from_environ(named))
    except ConfigurationError:
        return True


def unguarded(settings: Settings, servers: Iterable[Server]) -> list[tuple[str, str]]:
    """Name each server that needs tokens for these settings and has none in its file, and why.

    Those that were made by command are in the store, which only a process that has started knows.
    """
    if settings.oauth_issuer or not is_reachable(settings):
        return []
    return [
        (
            server.name,
            f"server {server.name} has no tokens, but more than this machine can reach it: add "
            f"`tokens` to its file, make one with `n8n-bridge tokens add {server.name} NAME`, or "
            "listen on 127.0.0.1 without BRIDGE_PUBLIC_URL",
        )
        for server in servers
        if not server.tokens
    ]


NO_REDIS = (
    "BRIDGE_REDIS_URL is not set: name the Redis or Valkey that web and workers share, "
    "or run `n8n-bridge up`, which brings its own"
)

logger = logging.getLogger(__name__)


def process_configuration(
    environ: Mapping[str, str], *, keeps_going: bool = False
) -> Configuration:
    """Read the configuration of a process that shares its Redis with others; log its warnings.

    When it `keeps_going`, files that are not sound are left out.

    Raises:
        ConfigurationError: there are faults, or no Redis is named.
    """
    faults = () if environ.get("BRIDGE_REDIS_URL", "").strip() else (NO_REDIS,)
    try:
        configuration = read_configuration(environ, keeps_going=keeps_going)
    except ConfigurationError as error:
        raise ConfigurationError((*faults, *error.faults)) from None
    if faults:
        raise ConfigurationError(faults)
    log_faults(configuration.faults)
    log_warnings(configuration.warnings, configuration.short_secrets)
    return configuration
