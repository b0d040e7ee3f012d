"""Which addresses a reply may go to: n8n's own resume addresses and nothing else."""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from bridge.errors import Fault, InvalidError
from bridge.settings import Settings

_PORTS = {"http": 80, "https": 443}
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class ReplyAddresses:
    """The origins and path prefixes that replies may be sent to."""

    origins: frozenset[tuple[str, str, int]]
    paths: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings) -> "ReplyAddresses":
        """Read them off the settings."""
        named = [settings.n8n_url, *settings.reply_origins]
        origins = {_origin(urlsplit(url)) for url in named if url}
        return cls(frozenset(origin for origin in origins if origin), settings.reply_paths)

    def check(self, url: str) -> None:
        """Accept an address or say why not, without repeating what may be a secret in it.

        Raises:
            InvalidError: naming the origin that was refused and the setting that would allow it.
        """
        if not _VISIBLE_ASCII.fullmatch(url) or "\\" in url:
            raise _refused("is no plain URL")
        try:
            parts = urlsplit(url)
            origin = _origin(parts)
        except ValueError as error:
            raise _refused("is no URL that can be read") from error
        if parts.username is not None or parts.password is not None or "@" in parts.netloc:
            raise _refused("carries a user name, which no resume address of n8n does")
        if origin is None or "#" in url:
            raise _refused("must be an absolute http or https URL without a fragment")
        if origin not in self.origins:
            raise _refused(
                f"points to {origin[0]}://{origin[1]}:{origin[2]}, which is neither BRIDGE_N8N_URL "
                "nor one of BRIDGE_REPLY_ORIGINS"
            )
        if not self._is_under_a_path(parts.path):
            raise _refused(f"has a path outside BRIDGE_REPLY_PATHS ({', '.join(self.paths)})")

    def _is_under_a_path(self, path: str) -> bool:
        segments = unquote(unquote(path)).replace("\\", "/").split("/")
        return not {".", ".."} & set(segments) and path.startswith(self.paths)


def _origin(parts: SplitResult) -> tuple[str, str, int] | None:
    if parts.scheme not in _PORTS or not parts.hostname:
        return None
    port = _PORTS[parts.scheme] if parts.port is None else parts.port
    return parts.scheme, parts.hostname, port


def _refused(why: str) -> InvalidError:
    return InvalidError("the reply address is refused", (Fault("", f"Bridge-Reply-Url {why}"),))
