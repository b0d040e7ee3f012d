"""A workflow of which two HTTP Request nodes ask at once, each held until its reply is there."""

import asyncio

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

PATH = "/webhook/two-questions"
WAIT_S = 60


async def ask_twice(request: Request) -> Response:
    """Send two events in the middle of a call and answer with both replies."""
    given = await request.json()
    url = f"http://127.0.0.1:{given['port']}/hooks/{given['hook']}"
    headers = {
        "authorization": f"Bearer {given['token']}",
        "bridge-call-id": request.headers["bridge-call-id"],
        "prefer": f"wait={WAIT_S}",
    }
    async with httpx2.AsyncClient(timeout=WAIT_S + 5) as http:
        answers = await asyncio.gather(
            *(http.post(url, json={"question": text}, headers=headers) for text in ("A?", "B?"))
        )
    return JSONResponse({"replies": [answer.json().get("reply") for answer in answers]})


app = Starlette(routes=[Route(PATH, ask_twice, methods=["POST"])])
