"""Logging in, by one of two tokens, and out."""

from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from bridge.console.rendering import page
from bridge.console.visits import COOKIE, Visit, read_form, redirect, root_of
from bridge.errors import UnauthorizedError
from bridge.log import UNKNOWN, audit
from bridge.verbs.logins import LOGIN_S
from bridge.web.middleware import state_of
from bridge.web.problems import refuse_guess

NEXT_CHARS_MAX = 2000


async def show_login(request: Request) -> Response:
    """Show the form."""
    return _form(request, request.query_params.get("next", ""))


async def take_login(request: Request) -> Response:
    """Take the form, and lead to the page that was asked for."""
    form = await read_form(request)
    wanted = form.get("next", "")
    try:
        login, sealed = await request.app.logins.log_in(form.get("token", ""))
    except UnauthorizedError as error:
        return _refused(request, wanted, error)
    audit(login.role, "console login", "", "done")
    answer = redirect(request, _within(wanted))
    answer.set_cookie(
        COOKIE,
        sealed,
        max_age=LOGIN_S,
        path=root_of(request),
        secure=_is_secure(request),
        httponly=True,
        samesite="lax",
    )
    return answer


async def log_out(visit: Visit) -> Response:
    """End the login in this browser."""
    answer = visit.back_to("/login")
    answer.delete_cookie(COOKIE, root_of(visit.request))
    return answer


def _refused(request: Request, wanted: str, error: UnauthorizedError) -> Response:
    if error.is_guess and (braked := refuse_guess(request, str(error))):
        answer = _form(request, wanted, f"Too many wrong tokens: {error}.", braked.status_code)
        answer.headers["retry-after"] = braked.headers["retry-after"]
        return answer
    audit(UNKNOWN, "console login", "", "unauthorized")
    said = str(error)
    return _form(request, wanted, f"{said[0].upper()}{said[1:]}.", HTTPStatus.FORBIDDEN)


def _form(request: Request, wanted: str, fault: str = "", status: int = HTTPStatus.OK) -> Response:
    return page("login.html", status, root=root_of(request), next=_within(wanted), fault=fault)


def _within(wanted: str) -> str:
    """Return an address within the console, for it is written behind the console's own."""
    is_within = wanted.startswith(("/", "?")) and len(wanted) <= NEXT_CHARS_MAX
    return wanted if is_within and wanted.isprintable() else ""


def _is_secure(request: Request) -> bool:
    """Report whether the browser came by https, be it only as far as a proxy."""
    public = urlsplit(state_of(request).runtime.settings.public_url or "")
    is_public = public.scheme == "https" and request.url.hostname == public.hostname
    forwarded = request.headers.get("x-forwarded-proto", request.url.scheme)
    return is_public or forwarded == "https"
