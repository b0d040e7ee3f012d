"""Requests that nobody would send, and many that somebody might."""

import gzip
import json
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from bridge.formats.signatures import key_of, sign, sign_as_github

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOKEN, PASSWORD, GITHUB = "the-token", "the-password", "the-secret"
N8N = "http://n8n:5678"
HOOKS: dict[str, dict[str, Any]] = {
    "open": {"auth": {"bearer": TOKEN}},
    "strict": {
        "auth": {"bearer": TOKEN},
        "payload": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"items": {"type": "string"}}},
            "required": ["a"],
        },
    },
    "basic": {"auth": {"basic": {"user": "n8n", "password": PASSWORD}}},
    "signed": {"auth": {"standard_webhooks": SECRET}},
    "github": {"auth": {"github": GITHUB}, "reply_url": "unsigned"},
    "any": {"auth": [{"standard_webhooks": SECRET}, {"bearer": TOKEN}, {"github": GITHUB}]},
    "limited": {"auth": {"bearer": TOKEN}, "limits": {"rate": "20/d"}},
}


Prove = Callable[[bytes], dict[str, bytes]]
"""Gives the headers that prove the sender of a body."""


@dataclass(frozen=True)
class Request:
    """One request, to the byte."""

    method: str
    path: str
    headers: dict[str, bytes]
    content: bytes


@dataclass(frozen=True)
class Carried:
    """A body and the headers that say what it is."""

    content: bytes
    headers: dict[str, bytes]


# What a field value may be made of (RFC 9110, 5.5), as bytes above ASCII too.
_VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=30
).map(lambda text: text.strip().encode("latin-1"))
_NAMES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x2FF), max_size=10)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=10,
)
_FITTING = st.fixed_dictionaries({"a": st.integers()}, optional={"b": st.lists(st.text())})
_MEDIA = (
    *(b"application/json", b"application/json; charset=utf-16", b"application/x+json", b""),
    *(b"text/plain", b"text/csv; charset=latin-1", b"application/x-www-form-urlencoded"),
    *(b"multipart/form-data; boundary=limit", b"multipart/form-data", b"multipart/mixed"),
    *(b"image/png", b"application/xml"),
)
_REPLY_URLS = (
    *(f"{N8N}/webhook-waiting/7/reply?signature=s", f"{N8N}/webhook-waiting/8", f"{N8N}/other"),
    *("http://evil.example/webhook-waiting/1", "file:///etc/passwd", "http://[::1", "//n8n:5678"),
    *(
        "http://n8n:99999/webhook-waiting/1",
        f"{N8N}/webhook-waiting/%2e%2e/x",
        "http://n8n:5678\\@x",
    ),
)
_DEADLINES = ("2030-01-01T00:00:00Z", "9999-12-31T23:59:59+14:00", "0001-01-01T00:00:00+23:59", "2")
_PREFER = ("wait=0", "wait=", "wait=x, respond-async", "respond-async", 'wait="', ",,;=")


def _json_bodies() -> st.SearchStrategy[bytes]:
    values = (_JSON | _FITTING).map(lambda value: json.dumps(value).encode())
    unescaped = _FITTING.map(lambda value: json.dumps(value, ensure_ascii=False))
    deep = st.integers(1, 5000).map(lambda depth: b"[" * depth + b"]" * depth)
    return values | unescaped.map(lambda text: text.encode(errors="surrogatepass")) | deep


@st.composite
def _forms(draw: st.DrawFn) -> bytes:
    parts = b""
    for _ in range(draw(st.integers(0, 4))):
        file = draw(st.sampled_from([b"", b'; filename="a.txt"', b"; filename*=utf-8''x"]))
        name = draw(st.sampled_from([b'; name="a"', b'; name="files"', b""]) | _VALUES)
        head = b"Content-Disposition: form-data" + name + file + b"\r\n\r\n"
        parts += b"--limit\r\n" + head + draw(st.binary(max_size=40)) + b"\r\n"
    return parts + draw(st.sampled_from([b"--limit--\r\n", b"--limit--", b"", b"--limit"]))


