"""The stand-in's routes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.standin import answers, api, control
from bridge.standin.faults import ANSWERS
from bridge.standin.protocol import BrokenOffError, break_connection
from bridge.standin.seen import Seen
from bridge.standin.standin import Standin
from bridge.standin.waiting import waiting
from bridge.standin.webhooks import webhook
from bridge.standin.workflows import Flow

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]
BUILT_IN = "the bridge's built-in n8n stand-in"

Door = Callable[[Standin, Request], Awaitable[Response]]
SeenDoor = Callable[[Standin, Request, Seen], Awaitable[Response]]


def create_standin(
    *, built_in: bool, further: Callable[[str], Flow | None] = lambda _path: None
) -> Starlette:
    """Make a stand-in's application: the one that `up` runs, or the one that tests look into.

    The built-in one says in its tools' answers that it is no n8n; the other has `/standin/`.
    """
    answered_by = BUILT_IN if built_in else None
    return create_app(Standin(answered_by=answered_by, has_control=not built_in, further=further))


def create_app(standin: Standin) -> Starlette:
    """Make the application that answers for a stand-in, its `state.standin`, and closes it."""

    def at(path: str, door: Door, *methods: str) -> Route:
        async def endpoint(request: Request) -> Response:
            return await door(standin, request)

        return Route(path, endpoint, methods=methods or METHODS)

    routes = [
        at("/webhook/{path:path}", seen_by(webhook)),
        at("/webhook-waiting/{execution_id}", seen_by(waiting)),
        at("/webhook-waiting/{execution_id}/{suffix:path}", seen_by(waiting)),
        at("/api/v1/executions/{execution_id}", api.execution, "GET"),
        at("/api/v1/workflows", api.workflows, "GET"),
        at("/api/v1/workflows/{workflow_id}", api.workflow, "GET"),
        at("/.well-known/oauth-authorization-server", itself, "GET"),
        *(at(path, healthy, "GET") for path in ("/healthz", "/healthz/readiness")),
    ]
    control_routes = [
        at("/standin/requests", control.requests, "GET"),
        at("/standin/executions", control.park, "POST"),
        at("/standin/executions/{execution_id}", control.parked, "GET"),
        at("/standin/faults", control.order_fault, "POST"),
        at("/standin/reset", control.reset, "POST"),
    ]
    opened = control_routes if standin.has_control else []

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with standin:
            yield

    app = Starlette(
        lifespan=lifespan,
        routes=[*routes, *opened, at("/{path:path}", nowhere)],
        exception_handlers={ValidationError: misordered},
    )
    app.state.standin = standin
    return app


def seen_by(door: SeenDoor) -> Door:
    """Remember a request from its arrival to its end, and let it meet the fault ordered for it."""

    async def through(standin: Standin, request: Request) -> Response:
        seen = await Seen.arriving(request)
        if standin.has_control:
            standin.seen.add(seen)
        try:
            answer = await _answer(door, standin, request, seen)
        except BrokenOffError:
            seen.finish("reset")
            return await break_connection(request)
        seen.finish(answer.status_code)
        return answer

    return through


async def _answer(door: SeenDoor, standin: Standin, request: Request, seen: Seen) -> Response:
    fault = standin.faults.next(request.url.path)
    if fault is not None and fault.kind in ANSWERS:
        return ANSWERS[fault.kind](fault, request.method, request.url.path)
    if fault is not None and fault.kind == "reset_before_answer":
        raise BrokenOffError
    try:
        answer = await door(standin, request, seen)
    except answers.RefusalError as refusal:
        answer = refusal.answer
    if fault is not None:
        raise BrokenOffError
    return answer


async def misordered(_request: Request, error: Exception) -> Response:
    """Report what is wrong with an order given over the control path."""
    return answers.answered_text(str(error), 400)


async def healthy(_standin: Standin, _request: Request) -> Response:
    """Report that the stand-in is ready."""
    return answers.answered({"status": "ok"})


async def itself(_standin: Standin, request: Request) -> Response:
    """Return the address by which it is known, as n8n does where its OAuth is described."""
    return answers.answered({"issuer": str(request.base_url).rstrip("/")})


async def nowhere(_standin: Standin, request: Request) -> Response:
    """Show the page for addresses unknown."""
    return answers.cannot(request.method, request.url.path)
