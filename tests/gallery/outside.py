"""What is outside of the examples, such as web sites and a CRM: it shows pages, and keeps posts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.gallery.examples import WRITTEN_OUTSIDE, Example
from tests.n8n.real import WRITTEN_ADDRESS

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".xml": "application/xml",
    ".csv": "text/csv; charset=utf-8",
    ".pdf": "application/pdf",
}


@dataclass
class Outside:
    """The systems outside. `https://crm.example.com/people` of an example is `/EXAMPLE/crm/people`.

    GET shows the file `samples/outside/crm/people` of the example, with `.html`, `.json` or
    `/index.html` behind it where that is its name, and of a JSON list what the query asks for. Any
    other method is kept for `received`. The addresses are known once both are served.
    """

    bridge_url: str = ""
    url: str = ""
    _received: list[tuple[str, Any]] = field(default_factory=list)

    def addressed(self, example: Example, text: str) -> str:
        """Return a text of an example with the addresses of here in it."""
        systems = rf"{self.url}/{example.name}/\1"
        return WRITTEN_OUTSIDE.sub(systems, text.replace(WRITTEN_ADDRESS, self.bridge_url))

    def received(self, example: Example, path: str) -> list[Any]:
        """Return what was sent to a path of an example's systems, such as `crm/people`."""
        return [body for sent_to, body in self._received if sent_to == f"{example.name}/{path}"]

    def app(self) -> Starlette:
        """Return the application that answers for all of them."""
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        return Starlette(routes=[Route("/{example}/{path:path}", self._answer, methods=methods)])

    async def _answer(self, request: Request) -> Response:
        example, path = Example(request.path_params["example"]), request.path_params["path"]
        if request.method not in ("GET", "HEAD"):
            self._received.append((f"{example.name}/{path}", await request.json()))
            return JSONResponse({"id": str(len(self._received))}, 201)
        file = page(example.folder / "samples" / "outside", path)
        if file is None:
            return JSONResponse({"message": "there is no such page"}, 404)
        if file.suffix == ".pdf":
            return Response(file.read_bytes(), headers={"content-type": TYPES[file.suffix]})
        text = self.addressed(example, file.read_text())
        if request.query_params and file.suffix == ".json":
            return JSONResponse(matching(json.loads(text), request.query_params))
        return Response(text, headers={"content-type": TYPES[file.suffix]})


def matching(records: list[dict[str, Any]], query: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the records whose members are what a query asks for."""
    return [
        record
        for record in records
        if all(str(record.get(name)) == value for name, value in query.items())
    ]


def page(folder: Path, path: str) -> Path | None:
    """Find the file of a page; none outside of the folder."""
    for end in ("", ".html", ".json", "/index.html"):
        file = (folder / f"{path.strip('/')}{end}").resolve()
        if file.is_file() and file.is_relative_to(folder.resolve()):
            return file
    return None
