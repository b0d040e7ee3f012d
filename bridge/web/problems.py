"""Errors as answers: the one table from error class to HTTP status (problem+json, RFC 9457)."""

import logging
import math
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from bridge.errors import (
    BridgeError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    LeaseLostError,
    MalformedError,
    NotFoundError,
    RejectedError,
    TooLargeError,
    TooManyError,
    TooManySessionsError,
    TransientError,
    UnauthorizedError,
    UnprovenError,
    UnsupportedMediaError,
)
from bridge.log import UNKNOWN, audit
from bridge.net.problem import problem
from bridge.web.middleware import state_of

logger = logging.getLogger(__name__)

STATUS: dict[type[BridgeError], HTTPStatus] = {
    UnauthorizedError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    NotFoundError: HTTPStatus.NOT_FOUND,
    MalformedError: HTTPStatus.BAD_REQUEST,
    TooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedMediaError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ConflictError: HTTPStatus.CONFLICT,
    LeaseLostError: HTTPStatus.CONFLICT,
    InvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    RejectedError: HTTPStatus.BAD_REQUEST,
    TooManyError: HTTPStatus.TOO_MANY_REQUESTS,
    TooManySessionsError: HTTPStatus.TOO_MANY_REQUESTS,
    TransientError: HTTPStatus.SERVICE_UNAVAILABLE,
    BridgeError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

NOTHING_HERE = (
    "nothing is at this address: n8n sends to /hooks/SERVER/HOOK, Claude connects to /mcp/SERVER"
)


def answer_http_error(request: Request, error: Exception) -> Response:
    """Turn what the framework refuses, an unknown path say, into a problem document."""
    assert isinstance(error, HTTPException), "registered for no other"
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods_at(request))
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            detail = NOTHING_HERE
        case HTTPStatus.METHOD_NOT_ALLOWED:
            detail = f"{request.method} is not answered here: send {headers.get('Allow')}"
        case _:
            detail = error.detail
    return problem(error.status_code, detail, headers)


def _methods_at(request: Request) -> list[str]:
    """Name all that an address takes; the framework knows but one of its routes (RFC 9110, 10.2.1).

    No route of ours is refused by anything but its method.
    """
    there = [route for route in request.app.routes if route.matches(request.scope)[0] != Match.NONE]
    return sorted({method for route in there for method in route.methods})


def refuse_guess(request: Request, why: str) -> Response | None:
    """Count a wrong credential; return the 429 once its sender has brought too many."""
    clients = state_of(request).clients.of(request)
    braking = state_of(request).guesses.count(clients)
    if braking is None:
        return None
    if braking.is_first:
        audit(UNKNOWN, f"{request.method} {request.url.path}", "", "braked")
        logger.warning("credentials.braked", extra={"clients": clients})
    detail = f"too many wrong credentials came from this address within a minute; {why}"
    return problem(429, detail, {"Retry-After": str(braking.retry_after_s)})


def status_of(error: BridgeError) -> HTTPStatus:
    """Return the status that an error of ours demands: the most specific class decides."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def answer_error(request: Request, error: Exception) -> Response:
    """Turn an error of ours into its problem document."""
    assert isinstance(error, BridgeError), "registered for no other"
    status = status_of(error)
    headers: dict[str, str] = {}
    members: dict[str, object] = {}
    is_guess = isinstance(error, UnprovenError) or getattr(error, "is_guess", False)
    if is_guess and (refused := refuse_guess(request, str(error))):
        return refused
    if isinstance(error, UnauthorizedError | ForbiddenError):
        outcome = "unauthorized" if status == HTTPStatus.UNAUTHORIZED else "forbidden"
        audit(UNKNOWN, f"{request.method} {request.url.path}", "", outcome)
        headers["WWW-Authenticate"] = error.challenge
    if isinstance(error, TransientError):
        headers["Retry-After"] = str(math.ceil(error.retry_after_s or 1))
    if isinstance(error, InvalidError):
        members["errors"] = [
            {"pointer": fault.shown_pointer, "detail": fault.detail} for fault in error.faults
        ]
        return problem(status, _summary(error), headers, **members)
    return problem(status, str(error), headers, **members)


def _summary(error: InvalidError) -> str:
    if not (error.has_more and error.faults):
        return error.summary
    return f"{error.summary}; there are more faults than the {len(error.faults)} that are listed"
