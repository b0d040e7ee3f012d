"""How pages are made: from templates that escape all that they are given, with strict headers.

A page takes nothing from elsewhere, runs no script but the files beside the templates, stands in no
frame and in no cache.
"""

import hashlib
import importlib.resources
from dataclasses import dataclass
from http import HTTPStatus

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from bridge import __version__
from bridge.console.values import shown_text
from bridge.formats.quantities import duration
from bridge.models import instant

POLICY = (
    "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
FOR_EVER = "public, max-age=31536000, immutable"
EACH_TIME = "no-store"
KINDS = {
    "htmx.min.js": "text/javascript",
    "console.js": "text/javascript",
    "console.css": "text/css",
    "icon.svg": "image/svg+xml",
}


@dataclass(frozen=True)
class StaticFile:
    """A file that pages need; its address changes with what it holds."""

    content: bytes
    media_type: str

    @property
    def version(self) -> str:
        """Return what stands for its content in addresses."""
        return hashlib.sha256(self.content).hexdigest()[:16]


def _read(name: str) -> StaticFile:
    file = importlib.resources.files("bridge.console") / "static" / name
    return StaticFile(file.read_bytes(), KINDS[name])


FILES = {name: _read(name) for name in KINDS}


def in_bytes(size: int) -> str:
    """Format a size for people."""
    if size < 1024:
        return f"{size} bytes"
    return f"{size / 1024:.1f} KiB" if size < 1024**2 else f"{size / 1024**2:.1f} MiB"


def sentence(text: str) -> str:
    """Return what is wrong as a sentence of its own."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?')) else '.'}"


def quoted(text: str) -> Markup:
    """Return a sentence with what stands between backticks as code."""
    parts = (escape(part) for part in text.split("`"))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part
        for number, part in enumerate(parts)
    )


_templates = Environment(
    loader=PackageLoader("bridge.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_templates.filters |= {
    "instant": instant,
    "shown_text": shown_text,
    "duration": duration,
    "bytes": in_bytes,
    "quoted": quoted,
    "sentence": sentence,
}
_templates.globals["version"] = __version__
_templates.globals["versions"] = {name: file.version for name, file in FILES.items()}


TEMPLATES = {name: _templates.get_template(name) for name in _templates.list_templates()}
"""All of them, read at once: a file that is replaced later goes with other code than this."""


def page(template: str, status: int = HTTPStatus.OK, **values: object) -> Response:
    """Return a page made from a template and what it shows."""
    return HTMLResponse(TEMPLATES[template].render(values), status, HEADERS)


async def show_file(request: Request) -> Response:
    """Return a file that pages need, which browsers keep under the address of what it holds.

    Raises:
        HTTPException: there is none of that name.
    """
    file = FILES.get(request.path_params["name"])
    if file is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    is_asked_for = request.url.query == file.version  # else a page of another version asks for it
    kept = FOR_EVER if is_asked_for else EACH_TIME
    headers = {"x-content-type-options": "nosniff", "cache-control": kept}
    return Response(file.content, media_type=file.media_type, headers=headers)
