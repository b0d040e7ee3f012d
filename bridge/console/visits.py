"""What every page passes: who has logged in, forms that are theirs, and faults shown as pages."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp

from bridge.auth.authentication import is_same
from bridge.console.rendering import HEADERS, page
from bridge.errors import BridgeError, ForbiddenError, MalformedError, TooLargeError
from bridge.net.request_body import read_body
from bridge.runtime import Runtime, WebRuntime
from bridge.verbs.logins import Login, Logins
from bridge.web.middleware import is_near, state_of
from bridge.web.problems import status_of

COOKIE = "bridge-console"
FORM_BYTES_MAX = 256 * 1024
FIELDS_MAX = 100
FORMS_ON = {"pauses": "servers"}
"""Which page has the forms of an address that is no page."""
STALE = "this form is of another login: open the page again, and send it from there"
TOO_LONG = (
    "a form holds at most 256 KiB: send what is longer to the hook itself, or run it again with "
    "n8n-bridge"
)
FOREIGN = "this form was sent by a page of another site"
LOOKS_ONLY = "a viewer changes nothing: log in as an operator"
OFF = (
    "The console is off: set BRIDGE_OPERATOR_TOKEN, or BRIDGE_VIEWER_TOKEN for those who may only "
    "look, or BRIDGE_CONSOLE_ISSUER, and start the bridge again."
)

Endpoint = Callable[[Request], Awaitable[ASGIApp]]


@dataclass(frozen=True)
class Visit:
    """One request of somebody who has logged in; `form` is what it posts."""

    request: Request
    login: Login
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def runtime(self) -> WebRuntime:
        """What pages work with."""
        return state_of(self.request).runtime

    @property
    def process(self) -> Runtime:
        """The whole process, for verbs that pages alone need."""
        process: Runtime = self.request.app.runtime
        return process

    @property
    def section(self) -> str:
        """The page of the console that the address belongs to, by the first part of its path."""
        first = self.request.url.path.removeprefix("/console/").partition("/")[0]
        return FORMS_ON.get(first, first)

    def page(self, template: str, status: int = HTTPStatus.OK, **values: object) -> Response:
        """Return a page, given what every page shows besides what this one does."""
        known = {"login": self.login, "root": root_of(self.request), "section": self.section}
        return page(template, status, **known, **values)

    def back_to(self, path: str) -> Response:
        """Send the browser to another page of the console."""
        return redirect(self.request, path)


Show = Callable[[Visit], Awaitable[Response]]


def root_of(request: Request) -> str:
    """Return where browsers find the console, the path of BRIDGE_PUBLIC_URL before it."""
    return urlsplit(state_of(request).runtime.settings.public_url or "").path + "/console"


def is_secure(request: Request) -> bool:
    """Report whether the browser came by https, be it only as far as a proxy."""
    public = urlsplit(state_of(request).runtime.settings.public_url or "")
    is_public = public.scheme == "https" and request.url.hostname == public.hostname
    forwarded = request.headers.get("x-forwarded-proto", request.url.scheme)
    return is_public or forwarded == "https"


def address_of(request: Request) -> str:
    """Return where browsers find the console: BRIDGE_PUBLIC_URL, or else where this one came."""
    public_url = state_of(request).runtime.settings.public_url
    origin = f"{'https' if is_secure(request) else 'http'}://{request.headers['host']}"
    return (public_url or origin).rstrip("/") + "/console"


def redirect(request: Request, path: str) -> Response:
    """Send the browser to a page of the console, and never elsewhere."""
    return RedirectResponse(root_of(request) + path, HTTPStatus.SEE_OTHER, HEADERS)


async def login_of(request: Request) -> Login | None:
    """Find the login that a request comes with; None where it needs one."""
    logins: Logins = request.app.logins
    found = await logins.find(request.cookies.get(COOKIE, ""))
    return await logins.here() if found is None and _needs_none(request) else found


def looking(show_page: Show) -> Endpoint:
    """Return an endpoint that shows a page to whoever has logged in, and to others the form."""

    async def answer(request: Request) -> Response:
        login = await login_of(request)
        if login is None:
            return _to_login(request)
        visit = Visit(request, login)
        try:
            return await show_page(visit)
        except BridgeError as error:
            return visit.page("fault.html", status_of(error), why=str(error))

    return offered(answer)


def taking(act: Show) -> Endpoint:
    """Return an endpoint that takes a form of whoever has logged in, from their own pages alone."""

    async def take(visit: Visit) -> Response:
        form = await read_form(visit.request)
        if not is_same(form.get("csrf", ""), visit.login.csrf):
            raise ForbiddenError(STALE, "")
        return await act(Visit(visit.request, visit.login, form))

    return looking(take)


def acting(act: Show) -> Endpoint:
    """Return an endpoint that takes a form likewise, and of operators alone."""

    async def take(visit: Visit) -> Response:
        if not visit.login.acts:
            raise ForbiddenError(LOOKS_ONLY, "")
        return await act(visit)

    return taking(take)


def offered(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint that is there where anybody can log in, and whose faults are pages."""

    async def answer(request: Request) -> ASGIApp:
        try:
            if request.app.logins.are_offered or _needs_none(request):
                return await endpoint(request)
            return page("stranger.html", HTTPStatus.NOT_FOUND, root=root_of(request), why=OFF)
        except BridgeError as error:
            why = str(error)
            return page("stranger.html", status_of(error), root=root_of(request), why=why)

    return answer


async def read_form(request: Request) -> Mapping[str, str]:
    """Read what a form of our own pages posts.

    Raises:
        ForbiddenError: a page of another site has sent it.
        TooLargeError: it is longer than any of ours.
        MalformedError: it is no form.
    """
    if not _is_own_page(request):
        raise ForbiddenError(FOREIGN, "")
    try:
        raw = await read_body(request, FORM_BYTES_MAX)
        return dict(parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX))
    except TooLargeError as error:
        raise TooLargeError(TOO_LONG) from error
    except ValueError as error:
        raise MalformedError("the form cannot be read") from error


def _needs_none(request: Request) -> bool:
    """Report whether a request is let in as it is: by `dev`, from this machine's own browser.

    Pages of other programs of this machine may read answers here (CORS), but not what somebody has
    gone to.
    """
    is_gone_to = request.headers.get("sec-fetch-mode") == "navigate"
    is_own = is_gone_to or _is_own_page(request)
    return request.app.logins.is_open and is_near(request) and is_own


def _is_own_page(request: Request) -> bool:
    """Report whether no page of another site has sent a form; old browsers tell an origin alone."""
    site = request.headers.get("sec-fetch-site")
    if site is not None or "origin" not in request.headers:
        return site in (None, "same-origin", "none")
    own = request.headers["host"], urlsplit(address_of(request)).netloc
    return urlsplit(request.headers["origin"]).netloc in own


def _to_login(request: Request) -> Response:
    """Lead to the login and back; what a page asks for by itself has the browser open it anew."""
    if "hx-request" in request.headers:
        return Response(status_code=HTTPStatus.FORBIDDEN, headers=HEADERS | {"hx-refresh": "true"})
    if request.method == "POST":
        return redirect(request, "/login")
    here = request.url.path.removeprefix("/console")
    asked = f"{here}?{request.url.query}" if request.url.query else here
    return redirect(request, f"/login?next={quote(asked)}" if asked else "/login")
