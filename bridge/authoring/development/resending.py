"""Events that are sent again and calls that are made again, by the doors of n8n and Claude."""

import json
import secrets
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2

from bridge.authoring.development.activity import Activity
from bridge.authoring.development.served import ServedFiles
from bridge.client.mcp_client import connected_to, reason_of, sentence
from bridge.client.proofs import proof_for
from bridge.errors import BridgeError, NotFoundError
from bridge.formats.json_text import decode, encode, spell
from bridge.models import Json, Timeline
from bridge.verbs.operators import Operators

SEND_S = 30.0
SHOWN_CHARS = 100_000
"""So many characters of a payload or a result are shown; an editor gets all."""


_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody, for the bridge is asked by plain HTTP; to read whom to trust takes 40 ms."""


class Resending:
    """Sends what is on record again to the bridge at `base`, as it was or otherwise."""

    def __init__(self, base: str, files: ServedFiles, operators: Operators) -> None:
        self._base = base
        self._files = files
        self._operators = operators

    async def content_of(self, activity: Activity) -> Json:
        """Return the payload of an event, or the arguments of a call.

        Raises:
            NotFoundError: it is not on record any more.
        """
        if activity.is_call:
            call, _ = await self._operators.call(activity.record_id)
            arguments: Json = decode(call.arguments)
            return arguments
        payload: Json = decode(await self._operators.payload(activity.record_id) or b"null")
        return payload

    async def send(self, activity: Activity, content: Json) -> str:
        """Send a payload to the event's hook, or run the call's workflow; returns what came of it.

        Raises:
            NotFoundError: no server file has its place any more.
        """
        return await (self._run if activity.is_call else self._post)(activity, content)

    async def _post(self, activity: Activity, content: Json) -> str:
        server = self._files.servers.get(activity.server)
        hook = server.hooks.get(activity.part) if server else None
        if hook is None:
            raise NotFoundError(f"no server file has the hook {activity.place} any more")
        event, _ = await self._operators.event(activity.record_id)
        body = encode(content)
        headers = {
            **_unmasked(event.kept.get("headers")),
            "content-type": "application/json",
            # A hook with `dedupe` would take it for the one that came before.
            "idempotency-key": f"dev_{secrets.token_urlsafe(16)}",
            **proof_for(hook, body, time.time()),
        }
        url = f"{self._base}/hooks/{activity.place}"
        query = _unmasked(event.kept.get("query"))
        try:
            async with httpx2.AsyncClient(timeout=SEND_S, trust_env=False, verify=_NO_TLS) as http:
                told = httpx2.Headers(headers, encoding="utf-8")
                answer = await http.post(url, content=body, headers=told, params=query)
        except httpx2.HTTPError as error:
            return f"{activity.place} was not sent again: {reason_of(error)}"
        said = answer.json()
        if answer.is_success:
            return f"sent again to {activity.place} as {said['event_id']}"
        faults = "; ".join(f"{e['pointer']} {e['detail']}" for e in said.get("errors", ()))
        return f"{activity.place} has refused it ({answer.status_code}): {said['detail']} {faults}"

    async def _run(self, activity: Activity, content: Json) -> str:
        server = self._files.servers.get(activity.server)
        if server is None or activity.part not in server.workflows:
            raise NotFoundError(f"no server file has the workflow {activity.place} any more")
        if not isinstance(content, dict):
            return f"{activity.place} was not run again: its arguments must be an object"
        try:
            async with connected_to(self._base, server) as client:
                result = await client.call_tool(activity.part, content)
        except Exception as error:  # noqa: BLE001 - a group of whatever the client met
            return f"{activity.place} was not run again: {reason_of(error)}"
        if result.is_error:
            return f"{activity.place} has failed: {sentence(result)}"
        joined = (result.structured_content or {}).get("attached_to")
        return f"{activity.place} joined {joined}" if joined else f"{activity.place} has run again"

    async def details_of(self, activity: Activity) -> tuple[str, ...]:
        """Return all there is to see of a record, line by line."""
        try:
            read = self._of_call if activity.is_call else self._of_event
            parts, timeline = await read(activity.record_id)
        except BridgeError as error:
            return (str(error),)
        lines = [f"{activity.place}  {activity.record_id}  {activity.state}", ""]
        for name, value in parts.items():
            if value is not None:
                lines += [f"{name}:", *_indented(value)]
        return (*lines, "timeline:", *_moments(timeline))

    async def _of_call(self, call_id: str) -> tuple[dict[str, Json], Timeline]:
        call, timeline = await self._operators.call(call_id)
        parts: dict[str, Json] = {
            "arguments": decode(call.arguments),
            "result": decode(call.result or b"null"),
            "failure": call.failure,
            "execution": call.execution,
        }
        return parts, timeline

    async def _of_event(self, event_id: str) -> tuple[dict[str, Json], Timeline]:
        event, timeline = await self._operators.event(event_id)
        parts: dict[str, Json] = {
            "payload": decode(await self._operators.payload(event_id) or b"null"),
            **event.kept,
            "reply": decode(event.reply.value or b"null"),
            "reply failure": event.reply.last_failure,
            "reason": event.reason,
        }
        return parts, timeline


def as_text(value: Json) -> str:
    """Return a value as people edit it."""
    try:
        return json.dumps(value, indent=2, ensure_ascii=False)
    except TypeError:  # a number that no double holds, which only our own writer can write
        return spell(value)


def _moments(timeline: Timeline) -> Iterator[str]:
    for moment in timeline.moments:
        since_s = (moment.at_ms - timeline.moments[0].at_ms) / 1000
        said = "  ".join(f"{name}: {value}" for name, value in moment.said.items())
        yield f"  {since_s:9.3f} s  {moment.what:<14}  {said}".rstrip()


def _indented(value: Json) -> list[str]:
    text = value if isinstance(value, str) else as_text(value)
    more = len(text) - SHOWN_CHARS
    cut = [f"… and {more} characters more"] if more > 0 else []
    return [f"  {line}" for line in (*text[:SHOWN_CHARS].split("\n"), *cut)]


def _unmasked(members: Json) -> Mapping[str, Any]:
    """Return what was kept and is no secret."""
    given = members if isinstance(members, dict) else {}
    return {name: value for name, value in given.items() if value != "[secret]"}
