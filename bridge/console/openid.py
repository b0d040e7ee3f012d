"""Logging in with the issuer that operators have named: there, back, and what becomes of it."""

from dataclasses import astuple
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from bridge.auth.authentication import is_same
from bridge.auth.openid import LoginAttempt, OpenIdClient
from bridge.console.login import enter, keep, refuse, show_form, within
from bridge.console.rendering import HEADERS
from bridge.console.visits import address_of, root_of
from bridge.errors import ForbiddenError, NotFoundError, UnauthorizedError
from bridge.log import UNKNOWN, audit
from bridge.models import Json
from bridge.verbs.logins import ATTEMPT_S, OPENID_LOGIN_S, name_of
from bridge.web.middleware import state_of

COOKIE = "bridge-console-attempt"
BACK = "/openid/back"
NOT_BEGUN = "this login was not begun in this browser, or too long ago: begin it again"
SAYS_NO = "the issuer has let nobody in: it may say why, or begin again"


async def leave(request: Request) -> Response:
    """Lead to the issuer; the browser keeps what proves that it has begun the login.

    Raises:
        NotFoundError: no issuer is named.
        TransientError: it cannot be reached.
    """
    attempt, wanted = LoginAttempt.new(), within(request.query_params.get("next", ""))
    address = await _client(request).address(attempt, address_of(request) + BACK)
    answer = RedirectResponse(address, HTTPStatus.SEE_OTHER, HEADERS)
    sealed = await request.app.logins.seal_attempt([*astuple(attempt), wanted])
    keep(request, answer, COOKIE, sealed, ATTEMPT_S)
    return answer


async def come_back(request: Request) -> Response:
    """Take the issuer's answer once, and lead to the page that was asked for.

    Raises:
        NotFoundError: no issuer is named.
        TransientError: it cannot be reached.
    """
    attempt, wanted = _begun(
        await request.app.logins.unseal_attempt(request.cookies.get(COOKIE, ""))
    )
    try:
        answer = await _enter(request, _client(request), attempt, wanted)
    except UnauthorizedError as error:
        answer = refuse(request, wanted, error)
    answer.delete_cookie(COOKIE, root_of(request))
    return answer


async def _enter(
    request: Request, client: OpenIdClient, attempt: LoginAttempt | None, wanted: str
) -> Response:
    given = dict(request.query_params)
    if attempt is None or not is_same(given.get("state", ""), attempt.state):
        raise UnauthorizedError(NOT_BEGUN, is_guess=False)
    if "error" in given:
        raise UnauthorizedError(SAYS_NO, is_guess=False)
    claims = await client.identify(given, attempt, address_of(request) + BACK)
    subject = str(claims["sub"])
    try:
        login, sealed = await request.app.logins.log_in_as(claims)
    except ForbiddenError as error:
        audit(UNKNOWN, "console login", subject, "forbidden")
        said = f"You are {name_of(claims)} to the issuer, but {error}."
        return show_form(request, wanted, said, HTTPStatus.FORBIDDEN)
    audit(login.who, "console login", subject, "done")
    return enter(request, wanted, sealed, OPENID_LOGIN_S)


def _begun(told: Json) -> tuple[LoginAttempt | None, str]:
    """Read what the browser has kept, and which page was asked for."""
    match told:
        case [str(state), str(nonce), str(verifier), str(wanted)]:
            return LoginAttempt(state, nonce, verifier), wanted
    return None, ""


def _client(request: Request) -> OpenIdClient:
    """Return this process's part at the issuer, from the first login on."""
    state, settings = request.app.state, state_of(request).runtime.settings
    if settings.console_issuer is None:
        raise NotFoundError("nobody logs in here with an issuer: BRIDGE_CONSOLE_ISSUER is not set")
    if not hasattr(state, "openid_client"):
        secret = settings.console_client_secret
        state.openid_client = OpenIdClient(
            settings.console_issuer,
            settings.console_client_id,
            secret.get_secret_value() if secret else "",
            settings.console_scopes,
        )
    client: OpenIdClient = state.openid_client
    return client
