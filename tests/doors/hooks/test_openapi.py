"""GET /openapi.json: the document about the HTTP face, to whoever asks."""

import json

import httpx2

from bridge.web.openapi import DOCUMENT


async def test_the_document_is_served_as_it_is_kept_to_whoever_asks(
    web: str, http: httpx2.AsyncClient
) -> None:
    answer = await http.get(f"{web}/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == json.loads(DOCUMENT)
