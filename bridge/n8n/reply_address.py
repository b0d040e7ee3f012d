"""n8n's own addresses: where replies may go, which execution is behind one, what is secret of it.

A reply goes to n8n's own resume addresses and nothing else. An address is never taken apart by one
parser and sent to by another. What stands before its path is compared, as text, with the few
spellings of the origins that the operator named, and where it is sent is the operator's own text.
Only the request target comes from outside, byte for byte.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from bridge.configuration.settings import Settings
from bridge.errors import Fault, InvalidError
from bridge.formats.addresses import DEFAULT_PORTS, is_host, origin

_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")
_ABSOLUTE = re.compile(r"(https?)://([^/?#]+)([^#]*)", re.IGNORECASE)
_UNFILLED = ", but an expression that n8n has not filled in: begin the field with `=`"
_SHOWN_CHARS = 100
_DECODINGS_MAX = 5
_TOKEN_MIN_CHARS = 16


@dataclass(frozen=True)
class ReplyAddress:
    """Where a reply goes: an origin in the operator's words and a request target, a secret."""

    origin: str
    target: str = field(repr=False)


@dataclass(frozen=True)
class ReplyAddresses:
    """The origins and path prefixes that replies may be sent to.

    `origins` has every spelling that is taken for an origin, in small letters.
    """

    origins: Mapping[str, str]
    paths: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings) -> "ReplyAddresses":
        """Read them off the settings."""
        named = [settings.n8n_url, *settings.reply_origins]
        return cls(
            dict(pair for url in named if url for pair in _spellings(url)), settings.reply_paths
        )

    def check(self, url: str) -> ReplyAddress:
        """Accept an address or say why not, without repeating what may be a secret in it.

        Raises:
            InvalidError: naming the origin that was refused and the setting that would allow it.
        """
        if not _VISIBLE_ASCII.fullmatch(url) or "\\" in url:
            raise _refused(f"is no plain URL{_UNFILLED if '{{' in url else ''}")
        found = _ABSOLUTE.fullmatch(url)
        if found is None:
            raise _refused("must be an absolute http or https URL without a fragment")
        scheme, authority, target = found.groups()
        if "@" in authority:
            raise _refused("carries a user name, which no resume address of n8n does")
        named = f"{scheme}://{authority}".lower()
        known = self.origins.get(named)
        if known is None:
            shown = named[:_SHOWN_CHARS]
            if not _is_origin(named):
                unfilled = _UNFILLED if "{{" in url else ""
                raise _refused(
                    f"is no web address, for {shown} names no host{unfilled}; n8n's own begin with "
                    "BRIDGE_N8N_URL or one of BRIDGE_REPLY_ORIGINS"
                )
            raise _refused(
                f"points to {shown}, which is neither BRIDGE_N8N_URL nor one of "
                f"BRIDGE_REPLY_ORIGINS: if that is your n8n, add {shown} to BRIDGE_REPLY_ORIGINS"
            )
        if not self._is_under_a_path(target.partition("?")[0]):
            raise _refused(f"has a path outside BRIDGE_REPLY_PATHS ({', '.join(self.paths)})")
        return ReplyAddress(known, target)

    def _is_under_a_path(self, path: str) -> bool:
        """Report whether a path stays under a prefix, however a server decodes it."""
        plain = _decoded(path)
        if plain is None:
            return False
        names = {segment.partition(";")[0] for segment in plain.replace("\\", "/").split("/")}
        is_plain = plain.isprintable() and "\N{REPLACEMENT CHARACTER}" not in plain
        return is_plain and not {".", ".."} & names and path.startswith(self.paths)


def _is_origin(text: str) -> bool:
    """Report whether a setting could name this origin."""
    try:
        return is_host(origin(text).partition("://")[2])
    except ValueError:
        return False


def _spellings(url: str) -> Iterator[tuple[str, str]]:
    """Return each way to write the origin of `url`: with its scheme's own port and without."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    whole = f"{parts.scheme}://{host}:{port}"
    yield whole, whole
    if port == DEFAULT_PORTS[parts.scheme]:
        yield f"{parts.scheme}://{host}", whole


def _decoded(path: str) -> str | None:
    """Decode until nothing changes any more; None for a path that is wrapped too often."""
    for _ in range(_DECODINGS_MAX):
        plain = unicodedata.normalize("NFKC", unquote(path))
        if plain == path:
            return plain
        path = plain
    return None


def _refused(why: str) -> InvalidError:
    return InvalidError("the reply address is refused", (Fault("", f"Bridge-Reply-Url {why}"),))


# What the README has n8n send as the key: n8n_{workflow}_{execution}_{item}.
_KEY = re.compile(r"n8n_([A-Za-z0-9]+)_([0-9]+)_[0-9]+")
_WAITING = re.compile(r"/webhook-waiting/([0-9]+)(?=[/?]|$)")


def execution_of(idempotency_key: str, reply_url: str) -> str:
    """Name the execution that sent an event: `workflow/execution`, or its id alone, or nothing.

    The id in a resume address is no secret; its signature is.
    """
    if by_key := _KEY.fullmatch(idempotency_key):
        return f"{by_key[1]}/{by_key[2]}"
    by_address = _WAITING.search(reply_url)
    return by_address[1] if by_address else ""


def link_to(execution: str, n8n_url: str | None) -> str | None:
    """Return n8n's page of an execution, for people; there is none without the workflow."""
    workflow_id, slash, execution_id = execution.partition("/")
    if not slash or not n8n_url:
        return None
    return f"{n8n_url}/workflow/{workflow_id}/executions/{execution_id}"


def secrets_in(url: str) -> Iterator[str]:
    """Name what must not be seen of a secret address: the whole, its target, its query's tokens."""
    parts = urlsplit(url)
    if not parts.query:
        return
    yield from (url, f"{parts.path}?{parts.query}", parts.query)
    for _, value in parse_qsl(parts.query):
        # n8n takes addresses with the path behind the token, so a token may end at a slash
        yield from (
            part for part in (value, value.partition("/")[0]) if len(part) >= _TOKEN_MIN_CHARS
        )
