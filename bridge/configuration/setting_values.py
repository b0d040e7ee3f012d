"""The kinds of values that settings have, each with what it must be."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from bridge.formats.addresses import Network, host, network, origin, web_address
from bridge.formats.quantities import SECONDS_MAX
from bridge.formats.redis_addresses import redis_address


def _split(raw: object) -> object:
    return [part.strip() for part in raw.split(",") if part.strip()] if type(raw) is str else raw


def _web(text: str) -> str:
    parts = web_address(text)
    if parts.query or parts.fragment:
        raise ValueError("must end before any ? or #")
    return text.rstrip("/")


def _path_prefix(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("must start with a slash")
    return text


def _scheme(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", text):
        raise ValueError("must be the scheme of an address, such as cursor, without a colon")
    return text.lower()


def _key(text: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]*", text.get_secret_value()):
        raise ValueError("must be a key as n8n shows it, of letters, digits and signs of ASCII")
    return text


def _claim(text: str) -> str:
    name, _, value = text.partition("=")
    if not name.strip() or not value.strip():
        raise ValueError("must be claims with their values, such as groups=bridge-operators")
    return f"{name.strip()}={value.strip()}"


RedisAddress = Annotated[str, AfterValidator(redis_address)]
Folder = Annotated[Path, AfterValidator(Path.expanduser)]
Key = Annotated[SecretStr, AfterValidator(_key)]
Web = Annotated[str, AfterValidator(_web)]
Seconds = Annotated[float, Field(gt=0, le=SECONDS_MAX, allow_inf_nan=False)]
WholeSeconds = Annotated[int, Field(ge=1, le=SECONDS_MAX)]
Hosts = Annotated[tuple[Annotated[str, AfterValidator(host)], ...], BeforeValidator(_split)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(origin)], ...], BeforeValidator(_split)]
Schemes = Annotated[tuple[Annotated[str, AfterValidator(_scheme)], ...], BeforeValidator(_split)]
Claims = Annotated[tuple[Annotated[str, AfterValidator(_claim)], ...], BeforeValidator(_split)]
Networks = Annotated[
    tuple[Annotated[Network, BeforeValidator(network)], ...], BeforeValidator(_split)
]
Prefixes = Annotated[
    tuple[Annotated[str, AfterValidator(_path_prefix)], ...],
    BeforeValidator(_split),
    Field(min_length=1),
]
