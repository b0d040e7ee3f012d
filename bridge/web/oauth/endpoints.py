"""The addresses of the built-in authorization server that clients speak to; the SDK serves them."""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import parse_qs, urlencode, urlsplit

from mcp.server.auth.handlers.authorize import AuthorizationHandler
from mcp.server.auth.handlers.register import RegistrationHandler
from mcp.server.auth.handlers.token import TokenHandler
from mcp.server.auth.middleware.client_auth import ClientAuthenticator
from mcp.server.auth.settings import ClientRegistrationOptions
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Message

from bridge.errors import TooLargeError
from bridge.log import UNKNOWN, audit
from bridge.net.problem import problem
from bridge.net.request_body import read_body
from bridge.verbs.oauth_grants import Grants
from bridge.verbs.tokens import SCOPES
from bridge.web.middleware import state_of
from bridge.web.oauth import consent, metadata
from bridge.web.oauth.documents import documents_of
from bridge.web.oauth.provider import Provider

logger = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]

BODY_BYTES_MAX = 16_384
TOO_LARGE = f"the body is longer than {BODY_BYTES_MAX} bytes, which nothing here may have"


async def authorize(request: Request) -> Response:
    """Begin a flow: lead to the consent page, or back with what is wrong.

    Raises:
        UnusableDocumentError: the client's id leads to no document of a client to be let in.
        TransientError: it cannot be read now.
    """
    issuer = metadata.demand_built_in(request)
    asker = state_of(request).clients.of(request)[0]
    provider = Provider(_grants(request), documents_of(request), asker=asker)
    answer = await AuthorizationHandler(provider).handle(request)
    if provider.fault is not None:
        if state_of(request).clients.has_a_line_left(request):
            why = repr(provider.fault.__cause__ or provider.fault)
            asked = {"client_id": request.query_params.get("client_id"), "reason": why}
            logger.warning("client_document.not_read", extra=asked)
        raise provider.fault
    target = answer.headers.get("location", "")
    # The SDK does not say the issuer with its errors; a client could not tell whose they are.
    if isinstance(answer, RedirectResponse) and not target.startswith(f"{issuer}/consent?"):
        joint = "&" if urlsplit(target).query else "?"
        answer.headers["location"] = f"{target}{joint}{urlencode({'iss': issuer})}"
    return answer


async def give_token(request: Request) -> Response:
    """Return tokens for a code or a refresh token."""
    metadata.demand_built_in(request)
    form = parse_qs((await request.body()).decode(errors="replace"))
    provider = Provider(_grants(request), resource=form.get("resource", [None])[0])
    answer: Response = await TokenHandler(provider, ClientAuthenticator(provider)).handle(request)
    return answer


async def register(request: Request) -> Response:
    """Take in a client that tells of itself (RFC 7591)."""
    metadata.demand_built_in(request)
    options = ClientRegistrationOptions(enabled=True, default_scopes=list(SCOPES))
    provider = Provider(_grants(request))
    answer = await RegistrationHandler(provider, options).handle(request)
    if provider.registered and state_of(request).clients.has_a_line_left(request):
        audit(UNKNOWN, "oauth register", provider.registered, "done")
    return answer


async def revoke(request: Request) -> Response:
    """End a grant by any token of it, which its own client brings (RFC 7009).

    On purpose without the SDK's handler, which turns away clients that have no secret.
    """
    metadata.demand_built_in(request)
    form, grants = await request.form(), _grants(request)
    held = await grants.held(str(form.get("token", "")))
    if held is not None and held.granted.asked.client_id == form.get("client_id"):
        await grants.end(held)
    return Response(headers={"cache-control": "no-store"})


def _grants(request: Request) -> Grants:
    return state_of(request).runtime.authenticator.grants


def _refused(status: HTTPStatus, code: str, why: str) -> Response:
    """Return a refusal that stands where RFC 6749, 5.2, has it: clients show what is there."""
    return problem(status, why, error=code, error_description=why)


def _bounded(endpoint: Endpoint, too_large: str = "invalid_request") -> Endpoint:
    """Bound what an endpoint reads; `too_large` is its error code for more."""

    async def answer(request: Request) -> Response:
        if not metadata.is_built_in(request):
            return _refused(HTTPStatus.NOT_FOUND, "access_denied", metadata.NO_LOGIN)
        try:
            raw = await read_body(request, BODY_BYTES_MAX)
        except TooLargeError:
            return _refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large, TOO_LARGE)
        return await endpoint(_with_body(request, raw))

    return answer


def _with_body(request: Request, raw: bytes) -> Request:
    """Return a request whose body was read, with the body to be read once more."""
    read: list[Message] = [{"type": "http.request", "body": raw, "more_body": False}]

    async def receive() -> Message:
        return read.pop() if read else await request.receive()

    return Request(request.scope, receive)


AUTHORIZE, TOKEN, REVOKE, CONSENT = map(
    _bounded, (authorize, give_token, revoke, consent.take_consent)
)
REGISTER = _bounded(register, "invalid_client_metadata")
"""The same, with an end to how much they read, and what to do where there is no login."""
