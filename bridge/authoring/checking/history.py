"""What is on record against the schemas of server files: what would be refused if it came now.

Nothing is sent or changed, and nothing of a record is shown but its id and, of what breaks, a place
whose names the schema itself has.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.authoring.checking.rules import HISTORY_REFUSED
from bridge.configuration.findings import Finding
from bridge.configuration.server_files import ServerFile, ServerFiles
from bridge.configuration.servers import Hook, Workflow
from bridge.errors import InvalidError, MalformedError, NotFoundError
from bridge.formats.json_text import decode
from bridge.formats.payloads import Content, inner_json
from bridge.formats.pointers import parts_of, pointer_to
from bridge.models import Body, Call, CallStatus, Event
from bridge.schemas.checks import SchemaCache
from bridge.verbs.operators import Operators, RecordFilter

PAGE = 200

NOUNS = {"payload": "payloads", "reply": "replies", "input": "arguments", "output": "results"}
"""What each schema is of, on record."""

Schema = Mapping[str, Any]


@dataclass
class Tally:
    """How many of one schema's values on record it takes, and one that it does not."""

    place: tuple[str, str, str]
    schema: Schema
    compared: int = 0
    refused: int = 0
    example_id: str = ""
    pointer: str = ""

    def refuse(self, record_id: str, error: InvalidError) -> None:
        """Count a value that the schema does not take."""
        self.refused += 1
        if not self.example_id:
            self.example_id = record_id
            self.pointer = next((_shown(self.schema, each.pointer) for each in error.faults), "")


@dataclass(frozen=True)
class History:
    """What was found on record, and how many values were compared, by what they are."""

    findings: tuple[Finding, ...]
    compared: Mapping[str, int]


@dataclass
class HistoryCheck:
    """Compares the records of the last `since` with schemas; `after` is where they begin."""

    operators: Operators
    since: str
    after: int
    schemas: SchemaCache = field(default_factory=SchemaCache)

    async def of(self, files: ServerFiles) -> History:
        """Compare the records of all sound servers of these files."""
        findings: list[Finding] = []
        compared = dict.fromkeys(NOUNS.values(), 0)
        try:
            for file in files.files:
                async for tally in self._tallies(file):
                    compared[NOUNS[tally.place[2]]] += tally.compared
                    findings += self._said(file, tally)
        finally:
            await self.schemas.aclose()
        return History(tuple(findings), compared)

    async def _tallies(self, file: ServerFile) -> AsyncIterator[Tally]:
        if file.server is None:
            return
        for hook in file.server.hooks.values():
            for tally in await self._of_hook(file.server.name, hook):
                yield tally
        for workflow in file.server.workflows.values():
            for tally in await self._of_workflow(file.server.name, workflow):
                yield tally

    async def _of_hook(self, server: str, hook: Hook) -> list[Tally]:
        payloads, replies = (
            Tally(("hooks", hook.name, name), schema or {})
            for name, schema in (("payload", hook.payload), ("reply", hook.reply))
        )
        async for event in self._events(RecordFilter(server, hook.name, None, self.after, PAGE)):
            body = await self.operators.payload(event.event_id) if payloads.schema else b""
            if body:
                await self._compare_payload(payloads, event, body)
            if replies.schema and event.reply.value:
                await self._compare(
                    replies, event.event_id, decode(event.reply.value), lenient=True
                )
        return [payloads, replies]

    async def _of_workflow(self, server: str, workflow: Workflow) -> list[Tally]:
        inputs, outputs = (
            Tally(("workflows", workflow.name, name), schema or {})
            for name, schema in (("input", workflow.input), ("output", workflow.output))
        )
        wanted = RecordFilter(server, workflow.name, None, self.after, PAGE)
        async for call in self._calls(wanted):
            await self._compare(inputs, call.call_id, decode(call.arguments), lenient=True)
            if outputs.schema and call.status is CallStatus.SUCCEEDED:
                with contextlib.suppress(NotFoundError):  # its time was over meanwhile
                    whole, _ = await self.operators.call(call.call_id)
                    if whole.result:
                        await self._compare(outputs, call.call_id, decode(whole.result))
        return [inputs, outputs]

    async def _events(self, wanted: RecordFilter) -> AsyncIterator[Event]:
        while page := await self.operators.events(wanted):
            for event in page:
                yield event
            wanted = replace(wanted, after=page[-1].order)

    async def _calls(self, wanted: RecordFilter) -> AsyncIterator[Call]:
        while page := await self.operators.calls(wanted):
            for call in page:
                yield call
            wanted = replace(wanted, after=page[-1].order)

    async def _compare_payload(self, tally: Tally, event: Event, body: bytes) -> None:
        """Compare a payload as a hook does, which takes the JSON in a text for what was meant."""
        payload = decode(body)
        try:
            inner = inner_json(Content(payload, Body(body, event.media_type)))
        except MalformedError:
            inner = None
        if inner and not await self.schemas.fits(tally.schema, payload):
            payload = inner.payload
        await self._compare(tally, event.event_id, payload)

    async def _compare(
        self, tally: Tally, record_id: str, value: Any, *, lenient: bool = False
    ) -> None:
        check = self.schemas.mended if lenient else self.schemas.check
        tally.compared += 1
        try:
            await check(tally.schema, value, "")
        except InvalidError as error:
            tally.refuse(record_id, error)

    def _said(self, file: ServerFile, tally: Tally) -> Iterator[Finding]:
        if tally.refused:
            at = f", at {tally.pointer}" if tally.pointer else ""
            said = (
                f"would refuse {tally.refused} of the {tally.compared} {NOUNS[tally.place[2]]} on "
                f"record of the last {self.since}, such as that of {tally.example_id}{at}: widen "
                "the schema, or change what is sent first"
            )
            yield file.document.finding(HISTORY_REFUSED, tally.place, said)


def _shown(schema: Schema, pointer: str) -> str:
    """Return a pointer with only those names in it that the schema has, for others are data."""
    known = set(_texts(schema))
    parts = parts_of(pointer)
    return pointer_to([part if part.isdigit() or part in known else "…" for part in parts])


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        yield from part
        for member in part.values():
            yield from _texts(member)
    elif isinstance(part, list | tuple):
        for item in part:
            yield from _texts(item)
    elif isinstance(part, str):
        yield part
