"""A line of curl, read as the request that a tool shall make, without any secret in it."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from bridge.authoring.guessing import schema_of
from bridge.authoring.naming import variable_name
from bridge.authoring.scaffold.curl_line import CurlLine
from bridge.configuration.server_options import sets_header
from bridge.configuration.variables import literal
from bridge.errors import ConfigurationError
from bridge.formats.addresses import web_address
from bridge.formats.secret_names import holds_a_secret, names_a_secret

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
IN_QUERY = frozenset({"GET", "DELETE", "HEAD"})
"""Methods whose arguments the bridge sends as the query."""

_OF_CLIENTS = re.compile(
    r"accept(-.*)?|cache-control|content-type|dnt|origin|pragma|priority|referer|sec-.*"
    r"|upgrade-insecure-requests|user-agent|x-requested-with",
)
"""Headers that say something of the program that sent them, and nothing to a workflow."""

_RANDOM = re.compile(r"(?=.*\d)[\w.~-]{20,}")
_TEST = re.compile(r"/webhook-test/")


@dataclass(frozen=True)
class CurlRequest:
    """What a workflow's entry in a server file is made of; `secrets` are variables, by what for."""

    method: str
    n8n_url: str
    path: str
    input: Mapping[str, Any]
    auth: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    was_for_tests: bool = False


def read_curl(text: str, prefix: str) -> CurlRequest:
    """Read a line of curl; variables for its secrets begin with `prefix`.

    Raises:
        ConfigurationError: it cannot be read, or no tool can make this request. No sentence
            repeats a header's value or the body.
    """
    try:
        line = CurlLine.read(text)
        return _CurlReader(line, prefix).request()
    except ValueError as error:
        raise ConfigurationError((f"the line of curl {error}",)) from None


class _CurlReader:
    """Makes a request of the parts of a line, and collects its secrets on the way."""

    def __init__(self, line: CurlLine, prefix: str) -> None:
        self._line = line
        self._address = _address(line.url)
        self._prefix = prefix
        self._secrets: dict[str, str] = {}

    def request(self) -> CurlRequest:
        """Return all of it.

        Raises:
            ValueError: no tool can make it.
        """
        method = self._method()
        address = self._address
        arguments = _arguments(self._line.body or "")
        if method in IN_QUERY:
            arguments |= {
                name: value for name, value in _query(address) if not self._is_secret(name, value)
            }
        auth, headers = self._proofs()
        base, path = _parted(address.path)
        return CurlRequest(
            method=method,
            n8n_url=f"{address.scheme}://{address.netloc.rpartition('@')[2]}{base}",
            path=literal(path) + self._kept_query(address, method),
            input=schema_of(arguments),
            auth=auth,
            headers=headers,
            secrets=self._secrets,
            was_for_tests=bool(_TEST.search(address.path)),
        )

    def _method(self) -> str:
        if self._line.method and self._line.method.upper() not in METHODS:
            raise ValueError(f"has a method that no tool has: use one of {', '.join(METHODS)}")
        return self._line.method.upper() or ("GET" if self._line.body is None else "POST")

    def _proofs(self) -> tuple[dict[str, Any] | None, dict[str, str]]:
        """Return what proves the bridge, and the headers beside it.

        Any header may hold a secret, whatever its name: so each value becomes a variable.
        """
        sent = {name: value for name, value in self._line.headers.items() if not _is_noise(name)}
        user = self._line.user or unquote(self._address.netloc.rpartition("@")[0])
        auth = self._of_user(user) if user else None
        for name in sorted(sent, key=_is_less_of_a_proof):
            if auth is None:
                auth = self._auth(name, sent.pop(name))
        headers = {name: self._secret(name, f"the header {name}") for name in sent}
        return auth, {name: f"env:{variable}" for name, variable in headers.items()}

    def _auth(self, name: str, value: str) -> dict[str, Any]:
        scheme, _, rest = value.partition(" ")
        if name.lower() == "authorization" and scheme.lower() == "bearer":
            return {"bearer": f"env:{self._secret('TOKEN', 'the bearer token')}"}
        if name.lower() == "authorization" and scheme.lower() == "basic":
            return self._of_user(_decoded(rest))
        return {
            "header": {"name": name, "value": f"env:{self._secret(name, f'the header {name}')}"}
        }

    def _of_user(self, user: str) -> dict[str, Any]:
        if not user.partition(":")[0]:
            raise ValueError("has a password without a user: write -u USER:PASSWORD")
        return {
            "basic": {
                "user": f"env:{self._secret('USER', 'the user')}",
                "password": f"env:{self._secret('PASSWORD', 'the password')}",
            }
        }

    def _kept_query(self, address: SplitResult, method: str) -> str:
        kept = [
            f"{quote(name)}={self._query_value(name, value)}"
            for name, value in _query(address)
            if method not in IN_QUERY or self._is_secret(name, value)
        ]
        return f"?{'&'.join(kept)}" if kept else ""

    def _query_value(self, name: str, value: str) -> str:
        if not self._is_secret(name, value):
            return quote(value)
        return f"${{{self._secret(name, f'the parameter {name}, percent-encoded')}}}"

    @staticmethod
    def _is_secret(name: str, value: str) -> bool:
        return names_a_secret(name) or holds_a_secret(value) or bool(_RANDOM.fullmatch(value))

    def _secret(self, name: str, what: str) -> str:
        variable = f"{self._prefix}_N8N_{variable_name(name) or 'KEY'}"
        while self._secrets.get(variable, what) != what:
            variable += "_2"
        self._secrets[variable] = what
        return variable


