"""n8n's public API, as far as authors need it: workflows and their nodes, published or not.

Workers ask this API how an execution stands, by another door (`client.N8n`): there an answer may be
large, many are asked at once, and every failure is an outcome of a call. Here a failure is a
sentence for whoever runs a command.

Source: n8n 2.41, public-api/v1/openapi.yml; what it does not say was seen on a real n8n.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator
from pydantic.alias_generators import to_camel

from bridge import __version__
from bridge.errors import BridgeError, PermanentError, TransientError
from bridge.formats.json_text import decode
from bridge.models import Json

PAGE = 100
SILENCE_MAX_S, ANSWER_MAX_S = 30.0, 120.0
STARTING = b"n8n is starting up"
"""What n8n answers, with 200, until its database is migrated."""
WORKFLOW_READ = "workflow:list and workflow:read"


class ApiRecord(BaseModel):
    """A record of n8n's API, by its own names; what the bridge does not read is passed over."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _default_for_null(cls, given: object, info: Any) -> object:
        field = cls.model_fields[info.field_name]
        return field.get_default(call_default_factory=True) if given is None else given


class Node(ApiRecord):
    """One node of a workflow."""

    name: str = ""
    type: str = ""
    parameters: dict[str, Any] = Field({})
    credentials: dict[str, Any] = Field({})
    webhook_id: str = ""
    notes: str = ""
    disabled: bool = False


class Tag(ApiRecord):
    """A tag of a workflow."""

    name: str = ""


class Version(ApiRecord):
    """What is published of a workflow; the draft beside it may differ."""

    nodes: tuple[Node, ...] = ()
    description: str = ""


class WorkflowRecord(ApiRecord):
    """One workflow: its draft, and since n8n 2 the version that is published."""

    id: str
    name: str = ""
    active: bool = False
    updated_at: str = ""
    version_id: str = ""
    active_version_id: str = ""
    is_archived: bool = False
    description: str = ""
    nodes: tuple[Node, ...] = ()
    settings: dict[str, Any] = Field({})
    tags: tuple[Tag, ...] = ()
    pin_data: dict[str, Any] = Field({})
    active_version: Version | None = None

    @property
    def published(self) -> tuple[Node, ...]:
        """The nodes that answer the webhook; n8n 1 publishes what it shows."""
        nodes = self.active_version.nodes if self.active_version else self.nodes
        return tuple(node for node in nodes if not node.disabled)


class _Page(ApiRecord):
    data: tuple[WorkflowRecord, ...]
    next_cursor: str = ""


Record = TypeVar("Record", bound=ApiRecord)
_PAGE = TypeAdapter(_Page)
_WORKFLOW = TypeAdapter(WorkflowRecord)


class N8nApi:
    """Reads workflows from one n8n; an async context manager."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._http = httpx2.AsyncClient(
            headers={
                "X-N8N-API-KEY": api_key,
                "User-Agent": f"n8n-claude-bridge/{__version__}",
                "Accept": "application/json",
            },
            timeout=SILENCE_MAX_S,
            trust_env=False,
            verify=httpx2.create_ssl_context(),  # as what runs workflows: SSL_CERT_FILE counts
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    def published(self) -> AsyncIterator[WorkflowRecord]:
        """Yield the workflows that are published and not archived, page by page.

        Raises:
            PermanentError: the key or the address is wrong, or no n8n answers there.
            TransientError: n8n cannot be reached, or is starting.
        """
        asked = {"active": "true"}
        return (found async for found in self._listed(asked) if not found.is_archived)

    def workflows(self) -> AsyncIterator[WorkflowRecord]:
        """Yield all workflows, page by page.

        Raises:
            PermanentError, TransientError: as of `published`.
        """
        return self._listed({})

    async def workflow(self, workflow_id: str) -> WorkflowRecord:
        """Return one workflow with its description, which the list leaves out.

        Raises:
            PermanentError, TransientError: as of `published`.
        """
        return self._read(_WORKFLOW, await self._get(f"/workflows/{quote(workflow_id, safe='')}"))

    async def workflow_if_there(self, workflow_id: str) -> WorkflowRecord | None:
        """Return one workflow as `workflow` does, or None where n8n has no such one any more.

        Raises:
            PermanentError, TransientError: as of `published`.
        """
        path = f"/workflows/{quote(workflow_id, safe='')}"
        answer = await self._answer(path)
        if answer.status_code == httpx2.codes.NOT_FOUND:
            return None
        return self._read(_WORKFLOW, self._content(answer))

    async def status_of(self, path: str) -> int:
        """Ask, and return only with which status n8n answers.

        Raises:
            PermanentError, TransientError: nothing answers at the address.
        """
        return (await self._answer(path)).status_code

    async def _listed(self, chosen: dict[str, str]) -> AsyncIterator[WorkflowRecord]:
        asked = {"limit": str(PAGE), **chosen}
        while True:
            page = self._read(_PAGE, await self._get("/workflows", asked))
            for found in page.data:
                yield found
            # A proxy may answer with the same page, or with an empty one, for ever.
            if not page.data or page.next_cursor in ("", asked.get("cursor")):
                return
            asked["cursor"] = page.next_cursor

    async def _answer(self, path: str, asked: dict[str, str] | None = None) -> httpx2.Response:
        try:
            async with asyncio.timeout(ANSWER_MAX_S):
                return await self._http.get(f"{self.base_url}/api/v1{path}", params=asked)
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise PermanentError(
                f"BRIDGE_N8N_URL is no address that can be asked: {error}"
            ) from error
        except (httpx2.RequestError, ssl.SSLError, TimeoutError) as error:
            raise TransientError(
                f"n8n at {self.base_url} cannot be reached ({type(error).__name__}): "
                "is it running, and is BRIDGE_N8N_URL right?"
            ) from error

    async def _get(self, path: str, asked: dict[str, str] | None = None) -> Json:
        return self._content(await self._answer(path, asked))

    def _content(self, answer: httpx2.Response) -> Json:
        if answer.status_code != httpx2.codes.OK:
            raise self._refusal(answer.status_code)
        if answer.content.startswith(STARTING):
            raise TransientError(f"n8n at {self.base_url} is starting: try again")
        try:
            read: Json = decode(answer.content)
        except (ValueError, RecursionError) as error:
            raise self._no_api() from error
        return read

    def _refusal(self, status: int) -> BridgeError:
        match status:
            case 401:
                return PermanentError(
                    "n8n refuses BRIDGE_N8N_API_KEY: make a key in n8n under Settings, n8n API"
                )
            case 403:
                return PermanentError(
                    f"BRIDGE_N8N_API_KEY lacks a scope of {WORKFLOW_READ}: make a key with both"
                )
            case 429 | 502 | 503 | 504:
                return TransientError(f"n8n answers {status} for now: try again")
        return PermanentError(
            f"n8n answers {status} at {self.base_url}/api/v1: is its public API turned on, "
            "and is BRIDGE_N8N_URL right?"
        )

    def _read(self, adapter: TypeAdapter[Record], raw: Json) -> Record:
        try:
            return adapter.validate_python(raw)
        except ValidationError as error:
            raise self._no_api() from error

    def _no_api(self) -> PermanentError:
        return PermanentError(
            f"what answers at {self.base_url}/api/v1 is not n8n's API: is BRIDGE_N8N_URL right?"
        )