@st.composite
def _mutated(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> bytes:
    content = draw(bodies)
    if draw(st.integers(0, 2)):
        return content
    at = draw(st.integers(0, len(content)))
    return content[:at] + draw(st.binary(max_size=4)) + content[at + draw(st.integers(0, 4)) :]


@st.composite
def _carried(draw: st.DrawFn) -> Carried:
    kinds: dict[bytes, st.SearchStrategy[bytes]] = {
        b"application/json": _json_bodies(),
        b"multipart/form-data; boundary=limit": _forms(),
        b"application/x-www-form-urlencoded": st.binary(max_size=60),
        b"text/plain": st.text(max_size=60).map(str.encode),
        b"application/octet-stream": st.binary(max_size=60),
    }
    media = draw(st.sampled_from([*list(kinds)[:1] * 4, *kinds]))
    content = draw(_mutated(kinds[media]))
    if not draw(st.integers(0, 5)):
        media = draw(st.sampled_from(_MEDIA) | _VALUES)
    headers = {"content-type": media} if media else {}
    match draw(st.integers(0, 9)):
        case 0:
            content = draw(_mutated(st.just(gzip.compress(content))))
            headers["content-encoding"] = b"gzip"
        case 1:
            headers["content-encoding"] = draw(st.sampled_from([b"gzip", b"br"]) | _VALUES)
        case 2:
            content = gzip.compress(b" " * 100_000 + content)
            headers["content-encoding"] = b"gzip"
    return Carried(content, headers)


def _bearer(_content: bytes) -> dict[str, bytes]:
    return {"authorization": b"Bearer " + TOKEN.encode()}


def _basic(_content: bytes) -> dict[str, bytes]:
    return {"authorization": b"Basic " + b64encode(f"n8n:{PASSWORD}".encode())}


def _standard(content: bytes, ago_s: int = 0) -> dict[str, bytes]:
    timestamp = str(int(time.time()) - ago_s)
    message_id = sign_as_github("any", content)[:12]
    signature = sign(key_of(SECRET), message_id, timestamp, content)
    headers = {"id": message_id, "timestamp": timestamp, "signature": signature}
    return {f"webhook-{name}": value.encode() for name, value in headers.items()}


def _stale(content: bytes) -> dict[str, bytes]:
    return _standard(content, ago_s=4000)


def _github(content: bytes) -> dict[str, bytes]:
    return {"x-hub-signature-256": sign_as_github(GITHUB, content).encode()}


_PROOFS: tuple[Prove, ...] = (_bearer, _basic, _standard, _stale, _github)
_RIGHT: dict[str, Prove] = {
    "basic": _basic,
    "signed": _standard,
    "github": _github,
}


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Draw a request: most of its parts are right, so that what is wrong is seen."""
    hook = draw(st.sampled_from(list(HOOKS)))
    carried = draw(_carried())
    prove: Prove = _RIGHT.get(hook, _bearer)
    if not draw(st.integers(0, 7)):
        prove = draw(st.sampled_from(_PROOFS))
    headers = carried.headers | prove(carried.content)
    for name, usual in {
        "idempotency-key": st.sampled_from([b"a", b"b", b"c"]),
        "webhook-id": st.sampled_from([b"a", b"d"]),
        "bridge-reply-url": st.sampled_from(_REPLY_URLS).map(str.encode),
        "bridge-reply-deadline": st.sampled_from(_DEADLINES).map(str.encode),
        "prefer": st.sampled_from(_PREFER).map(str.encode),
        "authorization": st.just(b"Bearer"),
        "host": st.just(b"evil.example"),
        "origin": st.just(b"http://evil.example"),
    }.items():
        is_rare = name in ("authorization", "host", "origin", "webhook-id")
        if not draw(st.integers(0, 29 if is_rare else 4)):
            headers[name] = draw(usual if draw(st.integers(0, 3)) or name == "host" else _VALUES)
    path = f"/hooks/fuzzed/{hook}"
    if not draw(st.integers(0, 29)):
        path = "/hooks/" + quote(draw(st.text(max_size=20)))
    method = draw(st.sampled_from(["POST"] * 29 + ["PUT"]))
    return Request(method, path, headers, carried.content)
