"""A request finds its route by the first segment of its path, and an error its answer."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bridge.errors import BridgeError, NotFoundError
from bridge.web.middleware import ErrorAnswers, SegmentRouter


async def show_path(request: Request) -> Response:
    return PlainTextResponse(f"{request.method} {request.path_params}")


async def lose(_request: Request) -> Response:
    raise NotFoundError("lost")


async def break_down(_request: Request) -> Response:
    raise ZeroDivisionError


ROUTES = (
    Route("/a/{name}", show_path, methods=["POST"]),
    Route("/a/b", show_path),
    Route("/a.b", show_path),
    Route("/lost", lose),
    Route("/broken", break_down),
)


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client of an app with these routes."""
    answers = {
        BridgeError: lambda _request, error: PlainTextResponse(str(error), 404),
        HTTPException: lambda _request, error: PlainTextResponse("", error.status_code),
    }
    app = ErrorAnswers(SegmentRouter(ROUTES), answers)
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://bridge") as client:
        yield client


async def test_the_first_route_of_path_and_method_answers(http: httpx2.AsyncClient) -> None:
    assert (await http.post("/a/b")).text == "POST {'name': 'b'}"
    assert (await http.get("/a/b")).text == "GET {}"
    assert (await http.head("/a/b")).status_code == 200
    assert (await http.get("/a.b")).text == "GET {}"


@pytest.mark.parametrize("path", ["", "/", "/a", "/a/", "/A/b", "/a/b/c", "//a/b", "/a.b/c", "/c"])
async def test_a_path_that_no_route_takes_is_not_found(http: httpx2.AsyncClient, path: str) -> None:
    assert (await http.post(path)).status_code == 404


async def test_a_method_that_no_route_of_the_path_takes_is_refused(
    http: httpx2.AsyncClient,
) -> None:
    assert (await http.delete("/a/b")).status_code == 405


async def test_an_error_is_answered_as_its_nearest_class(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/lost")
    assert (answer.status_code, answer.text) == (404, "lost")


async def test_an_error_without_an_answer_is_the_servers(http: httpx2.AsyncClient) -> None:
    with pytest.raises(ZeroDivisionError):
        await http.get("/broken")