def _address(told: str) -> SplitResult:
    """Read an address as curl does: http where none is named, and what is not ASCII encoded."""
    url = told if "://" in told else f"http://{told}"
    host, slash, path = url.partition("://")[2].partition("/")
    if "$" in host.rpartition("@")[2]:
        raise ValueError("has a variable of your shell in its address: write what it stands for")
    if not host.isascii():
        raise ValueError("names a host that is not in ASCII: write it as DNS has it, xn--…")
    encoded = re.sub("[^\x00-\x7f]+", lambda found: quote(found[0]), f"{slash}{path}")
    url = f"{url.partition('://')[0]}://{host}{encoded}"
    try:
        web_address(re.sub("^(https?://)[^/@]*@", r"\1", url))
    except ValueError as error:
        raise ValueError(f"has an address that {error}") from None
    return urlsplit(url)


def _parted(path: str) -> tuple[str, str]:
    """Take a path apart where n8n's own begins; a test's address becomes the production one.

    Raises:
        ValueError: no webhook of n8n's has this path.
    """
    base, found, rest = _TEST.sub("/webhook/", path).partition("/webhook/")
    if not found:
        raise ValueError(
            "has no /webhook/ in its address: take the production URL that n8n's Webhook node shows"
        )
    return base, f"/webhook/{rest}"


def _query(address: SplitResult) -> list[tuple[str, str]]:
    return parse_qsl(address.query, keep_blank_values=True)


def _is_less_of_a_proof(name: str) -> tuple[bool, bool]:
    """Order the headers of a request by how likely they are what lets it in."""
    is_cookie = name.lower() == "cookie"
    return name.lower() != "authorization", is_cookie or not names_a_secret(name)


def _is_noise(name: str) -> bool:
    return bool(_OF_CLIENTS.fullmatch(name.lower())) or sets_header(name)


def _decoded(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError(
            "has Basic credentials that are no base64: write -u USER:PASSWORD"
        ) from None


def _arguments(body: str) -> dict[str, Any]:
    """Read a body as the arguments of a tool.

    Raises:
        ValueError: it is no JSON object and no form.
    """
    if not body.strip():
        return {}
    try:
        value = json.loads(body)
    except ValueError:
        if body.lstrip()[:1] in ("{", "["):
            raise ValueError("has a body that is no JSON: mend what follows -d") from None
        value = dict(parse_qsl(body, keep_blank_values=True)) if "=" in body else None
    except RecursionError:
        raise ValueError("has a body that nests too deep: shorten what follows -d") from None
    arguments = value if isinstance(value, dict) else None
    if arguments is None:
        raise ValueError("has a body that is no JSON object: a tool's arguments have names")
    return arguments
