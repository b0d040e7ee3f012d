"""Logging in, by one of two tokens, and out."""

from http import HTTPStatus
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from bridge.console.rendering import page
from bridge.console.visits import COOKIE, Visit, is_secure, read_form, redirect, root_of
from bridge.errors import UnauthorizedError
from bridge.log import UNKNOWN, audit
from bridge.verbs.logins import LOGIN_S
from bridge.web.problems import refuse_guess

NEXT_CHARS_MAX = 2000


async def show_login(request: Request) -> Response:
    """Show the form."""
    return show_form(request, request.query_params.get("next", ""))


async def take_login(request: Request) -> Response:
    """Take the form, and lead to the page that was asked for."""
    form = await read_form(request)
    wanted = form.get("next", "")
    try:
        login, sealed = await request.app.logins.log_in(form.get("token", ""))
    except UnauthorizedError as error:
        return refuse(request, wanted, error)
    audit(login.who, "console login", "", "done")
    return enter(request, wanted, sealed, LOGIN_S)


async def log_out(visit: Visit) -> Response:
    """End the login, in this browser and wherever its cookie was copied to."""
    if visit.login.ends:
        await visit.request.app.logins.log_out(visit.request.cookies[COOKIE])
    audit(visit.login.who, "console logout", "", "done")
    answer = visit.back_to("/login")
    answer.delete_cookie(COOKIE, root_of(visit.request))
    return answer


def enter(request: Request, wanted: str, sealed: str, life_s: int) -> Response:
    """Lead somebody who has logged in to the page that they have asked for."""
    answer = redirect(request, within(wanted))
    keep(request, answer, COOKIE, sealed, life_s)
    return answer


def keep(request: Request, answer: Response, name: str, sealed: str, life_s: int) -> None:
    """Have the browser keep a text for the console, out of reach of scripts and other sites."""
    answer.set_cookie(
        name,
        sealed,
        max_age=life_s,
        path=root_of(request),
        secure=is_secure(request),
        httponly=True,
        samesite="lax",
    )


def refuse(request: Request, wanted: str, error: UnauthorizedError) -> Response:
    """Show the form again, with why; wrong credentials are counted, and too many are braked."""
    if error.is_guess and (braked := refuse_guess(request, str(error))):
        fault = f"Too many wrong logins: {error}."
        answer = show_form(request, wanted, fault, braked.status_code)
        answer.headers["retry-after"] = braked.headers["retry-after"]
        return answer
    audit(UNKNOWN, "console login", "", "unauthorized")
    said = str(error)
    return show_form(request, wanted, f"{said[0].upper()}{said[1:]}.", HTTPStatus.FORBIDDEN)


def show_form(
    request: Request, wanted: str, fault: str = "", status: int = HTTPStatus.OK
) -> Response:
    """Return the page with every way to log in."""
    logins = request.app.logins
    return page(
        "login.html",
        status,
        root=root_of(request),
        next=within(wanted),
        fault=fault,
        takes_tokens=logins.takes_tokens,
        issuer=urlsplit(logins.issuer or "").netloc,
        openid=f"/openid?next={quote(within(wanted))}",
    )


def within(wanted: str) -> str:
    """Return an address within the console, for it is written behind the console's own."""
    is_within = wanted.startswith(("/", "?")) and len(wanted) <= NEXT_CHARS_MAX
    return wanted if is_within and wanted.isprintable() else ""
