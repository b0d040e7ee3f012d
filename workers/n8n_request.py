"""The requests the bridge sends to n8n, to the byte."""

import base64
from collections.abc import Mapping
from urllib.parse import quote

import httpx2
from pydantic import SecretStr

from bridge import __version__
from bridge.exact_json import encode
from bridge.models import Json
from bridge.reply_address import ReplyAddress
from bridge.servers import BasicAuth, BearerAuth, HeaderAuth, Workflow

WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
FIXED_HEADERS = {
    # n8n's API says nothing to a "bot", and a Webhook node that ignores bots takes every bare
    # "name/version" for one.
    "User-Agent": f"n8n-claude-bridge/{__version__} (webhook)",
    "Accept": "*/*",
    # What arrives is then as long as what is counted.
    "Accept-Encoding": "identity",
}


def workflow_request(
    workflow: Workflow,
    arguments: Mapping[str, Json],
    call_id: str,
    traceparent: str,
    callback_url: str | None,
) -> httpx2.Request:
    """Write one attempt to run a workflow; all attempts of a call carry one Idempotency-Key.

    Raises:
        httpx2.InvalidURL: the workflow's address is none.
    """
    headers = {
        **{name: _revealed(value) for name, value in workflow.headers.items()},
        **_authorization(workflow),
        "Idempotency-Key": call_id,
        "Bridge-Call-Id": call_id,
        "traceparent": traceparent,
    }
    if callback_url is not None:
        headers["Bridge-Callback-Url"] = callback_url
    url = httpx2.URL(workflow.url)
    if workflow.method in WITH_BODY:
        return _request(workflow.method, url, headers, encode(arguments))
    return _request(workflow.method, url.copy_merge_params(_query(arguments)), headers, None)


def resume_request(address: ReplyAddress, value: Json, event_id: str) -> httpx2.Request:
    """Write one attempt to hand a reply to the execution that waits at `address`.

    The request target is sent byte for byte: n8n takes addresses that are not well formed, such as
    `?signature=TOKEN/suffix`.

    Raises:
        httpx2.InvalidURL: the origin is none.
    """
    body = encode(value)
    request = _request("POST", httpx2.URL(address.origin), {"Idempotency-Key": event_id}, body)
    request.extensions["target"] = address.target.encode()
    return request


def execution_request(
    base_url: str, api_key: str, execution: str, *, with_data: bool = False
) -> httpx2.Request:
    """Write a question to n8n's API how an execution stands; what its nodes gave comes if asked."""
    asked = "?includeData=true" if with_data else ""
    url = f"{base_url.rstrip('/')}/api/v1/executions/{quote(execution, safe='')}{asked}"
    return _request("GET", httpx2.URL(url), {"X-N8N-API-KEY": api_key}, None)


def _request(
    method: str, url: httpx2.URL, headers: Mapping[str, str], body: bytes | None
) -> httpx2.Request:
    kind = {} if body is None else {"Content-Type": "application/json"}
    written = {**FIXED_HEADERS, **kind, **headers}
    encoded = [(name.encode(), value.encode()) for name, value in written.items()]
    return httpx2.Request(method, url, headers=encoded, content=body)


def _query(arguments: Mapping[str, Json]) -> httpx2.QueryParams:
    """Write arguments as a query: lists as repeated members, nested values as JSON, no nulls."""
    pairs = (
        (name, item)
        for name, value in arguments.items()
        for item in (value if isinstance(value, list) else [value])
        if item is not None
    )
    return httpx2.QueryParams(
        [(name, item if isinstance(item, str) else encode(item).decode()) for name, item in pairs]
    )


def _revealed(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _authorization(workflow: Workflow) -> dict[str, str]:
    match workflow.auth:
        case HeaderAuth(name=name, value=secret):
            return {name: secret.get_secret_value()}
        case BearerAuth(token=secret):
            return {"Authorization": f"Bearer {secret.get_secret_value()}"}
        case BasicAuth(user=user, password=secret):
            pair = f"{user}:{secret.get_secret_value()}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}
